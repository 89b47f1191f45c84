"""Looking back at settings: what leads back to an earlier state, what collides, where two trees differ.

Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from events.canonical import canonical
from events.settings import Difference, Patch, Scope
from events.settings_tree import MISSING, Path, begins


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """One path at which two trees of settings differ; a value is :data:`MISSING` where a tree has none."""

    path: Path
    first: Any
    second: Any


def way_back(now: Scope, then: Scope, addon: str = "", path: Path = ()) -> tuple[Patch, ...]:
    """The patches that make a scope what it was `then`, of all addons or one, at a path and below or everywhere.

    What must go comes first, so that no value is set beside one that replaces it.
    """
    gone: list[Patch] = []
    back: list[Patch] = []
    for name in sorted(now.addons.keys() | then.addons.keys()):
        if addon and name != addon:
            continue
        layer, before = now.layer(name), then.layer(name)
        for key in sorted(layer.keys() | before.keys()):
            if not begins(key, path):
                continue
            here, there = layer.get(key), before.get(key)
            if there is None:
                gone.append(Patch(addon=name, path=key, value=None, unset=True, schema=here.schema if here else ""))
            elif here is None or canonical([here.value]) != canonical([there.value]):
                back.append(Patch(addon=name, path=key, value=there.value, unset=False, schema=there.schema))
    return (*gone, *back)


def colliding(patches: tuple[Patch, ...], change: Difference) -> Patch | None:
    """The first of `patches` that concerns what `change` changed: its path, one above it, or one below it."""
    for patch in patches:
        if patch.addon == change.addon and (begins(patch.path, change.path) or begins(change.path, patch.path)):
            return patch
    return None


def tree_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[TreeDifference]:
    """Every leaf at which two trees differ, by path. An empty group is a leaf."""
    ours, theirs = dict(_leaves(first)), dict(_leaves(second))
    for path in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(path, MISSING), theirs.get(path, MISSING)
        if one is MISSING or two is MISSING or canonical([one]) != canonical([two]):
            yield TreeDifference(path, one, two)


def _leaves(tree: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
