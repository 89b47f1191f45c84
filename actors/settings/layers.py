"""An addon's layers as the version that a bundle pins reads them. Actor thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from events.settings import Layer, Scope, Setting
from events.settings_layers import LAYERS, effective, pinned
from events.settings_tree import Path as SettingPath
from events.settings_tree import begins, dotted, lookup
from qi.contracts.addons import FitSettings, Fitted, FittedValue, Schemas, StoredValue
from qi.contracts.bundles import BundleInfo
from qi.contracts.settings import InvalidSetting

KEPT_MOST = 500
EMPTY: tuple[Any, ...] = (None, "", [], {})

Scopes = Mapping[str, Scope]
"""Name of a layer → all differences in it."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A bundle, and the schemas of what it pins."""

    bundle: BundleInfo
    schemas: Schemas
    digests: Mapping[str, str]
    """Addon → digest of its content; of what a dev bundle takes from a folder, as the folder was when it was asked."""


@dataclass(frozen=True, slots=True)
class Read:
    """One addon's settings, read by one version of it."""

    addon: str
    defaults: Mapping[str, Any]
    layers: Mapping[str, Layer]
    """Only what holds, the lowest first."""
    out: tuple[tuple[FittedValue, Setting], ...]
    """What does not hold."""
    moved: Mapping[tuple[str, SettingPath], SettingPath]
    """(layer, path it is read at) → path it is stored at, where a migration moved it."""
    required: tuple[SettingPath, ...]
    secrets: tuple[SettingPath, ...]
    """`*` stands for any key."""

    def values(self) -> dict[str, Any]:
        return effective(self.defaults, *self.layers.values())

    def pinned(self) -> set[tuple[str, SettingPath]]:
        """(layer, path) of what says no more than the layers below."""
        return pinned(self.defaults, self.layers)

    def shown(self, one: FittedValue) -> Any:
        """What does not hold, for people to see: what stands where a secret belongs may be one, from the time before
        the field was secret."""
        near = any(
            all(want in ("*", have) for want, have in zip(secret, one.path, strict=False)) for secret in self.secrets
        )
        return None if near else one.value

    def invalid(self, values: Mapping[str, Any], within: SettingPath = ()) -> Iterator[InvalidSetting]:
        """What does not count of what concerns `within`, and what has to be said and is not."""
        for one, setting in self.out:
            if begins(one.path, within) or begins(within, one.path):
                why = one.why if one.fault == one.path else f"{dotted(self.addon, one.fault)}: {one.why}"
                yield InvalidSetting(
                    path=dotted(self.addon, one.stored), layer=one.layer, value=self.shown(one), why=why,
                    by=setting.by, at=int(setting.at),
                )  # fmt: skip
        for path in self.required:
            if begins(path, within) and lookup(values, path) in EMPTY:
                yield InvalidSetting(
                    path=dotted(self.addon, path), layer="default", value=lookup(values, path), why="it needs a value"
                )


class Layers:
    """Asks what of the stored overrides holds, and remembers the answers: they rest on nothing that changes."""

    def __init__(self, ask: Callable[[FitSettings], Fitted]) -> None:
        self._ask = ask
        self._kept: dict[tuple[Any, ...], Fitted] = {}

    def read(self, pinned: Pinned, addon: str, scopes: Scopes) -> Read:
        """`scopes` by layer; one that is not there says nothing."""
        schemas = pinned.schemas
        stored = {
            (layer, path): setting
            for layer in LAYERS
            if layer in scopes
            for path, setting in scopes[layer].layer(addon).items()
        }
        found = self._fitted(addon, pinned.digests.get(addon, ""), stored) if stored else ()
        layers: dict[str, dict[SettingPath, Setting]] = {layer: {} for layer in LAYERS if layer in scopes}
        for one in found:
            if not one.why:
                layers[one.layer][one.path] = replace(stored[one.layer, one.stored], value=one.value)
        return Read(
            addon, schemas.defaults.get(addon, {}), layers,
            tuple((one, stored[one.layer, one.stored]) for one in found if one.why),
            {(one.layer, one.path): one.stored for one in found if one.path != one.stored},
            tuple(rule.path for rule in schemas.rules.get(addon, ()) if rule.required and "*" not in rule.path),
            tuple(tuple(path.split(".")[1:]) for path in schemas.secrets.get(addon, ())),
        )  # fmt: skip

    def _fitted(
        self, addon: str, digest: str, stored: Mapping[tuple[str, SettingPath], Setting]
    ) -> tuple[FittedValue, ...]:
        # An event is set once: its id stands for the path, the value and the version it was written for.
        key = (addon, digest, *((layer, setting.event) for (layer, _), setting in stored.items()))
        if key not in self._kept or not all(setting.event for setting in stored.values()):
            if len(self._kept) >= KEPT_MOST:
                self._kept.clear()
            asked = tuple(
                StoredValue(
                    layer=layer, path=path, value=one.value, schema=one.schema, position=int(one.position)
                )
                for (layer, path), one in stored.items()
            )  # fmt: skip
            self._kept[key] = self._ask(FitSettings(name=addon, digest=digest, stored=asked))
        return self._kept[key].values
