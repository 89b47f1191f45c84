from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import settings
from events.errors import Conflict, Invalid
from events.settings import Patch, PatchSettings, Scope, Setting, SettingsChanged, settings_stream
from events.settings_layers import effective, explain
from events.settings_tree import MISSING, begins, lookup
from qi.testing.decider import Scenario

PROJECT = settings_stream("project", "p1")
SECRETS = {"kitsu": frozenset({("login", "token"), ("servers", "*", "password")})}


def scenario() -> Scenario:
    return Scenario(settings.FOLDS, settings.decide)


def patch(*patches: Patch, expected: int | None = None, reason: str = "") -> PatchSettings:
    return PatchSettings(
        scope="project", target="p1", patches=patches, expected=expected, reason=reason, secrets=SECRETS
    )


def put(path: str, value: Any, addon: str = "core") -> Patch:
    return Patch(addon=addon, path=tuple(path.split(".")), value=value, schema="1.0")


def forget(path: str, addon: str = "core") -> Patch:
    return Patch(addon=addon, path=tuple(path.split(".")), unset=True)


def changed(path: str, old: Any, new: Any, *, was: bool = True, now: bool = True, reason: str = "") -> SettingsChanged:
    return SettingsChanged(
        addon="core",
        path=tuple(path.split(".")),
        was_set=was,
        old=old,
        is_set=now,
        new=new,
        reason=reason,
        schema="1.0",
    )


def test_each_changed_path_is_one_event_with_both_values_and_the_reason() -> None:
    made = scenario().when(patch(put("render.samples", 16)))
    made.when(patch(put("render.samples", 32), put("fps", 25), reason=" PAL "))
    made.then(
        changed("fps", None, 25, was=False, reason="PAL"),
        changed("render.samples", 16, 32, reason="PAL"),
    )


def test_a_value_that_is_so_already_is_no_event() -> None:
    scenario().when(patch(put("size", [1, 2]))).when(patch(put("size", (1.0, 2)))).then()


def test_true_is_another_value_than_one() -> None:
    scenario().when(patch(put("x", 1))).when(patch(put("x", True))).then(changed("x", 1, True))


def test_unset_lets_the_lower_layer_through() -> None:
    made = scenario().when(patch(put("fps", 25))).when(patch(forget("fps")))
    made.then(changed("fps", 25, None, now=False))
    assert made.state(Scope, PROJECT).layer("core") == {}


def test_unsetting_a_group_unsets_all_below_it() -> None:
    made = scenario().when(patch(put("a.b", 1), put("a.c.d", 2), put("ab", 3))).when(patch(forget("a")))
    made.then(changed("a.b", 1, None, now=False), changed("a.c.d", 2, None, now=False))


def test_unsetting_what_is_not_set_changes_nothing() -> None:
    scenario().when(patch(forget("fps"))).then()


def test_setting_a_group_as_a_whole_takes_the_place_of_what_was_set_below() -> None:
    made = scenario().when(patch(put("a.b", 1))).when(patch(put("a", {"c": 2})))
    made.then(changed("a.b", 1, None, now=False), changed("a", None, {"c": 2}, was=False))


def test_setting_below_a_whole_changes_the_whole() -> None:
    made = scenario().when(patch(put("a", {"b": 1, "c": {"d": 2}}))).when(patch(put("a.c.d", 3)))
    made.then(changed("a", {"b": 1, "c": {"d": 2}}, {"b": 1, "c": {"d": 3}}))
    made.when(patch(forget("a.b"))).then(changed("a", {"b": 1, "c": {"d": 3}}, {"c": {"d": 3}}))


def test_setting_below_a_single_value_is_refused() -> None:
    error = scenario().when(patch(put("a", 5))).refused(Invalid, patch(put("a.b.c", 1)))
    assert "core.a.b.c" in error.data["fields"]


