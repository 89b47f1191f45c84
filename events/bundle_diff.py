"""What two bundles have differently. Pure; any thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from events.bundle_events import AddonPin
from events.bundles import Bundle
from events.canonical import canonical
from events.settings_tree import dotted

PLUGINS = "plugins/"

Files = Callable[[AddonPin], Mapping[str, str]]
"""Path below an addon's folder → digest, of what a pin holds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that two bundles have differently; `None` where one has nothing."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    addons: tuple[Change, ...]
    settings: tuple[Change, ...]
    environment: tuple[Change, ...]
    plugins: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.addons or self.settings or self.environment or self.plugins)


def difference(first: Bundle, second: Bundle, files: Files) -> Difference:
    """Of their content: where this is empty, both have the same digest, and the other way round."""
    plugins: list[Change] = []
    for addon in sorted(first.addons.keys() | second.addons.keys()):
        old, new = first.addons.get(addon), second.addons.get(addon)
        if old != new:
            plugins += _changes(_plugins(addon, old, files), _plugins(addon, new, files))
    return Difference(
        addons=_changes(_pins(first), _pins(second)),
        settings=_settings_changes(first, second),
        environment=_changes(first.environment, second.environment),
        plugins=tuple(plugins),
    )


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _pins(bundle: Bundle) -> dict[str, str]:
    return {name: f"{pin.version} {pin.path or pin.digest}" for name, pin in bundle.addons.items()}


def _settings_changes(first: Bundle, second: Bundle) -> tuple[Change, ...]:
    old, new = _settings(first), _settings(second)
    changed = _changes({k: v for k, (v, _) in old.items()}, {k: v for k, (v, _) in new.items()})
    # The same value, written for another version of its addon, may come to mean something else.
    rewritten = [
        Change(name, f"{old[name][0]} (of {old[name][1]})", f"{new[name][0]} (of {new[name][1]})")
        for name in sorted(old.keys() & new.keys())
        if old[name][0] == new[name][0] and old[name][1] != new[name][1]
    ]
    return (*changed, *rewritten)


def _settings(bundle: Bundle) -> dict[str, tuple[str, str]]:
    """Dotted path → value as JSON, and the addon version it was written for."""
    return {
        dotted(addon, path): (canonical(setting.value).decode(), setting.schema)
        for addon, layer in bundle.settings.addons.items()
        for path, setting in layer.items()
    }


def _plugins(addon: str, pin: AddonPin | None, files: Files) -> dict[str, str]:
    if pin is None:
        return {}
    return {f"{addon}/{path}": digest for path, digest in files(pin).items() if path.startswith(PLUGINS)}
