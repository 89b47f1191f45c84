"""What a field of a settings schema carries: its default, its limits, how and where it may be changed. Any thread.

All that is not JSON Schema's own stands under one key, `qi`, of the field's schema::

    {"type": "integer", "default": 18, "minimum": 0, "title": "Quality",
     "qi": {"section": "Review", "scopes": ["bundle", "project"], "enabled_if": {"review": [true]}}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo
from typing_extensions import Unpack

Scope = Literal["bundle", "project", "user"]

SCOPES: Final[tuple[Scope, ...]] = ("bundle", "project", "user")
"""Where a setting may be overridden unless its field says otherwise."""

QI: Final = "qi"
"""The one key of a field's JSON Schema that is Qi's."""

Condition = Mapping[str, Any]
"""Sibling field → the value it must have, or a tuple of those it may have; every one must hold."""


class Limits(TypedDict, total=False):
    """Pydantic's own, by their names there."""

    gt: float
    ge: float
    lt: float
    le: float
    multiple_of: float
    min_length: int
    max_length: int
    pattern: str


class SettingsModel(BaseModel):
    """Base of every settings schema: unknown fields are refused, so that a typing error in a path is found."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def setting(
    default: Any = ...,
    *,
    factory: Callable[[], Any] | None = None,
    title: str = "",
    description: str = "",
    placeholder: str = "",
    section: str = "",
    widget: str = "",
    tags: tuple[str, ...] = (),
    scopes: tuple[Scope, ...] = SCOPES,
    group: bool = False,
    required: bool = False,
    resolver: str = "",
    visible_if: Condition | None = None,
    enabled_if: Condition | None = None,
    secret: bool = False,
    **limits: Unpack[Limits],
) -> Any:
    """A field of a settings schema.

    `default` or `factory` gives its value where no layer says anything. `section` is the heading it stands under and
    those that follow it, `widget` how it is shown where its type leaves a choice. `scopes` are the layers that may
    override it. A `group` (a nested model or a mapping) is overridden as one: whoever changes one member says all of
    them. `required` may not stay empty: its emptiness is reported. `resolver` names a function in the same file that
    offers values: see :mod:`qi.settings.options`. With `secret` it holds the name of a secret, never its value.
    """
    said: dict[str, Any] = {
        "placeholder": placeholder, "section": section, "widget": widget, "tags": list(tags), "group": group,
        "required": required, "resolver": resolver, "visible_if": _condition(visible_if),
        "enabled_if": _condition(enabled_if), "secret": secret,
    }  # fmt: skip
    extra: dict[str, Any] = {key: value for key, value in said.items() if value}
    if scopes != SCOPES:
        extra["scopes"] = list(scopes)
    more: dict[str, Any] = {"default_factory": factory} if factory is not None else {"default": default}
    return Field(
        **more, **limits, title=title or None, description=description or None,
        json_schema_extra={QI: extra} if extra else None,
    )  # fmt: skip


def said_of(field: FieldInfo) -> dict[str, Any]:
    """What :func:`setting` said of a field, besides what is JSON Schema's own."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        return {}
    said = extra.get(QI)
    found = dict(said) if isinstance(said, dict) else {}
    # A bare Pydantic field may say that it is secret, too: forgetting that would show what it holds.
    return {**found, "secret": True} if extra.get("secret") else found


def _condition(condition: Condition | None) -> dict[str, list[Any]]:
    return {
        sibling: list(wanted) if isinstance(wanted, (tuple, list)) else [wanted]
        for sibling, wanted in (condition or {}).items()
    }