def test_who_changes_what_somebody_changed_since_is_told_the_path_both_values_and_both_authors() -> None:
    made = scenario().when(patch(put("fps", 24), expected=0)).when(patch(put("fps", 25), expected=1, reason="PAL"))
    error = made.refused(Conflict, replace(patch(put("fps", 30), expected=1), by="grace"))
    assert error.message == "core.fps was changed meanwhile: ada set it to 25, “PAL”; grace sets core.fps to 30"
    assert (error.data["stream"], error.data["expected"], error.data["actual"]) == (PROJECT, 1, 2)
    assert (error.data["path"], error.data["theirs"], error.data["yours"]) == ("core.fps", 25, 30)
    assert (error.data["by"], error.data["yours_by"], error.data["reason"]) == ("ada", "grace", "PAL")


@pytest.mark.parametrize("mine", [put("fps", 30), forget("fps"), put("fps.drop", 1), forget("render")])
def test_what_was_taken_away_or_lies_above_or_below_was_touched_too(mine: Patch) -> None:
    made = scenario().when(patch(put("fps", 24), put("render.samples", 1)))
    made.when(patch(put("fps", 25), put("render.samples", 2)))
    if mine.path[0] == "fps":
        made.when(patch(forget("fps")))
    made.refused(Conflict, patch(mine, expected=2)) if mine != forget("fps") else made.when(patch(mine, expected=2))


def test_changes_of_other_paths_and_to_the_very_value_are_no_conflict() -> None:
    made = scenario().when(patch(put("fps", 24)))
    made.when(patch(put("render.samples", 16)))
    made.when(patch(put("fps", 30), expected=1)).then(changed("fps", 24, 30))
    made.when(patch(put("fps", 30), expected=1)).then()


def test_a_revision_that_never_was_is_a_conflict() -> None:
    assert scenario().refused(Conflict, patch(put("fps", 1), expected=7)).data["actual"] == 0


def test_a_decision_expects_the_stream_it_patched() -> None:
    assert scenario().when(patch(put("fps", 24))).last.expected == {PROJECT: 0}


@pytest.mark.parametrize("path", [(), ("",), ("a", ""), ("a",) * 33])
def test_a_path_has_keys(path: tuple[str, ...]) -> None:
    scenario().refused(Invalid, patch(Patch(addon="core", path=path, value=1)))


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, {"a", "b"}, "\ud800"])
def test_a_value_is_json(value: Any) -> None:
    scenario().refused(Invalid, patch(put("a", value)))


def test_the_scope_is_one_that_has_a_stream() -> None:
    command = PatchSettings(scope="bundle", target="b1", patches=(put("a", 1),))
    scenario().refused(Invalid, command)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("login.token", "hunter2"),
        ("login.token", {"secret": ""}),
        ("login.token", {"secret": "a", "value": "hunter2"}),
        ("login.token.secret", "hunter2"),
        ("login", {"token": "hunter2"}),
        ("servers", [{"password": {"secret": "ok"}}, {"password": "hunter2"}]),
        ("servers.main.password", "hunter2"),
        ("servers", {"main": {"password": "hunter2"}}),
    ],
)
def test_a_secret_in_the_open_is_refused_and_not_repeated(path: str, value: Any) -> None:
    error = scenario().refused(Invalid, patch(put(path, value, "kitsu")))
    assert "hunter2" not in str(error.as_reply())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("login.token", {"secret": "kitsu-bot"}),
        ("login", {"token": {"secret": "kitsu-bot"}, "user": "bot"}),
        ("login.user", "bot"),
        ("servers", [{"password": {"secret": "a"}}, {"host": "b"}]),
        ("login.token", None),
    ],
)
def test_a_reference_to_a_secret_is_stored(path: str, value: Any) -> None:
    made = scenario().when(patch(put(path, value, "kitsu")))
    assert len(made.last.changes) == 1


def test_a_secret_cannot_be_slipped_into_a_whole_that_is_set() -> None:
    made = scenario().when(patch(put("login", {"user": "bot"}, "kitsu")))
    made.refused(Invalid, patch(put("login.token", "hunter2", "kitsu")))


