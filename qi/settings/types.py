"""Types of settings that Pydantic does not have. Their JSON Schema names them by `format`. Any thread.

=================  ==================  ================================================================
type               `format`            as JSON
=================  ==================  ================================================================
:data:`Colour`     `colour`            `"#rrggbb"` or `"#rrggbbaa"`
`PlatformPath`     `platform-path`     `{"linux": "…", "macos": "…", "windows": "…"}`
`TemplateText`     `template`          a path template, see :mod:`qi.paths`
:data:`Secret`     `secret`            `{"secret": "<its name>"}`, or null
:data:`Named`      `named-list`        `{"<name>": {…}, …, "@order": ["<name>", …]}`
=================  ==================  ================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import core_schema

from qi.errors import QiError
from qi.paths import Template, this_platform
from qi.settings.fields import SettingsModel

T = TypeVar("T")

ORDER: Final = "@order"
"""The key of a list of named items that says in which order they come."""

_ROOT = re.compile(r"\{root[\[.](\w+)")

ColourText = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$", to_lower=True),
]

Colour = Annotated[
    ColourText,
    WithJsonSchema({"type": "string", "format": "colour", "pattern": "^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$"}),
]
"""`#rrggbb`, or `#rrggbbaa` with its opacity."""


class PlatformPath(SettingsModel):
    """One place, as each platform calls it; empty where it cannot be reached from."""

    model_config = ConfigDict(json_schema_extra={"format": "platform-path"})

    linux: str = ""
    macos: str = ""
    windows: str = ""

    @property
    def here(self) -> str:
        """As this platform calls it."""
        return {"linux": self.linux, "darwin": self.macos, "windows": self.windows}[this_platform()]


def _template(text: str) -> str:
    try:
        Template(text, roots=dict.fromkeys(_ROOT.findall(text), "/root"))
    except QiError as error:
        raise ValueError(f"is no path template: {error.message}") from error
    return text


TemplateText = Annotated[str, AfterValidator(_template), WithJsonSchema({"type": "string", "format": "template"})]
"""A path template, of which the syntax is checked; which roots there are is the studio's matter."""


class SecretName(SettingsModel):
    """Which secret: a setting holds its name, never its value."""

    model_config = ConfigDict(json_schema_extra={"format": "secret"})

    secret: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field()


Secret = SecretName | None
"""A secret's name, or that there is none."""


class _NamedItems:
    """In an annotation: this mapping is a list whose items have names."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return core_schema.no_info_before_validator_function(
            _arranged,
            handler(source),
            serialization=core_schema.wrap_serializer_function_ser_schema(_with_order),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        made = dict(handler(schema))
        patterns: dict[str, Any] = made.pop("patternProperties", {})
        item: Any = made.pop("additionalProperties", None) or next(iter(patterns.values()), {})
        made.pop("propertyNames", None)
        return made | {
            "type": "object", "format": "named-list", "additionalProperties": {"anyOf": [item, {"type": "null"}]},
            "properties": {ORDER: {"type": "array", "items": {"type": "string"}}},
        }  # fmt: skip


ItemName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^.@*\s][^.*]*$")]

Named = Annotated[dict[ItemName, T], _NamedItems()]
"""A list of items with stable names: `Named[Preset]` is a mapping name → item, in order.

Each item, and each field of it, is addressed and overridden by its name (`review.presets.web.crf`); an item that is
overridden by null is taken away; `@order` may be overridden as a whole. Items that it does not name come last, by name.
"""


def _arranged(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    items = {name: item for name, item in value.items() if name != ORDER and item is not None}
    order = value.get(ORDER)
    if order is None:
        return items
    if not isinstance(order, (list, tuple)) or not all(isinstance(name, str) for name in order):
        raise ValueError(f"{ORDER} is a list of names")
    named = [name for name in dict.fromkeys(order) if name in items]
    return {name: items[name] for name in [*named, *sorted(items.keys() - set(named))]}


def _with_order(value: dict[str, Any], handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    return {**handler(value), ORDER: list(value)}
