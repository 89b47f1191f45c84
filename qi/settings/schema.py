"""A settings schema as the studio uses it: loaded and checked, its defaults, its rules, its JSON Schema. Any thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from qi.contracts.addons import FieldRule
from qi.errors import Invalid, QiError
from qi.importing import import_file
from qi.settings.fields import SCOPES, said_of
from qi.settings.types import SecretName

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY = "*"
"""In the path of a rule: any key of a mapping, any item of a list."""
DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Place:
    """One field, and where it stands in the whole schema."""

    path: tuple[str, ...]
    owner: type[BaseModel]
    field: FieldInfo
    said: Mapping[str, Any]

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.said.get("scopes", SCOPES))


def load_schema(folder: Path, name: str, digest: str) -> type[BaseModel] | None:
    """The `Settings` model of the addon in `folder`; None when it has none. Raises :class:`QiError`."""
    module = load_module(folder, name, digest)
    return schema_in(module, name) if module is not None else None


def load_module(folder: Path, name: str, digest: str) -> ModuleType | None:
    """The addon's `settings.py`; None when it has none. Raises :class:`QiError`."""
    file = folder / "settings.py"
    return import_file(file, f"qi_settings_{name}_{digest[:12]}") if file.is_file() else None


def schema_in(module: ModuleType, name: str) -> type[BaseModel]:
    """The sound model in a `settings.py`. Raises :class:`QiError`, and :class:`Invalid` as :func:`require_sound`."""
    found = getattr(module, "Settings", None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise QiError(f"settings.py of '{name}' defines no Pydantic model named Settings")
    require_sound(found, name, module)
    return found


def defaults_of(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema's default values, JSON-ready. Raises :class:`QiError` when a field has none."""
    try:
        return schema().model_dump(mode="json")
    except ValidationError as error:
        raise QiError(f"{schema.__module__}: every settings field needs a default: {error}") from error


def check(schema: type[BaseModel], addon: str, values: Mapping[str, Any]) -> None:
    """Raises :class:`Invalid` with dotted field paths when `values` break the schema."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        raise broken(addon, faults(error)) from error


def faults(error: ValidationError) -> dict[tuple[str, ...], str]:
    """Where each value breaks its schema, and how; no value is repeated."""
    return {tuple(map(str, item["loc"])): item["msg"] for item in error.errors(include_url=False, include_input=False)}


def broken(addon: str, found: Mapping[tuple[str, ...], str]) -> Invalid:
    """What is raised for values that break a schema."""
    fields = {".".join([addon, *path]): what for path, what in found.items()}
    where = "; ".join(f"{path}: {what}" for path, what in fields.items())
    return Invalid(f"these settings are not valid: {where}", fields=fields)


def places(schema: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[Place]:
    """Every field, outer ones first. Raises :class:`Invalid` for a model that holds itself."""
    if len(prefix) > DEEPEST:
        raise Invalid(f"{'.'.join(prefix[:4])}… has no end: a settings model cannot hold itself")
    for name, field in schema.model_fields.items():
        path = (*prefix, name)
        yield Place(path, schema, field, said_of(field))
        for below, model in _models(field.annotation):
            yield from places(model, (*path, *below))


def rules_of(schema: type[BaseModel]) -> tuple[FieldRule, ...]:
    """What is asked of changes to certain fields; one that may be changed anywhere and alone has no rule."""
    made = (
        FieldRule(
            path=place.path, scopes=place.scopes, group=bool(place.said.get("group")),
            required=bool(place.said.get("required")), resolver=str(place.said.get("resolver", "")),
        )
        for place in places(schema)
    )  # fmt: skip
    return tuple(rule for rule in made if rule != FieldRule(path=rule.path, scopes=SCOPES))


def secret_paths(schema: type[BaseModel], prefix: str) -> Iterator[str]:
    """Dotted paths of the fields that hold references to secrets; `*` stands for any key or item."""
    for place in places(schema):
        if place.said.get("secret"):
            yield ".".join((prefix, *place.path))
        for below, model in _models(place.field.annotation):
            if issubclass(model, SecretName):
                yield ".".join((prefix, *place.path, *below))


def json_schema(schema: type[BaseModel], title: str = "") -> dict[str, Any]:
    """JSON Schema 2020-12; what only Qi's forms know stands under `qi`, see :mod:`qi.settings.fields`."""
    made = schema.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **made, "title": title or made.get("title", "")}


def require_sound(schema: type[BaseModel], name: str, module: ModuleType | None = None) -> None:
    """Raises :class:`Invalid` when the schema breaks its own rules: every fault with its field's path.

    A default must be there and fit, a condition must name a sibling and a value it can have, scopes must be some, a
    group cannot lie in another and allows its members what it allows itself, a resolver must be in `module`.
    """
    found: dict[str, str] = {}
    try:
        every = list(places(schema))
    except Invalid as error:
        raise Invalid(
            f"the settings of '{name}' are not sound: {error.message}", fields={name: "holds itself"}
        ) from error
    for place in every:
        if fault := _fault(place, every, module):
            found[".".join((name, *place.path))] = fault
    if not found:
        found = {".".join((name, *path)): what for path, what in _defaults(schema).items()}
    if not found:
        try:
            json_schema(schema)
        except Exception as error:  # noqa: BLE001 - Pydantic has several ways to say so
            found[name] = f"it has no JSON Schema: {error}"
    if found:
        where = "; ".join(f"{path}: {what}" for path, what in found.items())
        raise Invalid(f"the settings of '{name}' are not sound: {where}", fields=found)


def _defaults(schema: type[BaseModel]) -> dict[tuple[str, ...], str]:
    """What is wrong with the defaults, by field."""
    try:
        # As they come back from a form, or out of the log.
        schema.model_validate(schema().model_dump(mode="json"))
    except ValidationError as error:
        missing = {tuple(map(str, one["loc"])) for one in error.errors() if one["type"] == "missing"}
        return {
            path: "it has no default" if path in missing else f"its default does not fit: {what}"
            for path, what in faults(error).items()
        }
    return {}


def _fault(place: Place, every: Sequence[Place], module: ModuleType | None) -> str:
    """What is wrong with one field; empty when nothing is."""
    said, path = place.said, place.path
    inside = place.owner.model_fields
    if not place.scopes or set(place.scopes) - set(SCOPES):
        return f"its scopes are some of: {', '.join(SCOPES)}"
    for which in ("visible_if", "enabled_if"):
        for sibling, wanted in said.get(which, {}).items():
            if sibling not in inside or sibling == path[-1]:
                return f"{which} names '{sibling}', which is no sibling of it"
            if not all(_fits(inside[sibling], value) for value in wanted):
                return f"{which} asks for a value that '{sibling}' cannot have"
    if (resolver := said.get("resolver")) and not callable(getattr(module, resolver, None)):
        return f"there is no resolver '{resolver}' beside it"
    if said.get("group") and not any(True for _ in _models(place.field.annotation)) and not _is_map(place.field):
        return "a group is a nested model or a mapping"
    for above in every:
        if above.said.get("group") and len(above.path) < len(path) and path[: len(above.path)] == above.path:
            if said.get("group"):
                return f"it lies in the group {'.'.join(above.path)}: a group holds no other"
            if "scopes" in said and place.scopes != above.scopes:
                return f"it is overridden with the group {'.'.join(above.path)}: its scopes are that one's"
    return ""


def _fits(field: FieldInfo, value: Any) -> bool:
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _is_map(field: FieldInfo) -> bool:
    return get_origin(_bare(field.annotation)) in (dict, Mapping)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _models(annotation: Any, below: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """The models that a field holds, and under which keys."""
    kind = _bare(annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        for one in arguments:
            yield from _models(one, below)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _models(arguments[-1], (*below, ANY))
    elif origin in (list, tuple, set, frozenset):
        yield from _models(arguments[0], (*below, ANY))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield below, kind
