"""An addon's layers as one version of it reads them: what is remembered, and what of it people are shown."""

from __future__ import annotations

from actors.settings.layers import Layers, Pinned
from events.ids import new_id
from events.settings import Scope, Setting
from qi.contracts.addons import FieldRule, FitSettings, Fitted, FittedValue, Schemas
from qi.contracts.bundles import BundleInfo

BUNDLE = BundleInfo(id="b1", name="base", state="frozen", digest="d", addons=(), environment={}, settings={})
PINNED = Pinned(
    BUNDLE,
    Schemas(
        defaults={"farm": {"login": None, "servers": {}, "code": ""}},
        secrets={"farm": ("farm.login", "farm.servers.*.password")},
        versions={"farm": "2.0.0"},
        rules={"farm": (FieldRule(path=("code",), scopes=(), required=True),)},
    ),
    {"farm": "digest"},
)


def scope(**values: object) -> Scope:
    made = {tuple(path.split("__")): Setting(value, "1.0.0", event=new_id()) for path, value in values.items()}
    return Scope({"farm": made})


def refusing(asked: FitSettings) -> Fitted:
    found = (
        FittedValue(layer=v.layer, path=v.path, value=v.value, stored=v.path, why="is another now", fault=v.path)
        for v in asked.stored
    )
    return Fitted(values=tuple(found))


def test_what_stands_where_a_secret_belongs_is_told_and_not_shown() -> None:
    said = scope(login="hunter2", servers={"main": {"password": "hunter2"}}, servers__b__password="hunter2", code=1)
    read = Layers(refusing).read(PINNED, "farm", {"project": said})
    assert [(one.path, one.layer, one.value) for one in read.invalid(read.values())] == [
        ("farm.login", "project", None), ("farm.servers", "project", None),
        ("farm.servers.b.password", "project", None), ("farm.code", "project", 1), ("farm.code", "default", ""),
    ]  # fmt: skip
    assert [one.value for one in read.invalid({"code": "x"}, ("code",))] == [1]


def test_it_is_asked_once_what_of_the_same_overrides_holds() -> None:
    asked: list[FitSettings] = []

    def holding(one: FitSettings) -> Fitted:
        asked.append(one)
        values = (FittedValue(layer=v.layer, path=v.path, value=v.value, stored=v.path) for v in one.stored)
        return Fitted(values=tuple(values))

    layers, first = Layers(holding), scope(code="a")
    for said in (first, first, scope(code="b"), Scope()):
        values = layers.read(PINNED, "farm", {"user": said}).values()
    assert len(asked) == 2
    assert values == {"login": None, "servers": {}, "code": ""}
