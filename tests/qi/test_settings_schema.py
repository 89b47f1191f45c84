"""Settings schemas: what a field carries, which types there are, and what a schema may not say."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from qi.core_settings import CoreSettings
from qi.errors import Invalid
from qi.settings import (
    Colour,
    Named,
    PlatformPath,
    Secret,
    SettingsModel,
    TemplateText,
    check,
    defaults_of,
    json_schema,
    require_sound,
    rules_of,
    secret_paths,
    setting,
)


class Preset(SettingsModel):
    crf: int = setting(18, title="Quality", ge=0, le=51)
    token: Secret = None


class Farm(SettingsModel):
    pool: str = setting("", title="Pool", resolver="pools")
    priority: int = 50


class Whole(SettingsModel):
    review: bool = setting(True, title="Make a review movie", section="Review", tags=("daily",))
    crf: int = setting(
        18, title="Quality", description="0 is lossless", placeholder="18", ge=0, le=51, widget="slider",
        enabled_if={"review": True}, scopes=("bundle", "project"),
    )  # fmt: skip
    tint: Colour = setting("#FF8800", title="Tint")
    root: PlatformPath = setting(PlatformPath(linux="/mnt/farm", windows="F:/"), title="Where the farm lies")
    name: TemplateText = setting("{root[projects]}/{project[name]}/{@version}", title="Folder")
    login: Secret = setting(None, title="Log-in of the farm")
    code: str = setting("", title="Code", required=True)
    farm: Farm = setting(Farm(), title="Farm", group=True, visible_if={"review": (True, False)})
    presets: Named[Preset] = setting({"web": Preset(), "archive": Preset(crf=0)}, title="Presets")
    limits: dict[str, int] = setting(factory=dict, title="Limits")


def pools(_: Any) -> list[str]:
    return ["day", "night"]


def module(**names: Any) -> ModuleType:
    made = ModuleType("settings")
    vars(made).update(names)
    return made


def test_a_schema_yields_json_schema_with_what_only_forms_need_under_one_key() -> None:
    require_sound(Whole, "farm", module(pools=pools))
    schema = json_schema(Whole, "Farm")
    fields = schema["properties"]

    assert (schema["$schema"], schema["title"]) == ("https://json-schema.org/draft/2020-12/schema", "Farm")
    assert schema["additionalProperties"] is False
    assert fields["crf"] == {
        "type": "integer", "default": 18, "minimum": 0, "maximum": 51, "title": "Quality",
        "description": "0 is lossless",
        "qi": {
            "placeholder": "18", "widget": "slider", "enabled_if": {"review": [True]}, "scopes": ["bundle", "project"],
        },
    }  # fmt: skip
    assert fields["review"]["qi"] == {"section": "Review", "tags": ["daily"]}
    assert fields["tint"]["format"] == "colour"
    assert fields["name"]["format"] == "template"
    assert fields["code"]["qi"] == {"required": True}
    assert fields["farm"]["qi"] == {"group": True, "visible_if": {"review": [True, False]}}
    assert schema["$defs"]["Farm"]["properties"]["pool"]["qi"] == {"resolver": "pools"}
    assert schema["$defs"]["PlatformPath"]["format"] == "platform-path"
    assert schema["$defs"]["SecretName"]["format"] == "secret"
    presets = fields["presets"]
    assert (presets["type"], presets["format"]) == ("object", "named-list")
    assert presets["additionalProperties"] == {"anyOf": [{"$ref": "#/$defs/Preset"}, {"type": "null"}]}


def test_rules_name_only_what_asks_for_care_and_secrets_are_found_at_any_depth() -> None:
    rules = {".".join(rule.path): rule for rule in rules_of(Whole)}
    assert sorted(rules) == ["code", "crf", "farm", "farm.pool"]
    assert rules["crf"].scopes == ("bundle", "project")
    assert (rules["farm"].group, rules["code"].required, rules["farm.pool"].resolver) == (True, True, "pools")
    assert sorted(secret_paths(Whole, "farm")) == ["farm.login", "farm.presets.*.token"]


def test_qis_own_settings_are_sound() -> None:
    require_sound(CoreSettings, "qi")


def test_a_named_list_is_a_mapping_that_keeps_its_order_however_keys_are_sorted() -> None:
    defaults = defaults_of(Whole)["presets"]
    assert defaults["@order"] == ["web", "archive"]

    order = ["proxy", "web", "gone"]
    items = {**dict(sorted(defaults.items())), "proxy": {"crf": 30}, "archive": None, "@order": order}
    found = Whole.model_validate({"presets": items}).presets
    assert list(found.items()) == [("proxy", Preset(crf=30)), ("web", Preset())]
    unordered = Whole.model_validate({"presets": {"@order": ["b"], "c": {}, "b": {}, "a": {}}}).presets
    assert list(unordered) == ["b", "a", "c"]

    for wrong in ({"@order": "web"}, {"two.parts": {}}, {"web": {"crf": 99}}, ["web"]):
        with pytest.raises(ValidationError):
            Whole.model_validate({"presets": wrong})


def test_types_say_what_they_are() -> None:
    made = Whole()
    assert (made.tint, made.root.here, made.login) == ("#ff8800", "/mnt/farm", None)
    assert defaults_of(Whole)["root"] == {"linux": "/mnt/farm", "macos": "", "windows": "F:/"}
    assert Whole.model_validate({"login": {"secret": "farm-bot"}}).login is not None
    for wrong in (
        {"tint": "red"}, {"name": "{project[name]"}, {"login": "hunter2"}, {"login": {"secret": ""}},
        {"root": {"plan9": "/n"}},
    ):  # fmt: skip
        with pytest.raises(Invalid) as told:
            check(Whole, "farm", wrong)
        assert next(iter(told.value.data["fields"])).startswith(f"farm.{next(iter(wrong))}")
        assert "hunter2" not in str(told.value.as_reply())


class Inner(SettingsModel):
    a: int = 0
    b: int = setting(0, scopes=("user",))


class Loop(SettingsModel):
    inner: dict[str, Loop] = setting(factory=dict)


BROKEN: dict[str, tuple[dict[str, tuple[Any, Any]], str, str]] = {
    "no default": ({"a": (int, ...)}, "a", "no default"),
    "a default out of its limits": ({"a": (int, setting(99, le=10))}, "a", "default does not fit"),
    "a default of another type": ({"a": (int, setting("x"))}, "a", "default does not fit"),
    "a default colour": ({"a": (Colour, setting("red"))}, "a", "default does not fit"),
    "a condition on nothing": ({"a": (int, setting(1, visible_if={"b": 1}))}, "a", "no sibling"),
    "a condition on itself": ({"a": (int, setting(1, enabled_if={"a": 1}))}, "a", "no sibling"),
    "a condition that never holds": (
        {"a": (int, setting(1, enabled_if={"b": "often"})), "b": (bool, False)}, "a", "cannot have",
    ),
    "no scope": ({"a": (int, setting(1, scopes=()))}, "a", "scopes"),
    "an unknown scope": ({"a": (int, setting(1, scopes=("site",)))}, "a", "scopes"),  # type: ignore[arg-type]
    "a resolver that is not there": ({"a": (str, setting("", resolver="gone"))}, "a", "no resolver 'gone'"),
    "a group of one value": ({"a": (int, setting(1, group=True))}, "a", "a group is"),
    "a group member with scopes of its own": ({"a": (Inner, setting(Inner(), group=True))}, "a.b", "its scopes are"),
    "a group in a group": (
        {"a": (dict[str, Annotated[Any, 0]], setting(factory=dict, group=True)), "b": (Loop, setting(Loop()))},
        "", "holds itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.replace(" ", "_"))
def test_a_broken_schema_is_told_with_the_field_that_is_wrong(case: str) -> None:
    from pydantic import create_model

    fields, path, why = BROKEN[case]
    made: Any = create_model("Settings", __base__=SettingsModel, **fields)  # type: ignore[call-overload]
    with pytest.raises(Invalid) as told:
        require_sound(made, "farm", module())
    assert why in told.value.message or why in str(told.value.data["fields"])
    assert list(told.value.data["fields"]) == [f"farm.{path}".rstrip(".")]
