"""Settings schemas: any class can own one. Here what pinning and recording need: defaults, checks, secret paths.

An addon's `settings.py` defines a Pydantic model named `Settings` whose every field has a default; a field marked
`json_schema_extra={"secret": True}` holds a reference to a secret, never its value. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from qi.addon import import_file
from qi.errors import Invalid, QiError


class SettingsModel(BaseModel):
    """Base of every settings schema: unknown fields are refused, so that a typing error in a path is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_schema(folder: Path, name: str, digest: str) -> type[BaseModel] | None:
    """The `Settings` model of the addon in `folder`; None when it has none. Raises :class:`QiError`."""
    file = folder / "settings.py"
    if not file.is_file():
        return None
    found = getattr(import_file(file, f"qi_settings_{name}_{digest[:12]}"), "Settings", None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise QiError(f"settings.py of '{name}' defines no Pydantic model named Settings")
    return found


def defaults_of(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema's default values, JSON-ready. Raises :class:`QiError` when a field has none."""
    try:
        return schema().model_dump(mode="json")
    except ValidationError as error:
        raise QiError(f"{schema.__module__}: every settings field needs a default: {error}") from error


def check(schema: type[BaseModel], addon: str, values: dict[str, Any]) -> None:
    """Raises :class:`Invalid` with dotted field paths when `values` break the schema."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        fields = {
            ".".join([addon, *map(str, item["loc"])]): item["msg"]
            for item in error.errors(include_url=False, include_input=False)
        }
        where = "; ".join(f"{path}: {what}" for path, what in fields.items())
        raise Invalid(f"these settings are not valid: {where}", fields=fields) from error


def secret_paths(schema: type[BaseModel], prefix: str) -> Iterator[str]:
    """Dotted paths of the fields that hold references to secrets."""
    for name, field in schema.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("secret"):
            yield f"{prefix}.{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from secret_paths(field.annotation, f"{prefix}.{name}")
