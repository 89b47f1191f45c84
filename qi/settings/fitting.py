"""Which stored overrides hold: migrated to the version that reads them, allowed where they stand, fit for the schema.

One that does not hold is left out, so the next lower layer shows through; it is never lost and never stops the others
from being read. Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from events.settings import Setting
from events.settings_layers import LAYERS, SCOPE_OF_LAYER, effective
from events.settings_tree import MISSING, begins, lookup
from events.settings_tree import Path as SettingPath
from qi.contracts.addons import FieldRule, FittedValue, StoredValue
from qi.settings.overrides import Migrations, Override, migrated
from qi.settings.schema import faults, rules_of


def fit(
    schema: type[BaseModel],
    defaults: Mapping[str, Any],
    version: str,
    migrations: Migrations,
    stored: Sequence[StoredValue],
) -> tuple[FittedValue, ...]:
    """Every stored override as the addon's `version` reads it, the lowest layer first; those that do not hold say why.

    Never raises.
    """
    live: list[FittedValue] = []
    out: list[FittedValue] = []
    rules = rules_of(schema)
    for layer in LAYERS:
        of_layer = [
            Override(one.path, one.value, one.path, one.schema, one.position) for one in stored if one.layer == layer
        ]
        read = migrated(of_layer, version, migrations)
        out += [_value(layer, lost.override, lost.why) for lost in read.lost]
        for one in read.entries:
            why = _not_here(rules, layer, one.path)
            (out if why else live).append(_value(layer, one, why))
    while live:
        values = effective(defaults, *(_layer(live, layer) for layer in LAYERS))
        try:
            schema.model_validate(values)
            break
        except ValidationError as error:
            blamed = [
                (value, what, loc) for loc, what in faults(error).items() for value in _blamed(live, loc, values)
            ]
        if not blamed:
            break
        for value, what, loc in blamed:
            if value in live:
                live.remove(value)
                out.append(_without(value, what, loc))
    return (*(_whole(schema, defaults, one) for one in live), *out)


def _whole(schema: type[BaseModel], defaults: Mapping[str, Any], one: FittedValue) -> FittedValue:
    """With every field that its model has: what a group does not say, when it is set as a whole, has its default."""
    if not isinstance(one.value, dict):
        return one
    try:
        read = schema.model_validate(effective(defaults, {one.path: Setting(one.value, "")})).model_dump(mode="json")
    except ValidationError:
        return one  # it fits together with what the other layers say
    found = lookup(read, one.path)
    return replace(one, value=found) if isinstance(found, dict) else one


def allowed(rules: Iterable[FieldRule], path: SettingPath) -> tuple[str, ...] | None:
    """The scopes in which `path` may be overridden, where a rule of it or above it says so."""
    found: tuple[str, ...] | None = None
    for rule in rules:
        if len(rule.path) <= len(path) and matches(rule.path, path[: len(rule.path)]):
            found = rule.scopes if found is None else tuple(scope for scope in found if scope in rule.scopes)
    return found


def matches(rule: SettingPath, path: SettingPath) -> bool:
    """Whether a rule's path is this one; `*` stands for any key."""
    return len(rule) == len(path) and all(want in ("*", have) for want, have in zip(rule, path, strict=True))


def _not_here(rules: Iterable[FieldRule], layer: str, path: SettingPath) -> str:
    scopes = allowed(rules, path)
    if scopes is None or SCOPE_OF_LAYER[layer] in scopes:
        return ""
    return f"it may be set in: {', '.join(scopes)}"


def _layer(live: Iterable[FittedValue], layer: str) -> dict[SettingPath, Setting]:
    return {one.path: Setting(one.value, "") for one in live if one.layer == layer}


def _blamed(live: Sequence[FittedValue], loc: SettingPath, values: Mapping[str, Any]) -> list[FittedValue]:
    """The overrides of the highest layer that make what stands at a fault."""
    path = loc
    while path and lookup(values, path) is MISSING:
        path = path[:-1]
    for length in range(len(path), -1, -1):
        near = [one for one in live if begins(one.path, path[:length]) or begins(path[:length], one.path)]
        if near:
            highest = max(LAYERS.index(one.layer) for one in near)
            return [one for one in near if LAYERS.index(one.layer) == highest]
    return []


def _value(layer: str, one: Override, why: str) -> FittedValue:
    return FittedValue(layer=layer, path=one.path, value=one.value, stored=one.stored, why=why, fault=one.path)


def _without(one: FittedValue, why: str, loc: SettingPath) -> FittedValue:
    fault = loc if begins(loc, one.path) else one.path
    return FittedValue(layer=one.layer, path=one.path, value=one.value, stored=one.stored, why=why, fault=fault)