def test_a_conflict_does_not_repeat_a_secret_in_the_open_either() -> None:
    made = scenario().when(patch(put("login", {"token": {"secret": "a"}}, "kitsu")))
    made.when(patch(put("login", {"token": {"secret": "b"}}, "kitsu")))
    error = made.refused(Invalid, patch(put("login.token", "hunter2", "kitsu"), expected=1))
    assert "hunter2" not in str(error.as_reply())


def test_explain_names_the_user_the_reason_and_the_event_of_each_layer() -> None:
    made = scenario().when(patch(put("fps", 25), reason="PAL"))
    project = made.state(Scope, PROJECT).layer("core")
    explanation = explain(("fps",), {"fps": 24}, {"project": project})
    assert explanation.value == 25
    assert [(entry.layer, entry.value) for entry in explanation.layers] == [("default", 24), ("project", 25)]
    setting = explanation.layers[-1].setting
    assert setting is not None
    assert (setting.by, setting.reason, setting.position, setting.event) == ("ada", "PAL", 1, made.facts[0].id)


def test_the_highest_layer_wins() -> None:
    layers = [{("a",): Setting(n, "1")} for n in (1, 2, 3)]
    assert effective({"a": 0, "b": {"c": 0}}, *layers) == {"a": 3, "b": {"c": 0}}


def test_what_effective_returns_is_the_callers_own() -> None:
    defaults: dict[str, Any] = {"a": {"b": [1]}}
    stored: dict[str, Any] = {"d": [1]}
    tree = effective(defaults, {("c",): Setting(stored, "1")})
    tree["a"]["b"].append(2)
    tree["c"]["d"].append(2)
    assert defaults == {"a": {"b": [1]}}
    assert stored == {"d": [1]}


KEYS = st.sampled_from("abc")
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
PATCHES = st.lists(
    st.builds(lambda path, value, unset: Patch(addon="core", path=path, value=value, unset=unset),
              PATHS, VALUES, st.integers(0, 3).map(lambda n: n == 0)),
    max_size=5,
)  # fmt: skip


def patched(patches: list[Patch]) -> Scenario:
    """Every patch that is legal, one after the other."""
    made = scenario()
    for one in patches:
        try:
            made.when(patch(one))
        except Invalid:
            assert any(begins(one.path, held) for held in layer(made) if held != one.path)
    return made


def layer(made: Scenario) -> settings.Layer:
    return (made.known.get(Scope, PROJECT) or Scope()).layer("core")


@given(st.dictionaries(KEYS, VALUES), PATCHES, PATCHES, PATCHES, PATHS)
def test_explain_agrees_with_what_is_effective(
    defaults: dict[str, Any], bundle: list[Patch], project: list[Patch], user: list[Patch], path: tuple[str, ...]
) -> None:
    layers = [layer(patched(patches)) for patches in (bundle, project, user)]
    explanation = explain(path, defaults, dict(zip(("bundle", "project", "user"), layers, strict=True)))
    value = lookup(effective(defaults, *layers), path)
    assert explanation.present == (value is not MISSING)
    assert explanation.value == (None if value is MISSING else value)


@given(PATCHES)
def test_no_scope_holds_a_path_and_one_below_it(patches: list[Patch]) -> None:
    held = list(layer(patched(patches)))
    assert not [(one, other) for one in held for other in held if one != other and begins(one, other)]


@given(PATCHES)
def test_patches_as_one_end_where_patches_one_by_one_end(patches: list[Patch]) -> None:
    at_once = scenario()
    try:
        at_once.when(patch(*patches))
    except Invalid:
        return
    assert {p: s.value for p, s in layer(at_once).items()} == {p: s.value for p, s in layer(patched(patches)).items()}


@given(PATCHES)
def test_undoing_every_event_leaves_nothing(patches: list[Patch]) -> None:
    made = patched(patches)
    undo = [
        Patch(addon="core", path=f.event.path, value=f.event.old, unset=not f.event.was_set)
        for f in reversed(made.facts)
        if isinstance(f.event, SettingsChanged)
    ]
    for one in undo:
        made.when(patch(one))
    assert layer(made) == {}
