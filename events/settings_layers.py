"""What the layers of settings come to, and which of them says what. Pure; any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.canonical import canonical
from events.settings import Layer, Setting
from events.settings_tree import MISSING, Path, begins, lookup, with_value

LAYERS = ("bundle", "project", "project file", "user")
"""From the lowest; what none of them says has its default."""

SCOPE_OF_LAYER = {"bundle": "bundle", "project": "project", "project file": "project", "user": "user"}
"""Where a field must allow to be overridden for a layer to count."""


@dataclass(frozen=True, slots=True)
class LayerValue:
    """What one layer says about a path."""

    layer: str
    """`default`, or one of :data:`LAYERS`."""
    path: Path
    """Where it says so: the asked path, one above it, or one below it."""
    value: Any
    """At the asked path, or at `path` when that lies below; null when not `present`."""
    present: bool
    """False when a layer replaces a group by one without this path."""
    setting: Setting | None
    """Who said so, when and why; `None` for a default."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The effective value at a path, and how it comes about."""

    path: Path
    value: Any
    """Null when not `present`."""
    present: bool
    layers: tuple[LayerValue, ...]
    """From the lowest to the one that wins."""


def effective(defaults: Mapping[str, Any], *layers: Layer) -> dict[str, Any]:
    """One addon's settings as they hold, the lowest layer given first: a new tree, which the caller may change."""
    tree: dict[str, Any] = _copy(dict(defaults))
    for layer in layers:
        for path, setting in layer.items():
            group = tree
            for key in path[:-1]:
                inner = group.get(key)
                if not isinstance(inner, dict):
                    inner = group[key] = {}
                group = inner
            group[path[-1]] = _copy(setting.value)
    return tree


def explain(path: Path, defaults: Mapping[str, Any], layers: Mapping[str, Layer]) -> Explanation:
    """Where the value at `path` comes from; `layers` by name, the lowest first.

    Its value is always the one that :func:`effective` has there.
    """
    value = lookup(defaults, path)
    said = [] if value is MISSING else [LayerValue("default", path, value, True, None)]
    for name, layer in layers.items():
        for stored, setting in sorted(layer.items()):
            if begins(path, stored):
                value = lookup(setting.value, path[len(stored) :])
                present = value is not MISSING
                said.append(LayerValue(name, stored, value if present else None, present, setting))
            elif begins(stored, path):
                value = with_value(value, stored[len(path) :], setting.value)
                said.append(LayerValue(name, stored, setting.value, True, setting))
    present = value is not MISSING
    return Explanation(path, value if present else None, present, tuple(said))


def pinned(defaults: Mapping[str, Any], layers: Mapping[str, Layer]) -> set[tuple[str, Path]]:
    """(layer, path) of every difference that says what holds without it: it was pinned there on purpose."""
    found: set[tuple[str, Path]] = set()
    below: list[Layer] = []
    for name, layer in layers.items():
        if layer:
            tree = effective(defaults, *below)
            for path, setting in layer.items():
                value = lookup(tree, path)
                if value is not MISSING and canonical(value) == canonical(setting.value):
                    found.add((name, path))
        below.append(layer)
    return found


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
