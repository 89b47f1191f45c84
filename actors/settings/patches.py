"""What is asked of settings, as changes of one scope: groups as one, scopes kept to, migrated paths found. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from events.settings import Patch, Secrets
from events.settings_tree import MISSING, begins, dotted, lookup, with_value
from events.settings_tree import Path as SettingPath
from qi.contracts.addons import FieldRule, Schemas
from qi.contracts.settings import Setting
from qi.errors import Invalid
from qi.settings.fitting import allowed, matches

Tree = Callable[[str], Mapping[str, Any]]
"""Addon → the values that a group is completed with."""


def patches_of(
    scope: str, settings: Iterable[Setting], unset: Iterable[str], schemas: Schemas, tree: Tree
) -> list[Patch]:
    """Changes of `scope`. Whoever changes one member of a group says all of them, and takes all of them away.

    Raises :class:`Invalid` for a path that leads nowhere or may not be overridden in `scope`.
    """
    made: list[Patch] = []
    groups: dict[tuple[str, SettingPath], Any] = {}
    for path in unset:
        addon, inner = _known(path, schemas)
        made.append(Patch(addon=addon, path=_unit(schemas, addon, inner), unset=True, schema=schemas.versions[addon]))
    for one in settings:
        addon, inner = _known(one.path, schemas)
        unit, value = _unit(schemas, addon, inner), one.value
        if unit != inner or _is_group(schemas, addon, inner):
            whole = groups.get((addon, unit), MISSING)
            whole = lookup(tree(addon), unit) if whole is MISSING else whole
            value = groups[addon, unit] = with_value({} if whole is MISSING else whole, inner[len(unit) :], value)
        _require_allowed(scope, addon, unit, value, schemas.rules.get(addon, ()))
        made.append(Patch(addon=addon, path=unit, value=value, schema=schemas.versions[addon]))
    return made


def file_settings(values: Mapping[str, Any]) -> Iterator[Setting]:
    """What a settings file says, value by value. Raises :class:`Invalid` for a value outside of any addon's table."""
    for addon, table in values.items():
        if not isinstance(table, Mapping):
            raise Invalid(f"'{addon}' stands outside of a table: write it below [ADDON]", fields={addon: "no addon"})
        for path, value in _leaves(table):
            yield Setting(path=dotted(addon, path), value=value)


def secrets_of(schemas: Schemas) -> Secrets:
    """The paths that hold references to secrets, as decisions know them."""
    return {addon: frozenset(tuple(p.split(".")[1:]) for p in paths) for addon, paths in schemas.secrets.items()}


def split(path: str) -> tuple[str, SettingPath]:
    """Addon and path below it. Raises :class:`Invalid`."""
    addon, *inner = path.split(".")
    if not addon or not inner or not all(inner):
        raise Invalid(f"'{path}' is not the path of a setting: write ADDON.FIELD", fields={path: "malformed"})
    return addon, tuple(inner)


def resolver_of(schemas: Schemas, path: str) -> tuple[str, str]:
    """The addon that owns a setting, and its function that offers values. Raises :class:`Invalid`."""
    addon, inner = _known(path, schemas)
    for rule in schemas.rules.get(addon, ()):
        if rule.resolver and matches(rule.path, inner):
            return addon, rule.resolver
    raise Invalid(f"nothing offers values for '{path}'", fields={path: "has no resolver"})


def _known(path: str, schemas: Schemas) -> tuple[str, SettingPath]:
    addon, inner = split(path)
    if addon not in schemas.versions:
        raise Invalid(
            f"there is no setting '{path}'",
            remedy=f"settings begin with one of: {', '.join(sorted(schemas.versions))}",
            fields={path: "unknown addon"},
        )
    return addon, inner


def _unit(schemas: Schemas, addon: str, path: SettingPath) -> SettingPath:
    """What is overridden when `path` is: the group it lies in, or itself."""
    lengths = [
        len(rule.path)
        for rule in schemas.rules.get(addon, ())
        if rule.group and matches(rule.path, path[: len(rule.path)])
    ]
    return path[: min(lengths, default=len(path))]


def _is_group(schemas: Schemas, addon: str, path: SettingPath) -> bool:
    return any(rule.group and matches(rule.path, path) for rule in schemas.rules.get(addon, ()))


def _require_allowed(scope: str, addon: str, path: SettingPath, value: Any, rules: Iterable[FieldRule]) -> None:
    """Also of what a value that is set as a whole holds further below."""
    refused: dict[str, str] = {}
    rules = tuple(rules)
    for inner in (path, *(path + below for below in _every(value))):
        scopes = allowed(rules, inner)
        if (
            scopes is not None
            and scope not in scopes
            and not any(begins(tuple(p.split(".")[1:]), inner) for p in refused)
        ):
            refused[dotted(addon, inner)] = f"may be set in: {', '.join(scopes)}"
    if refused:
        where = "; ".join(f"{path} {what}" for path, what in refused.items())
        raise Invalid(
            f"this cannot be set in the {scope} scope: {where}", remedy="Set it where it may be set.", fields=refused
        )


def _every(value: Any) -> Iterator[SettingPath]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield (key,)
            yield from ((key, *below) for below in _every(item))


def _leaves(table: Mapping[str, Any]) -> Iterator[tuple[SettingPath, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from (((key, *below), inner) for below, inner in _leaves(value))
        else:
            yield (key,), value
