"""Stored overrides as a schema reads them: migrated, allowed, fit; what does not hold is told and never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pydantic import model_validator

from events.settings import Setting
from events.settings_layers import LAYERS, effective, explain
from events.settings_tree import MISSING, lookup
from qi.contracts.addons import FittedValue, StoredValue
from qi.errors import QiError
from qi.settings import Named, Overrides, SettingsModel, check, defaults_of, setting
from qi.settings.fitting import fit
from qi.settings.overrides import Migrate, load_migrations


class Preset(SettingsModel):
    crf: int = setting(18, ge=0, le=51)
    name: str = ""


class Review(SettingsModel):
    size: int = setting(1920, ge=16)
    smallest: int = 16

    @model_validator(mode="after")
    def _in_order(self) -> Review:
        if self.smallest > self.size:
            raise ValueError("smallest is above size")
        return self


class Schema(SettingsModel):
    fps: int = setting(24, gt=0)
    user_only: str = setting("", scopes=("user",))
    review: Review = setting(Review())
    presets: Named[Preset] = setting({"web": Preset()})


def stored(path: str, value: Any, layer: str = "project", schema: str = "2.0.0", position: int = 1) -> StoredValue:
    return StoredValue(layer=layer, path=tuple(path.split(".")), value=value, schema=schema, position=position)


def fitted(*values: StoredValue, **migrations: Migrate) -> tuple[FittedValue, ...]:
    steps = {Version(name[1:].replace("_", ".")): step for name, step in migrations.items()}
    return fit(Schema, defaults_of(Schema), "2.0.0", steps, values)


def holding(found: tuple[FittedValue, ...]) -> dict[str, Any]:
    layers: list[dict[tuple[str, ...], Setting]] = [
        {one.path: Setting(one.value, "") for one in found if one.layer == layer and not one.why} for layer in LAYERS
    ]
    values = effective(defaults_of(Schema), *layers)
    check(Schema, "x", values)
    return values


def left_out(found: tuple[FittedValue, ...]) -> dict[tuple[str, str], str]:
    return {(one.layer, ".".join(one.stored)): one.why for one in found if one.why}


def test_a_value_that_does_not_fit_lets_the_next_lower_layer_that_fits_show_through() -> None:
    found = fitted(
        stored("fps", 25, "bundle"), stored("fps", "soon"), stored("fps", -1, "project file"), stored("fps", 0, "user"),
        stored("presets.web.crf", 20),
    )  # fmt: skip
    assert holding(found)["fps"] == 25
    assert holding(found)["presets"]["web"]["crf"] == 20
    assert sorted(left_out(found)) == [("project", "fps"), ("project file", "fps"), ("user", "fps")]


def test_a_field_that_is_no_more_and_a_scope_that_is_not_allowed_are_left_out() -> None:
    found = fitted(stored("gone.deep", 1), stored("user_only", "x"), stored("user_only", "y", "user"))
    assert holding(found)["user_only"] == "y"
    assert left_out(found).keys() == {("project", "gone.deep"), ("project", "user_only")}
    assert left_out(found)["project", "user_only"] == "it may be set in: user"


def test_what_breaks_a_rule_between_fields_is_blamed_on_the_highest_layer_that_says_something_of_them() -> None:
    found = fitted(stored("review.size", 640, "bundle"), stored("review.smallest", 700), stored("fps", 30))
    assert holding(found)["review"] == {"size": 640, "smallest": 16}
    assert left_out(found).keys() == {("project", "review.smallest")}


def test_the_place_of_a_fault_inside_of_a_whole_is_told() -> None:
    (found,) = fitted(stored("review", {"size": 1}))
    assert (found.path, found.fault) == (("review",), ("review", "size"))


def test_what_is_set_as_a_whole_has_every_field_of_its_model() -> None:
    found = fitted(stored("review", {"size": 640}), stored("presets", {"b": {}, "@order": ["b"]}, "user"))
    values = holding(found)
    assert values["review"] == {"size": 640, "smallest": 16}
    assert values["presets"] == {"b": {"crf": 18, "name": ""}, "@order": ["b"]}


PATHS = st.sampled_from(["fps", "review", "review.size", "review.smallest", "presets.web", "presets.b.crf", "x", "x.y"])
VALUES = st.none() | st.integers(-1, 60) | st.text("ab", max_size=1) | st.just({}) | st.just({"size": 20})
STORED = st.lists(st.builds(stored, PATHS, VALUES, st.sampled_from(LAYERS)), max_size=8)


@given(STORED)
def test_whatever_is_stored_what_holds_fits_and_nothing_is_lost(values: list[StoredValue]) -> None:
    found = fitted(*values)
    holding(found)
    places = {(one.layer, one.path) for one in values}
    assert {(one.layer, one.stored) for one in found} <= places
    newest = {(one.layer, one.path[:n]) for one in values for n in range(1, len(one.path) + 1)}
    assert all((one.layer, one.path) in newest for one in found)


@given(STORED, st.sampled_from(["fps", "review", "review.size", "presets", "presets.b.crf"]))
def test_what_explain_says_of_what_holds_is_what_holds(values: list[StoredValue], path: str) -> None:
    layers = {
        layer: {one.path: Setting(one.value, "") for one in fitted(*values) if one.layer == layer and not one.why}
        for layer in LAYERS
    }
    there = lookup(effective(defaults_of(Schema), *layers.values()), tuple(path.split(".")))
    found = explain(tuple(path.split(".")), defaults_of(Schema), layers)
    assert (found.value, found.present) == (None if there is MISSING else there, there is not MISSING)


def to_2(overrides: Overrides) -> Overrides:
    return (
        overrides.moved("rate", "fps")
        .moved("old", "review")
        .changed("review.size", lambda text: int(text.removesuffix("px")))
        .dropped("legacy", "there is no legacy renderer any more")
    )


def test_a_migration_moves_changes_and_drops_on_read_and_the_newest_value_counts() -> None:
    found = fitted(
        stored("rate", 30, schema="1.0.0", position=1),
        stored("old", {"size": "640px", "smallest": 32}, schema="1.9.0", position=2),
        stored("legacy.on", True, schema="1.0.0", position=3),
        stored("rate", 48, "user", schema="1.0.0", position=4),
        stored("fps", 60, "user", position=5),
        v2_0_0=to_2,
    )
    assert holding(found)["fps"] == 60
    assert holding(found)["review"] == {"size": 640, "smallest": 32}
    assert left_out(found) == {("project", "legacy.on"): "there is no legacy renderer any more"}
    assert {(one.layer, one.path, one.stored) for one in found} >= {
        ("project", ("fps",), ("rate",)), ("project", ("review",), ("old",)), ("user", ("fps",), ("fps",)),
    }  # fmt: skip
    assert holding(fitted(stored("rate", 30, schema="1.0.0", position=2), stored("fps", 5, position=1), v2_0_0=to_2))[
        "fps"
    ] == 30


def test_only_the_steps_between_the_version_written_and_the_version_read_are_taken() -> None:
    def add_one(overrides: Overrides) -> Overrides:
        return overrides.changed("fps", lambda fps: fps + 1)

    steps = {"v1_0_0": add_one, "v1_5_0": add_one, "v2_0_0": add_one, "v3_0_0": add_one}
    for written, expected in (("0.9.0", 103), ("1.0.0", 102), ("1.5.0", 101), ("2.0.0", 100), ("3.1.0", 100)):
        assert holding(fitted(stored("fps", 100, schema=written), **steps))["fps"] == expected


def test_a_migration_that_fails_loses_the_values_it_failed_on_and_no_others() -> None:
    def broken(overrides: Overrides) -> Overrides:
        raise KeyError("oops")

    values = (stored("fps", 30, schema="1.0.0"), stored("review.size", "big", schema="1.0.0"))
    found = fitted(*values, stored("review.smallest", 17), v2_0_0=broken)
    assert holding(found)["review"]["smallest"] == 17
    assert all("2.0.0 failed: 'oops'" in why for why in left_out(found).values())
    assert len(left_out(found)) == 2

    partly = fitted(*values, v2_0_0=to_2)
    assert holding(partly)["fps"] == 30
    assert left_out(partly).keys() == {("project", "review.size")}


def test_the_older_version_goes_on_reading_what_it_knows() -> None:
    found = fitted(stored("fps", 30, schema="3.0.0"), stored("newer.thing", 1, schema="3.0.0"))
    assert holding(found)["fps"] == 30
    assert left_out(found).keys() == {("project", "newer.thing")}


@given(STORED)
def test_no_migration_can_make_settings_unreadable(values: list[StoredValue]) -> None:
    holding(fitted(*values, v2_0_0=to_2, v1_0_0=lambda overrides: overrides.moved("fps", "presets.b.crf")))


def test_a_whole_is_taken_apart_when_one_of_its_parts_moves_out() -> None:
    found = fitted(
        stored("review", {"size": 640, "rate": 30}, schema="1.0.0"),
        v2_0_0=lambda overrides: overrides.moved("review.rate", "fps"),
    )
    values = holding(found)
    assert (values["fps"], values["review"]["size"], left_out(found)) == (30, 640, {})


def test_migrations_are_found_by_the_version_in_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "v1_10_0.py").write_text("def migrate(overrides): return overrides")
    (folder / "v1_9_0.py").write_text("def migrate(overrides): return overrides")
    assert [str(version) for version in load_migrations(tmp_path, "a", "d")] == ["1.9.0", "1.10.0"]
    for name, source in (("two.py", ""), ("v2_0_0.py", "x = 1"), ("v3_0_0.py", "raise SystemExit")):
        wrong = folder / name
        wrong.write_text(source)
        with pytest.raises(QiError, match=name):
            load_migrations(tmp_path, "a", "d")
        wrong.unlink()
