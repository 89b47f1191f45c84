"""Trees of settings: JSON objects, addressed by paths of keys. Nothing here changes what it is given. Any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Path = tuple[str, ...]
"""Keys from the root down; a key may hold any character."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a path that leads nowhere leads to."""


def dotted(addon: str, path: Path) -> str:
    """The path as people read it."""
    return ".".join((addon, *path))


def begins(path: Path, start: Path) -> bool:
    """Whether `path` is `start` or lies below it."""
    return path[: len(start)] == start


def lookup(tree: Any, path: Path) -> Any:
    """The value at `path`, or :data:`MISSING`. Lists are values: no path leads into one."""
    for key in path:
        if not isinstance(tree, Mapping) or key not in tree:
            return MISSING
        tree = tree[key]
    return tree


def with_value(tree: Any, path: Path, value: Any) -> Any:
    """`tree` with `value` at `path`. What stands in the way and is no group becomes one."""
    if not path:
        return value
    group = dict(tree) if isinstance(tree, Mapping) else {}
    group[path[0]] = with_value(group.get(path[0]), path[1:], value)
    return group


def without(tree: Any, path: Path) -> Any:
    """`tree` without what lies at `path`; the same tree when nothing does."""
    if lookup(tree, path) is MISSING:
        return tree
    if len(path) == 1:
        return {key: item for key, item in tree.items() if key != path[0]}
    return {**tree, path[0]: without(tree[path[0]], path[1:])}
