"""What is asked of settings, as changes of one scope: groups, scopes, files. Pure: no studio is needed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.settings.patches import file_settings, patches_of, resolver_of
from events import settings
from events.errors import Conflict
from events.settings import PatchSettings, Scope, settings_stream
from events.settings_layers import effective
from qi.contracts.addons import FieldRule, Schemas
from qi.contracts.settings import Setting
from qi.errors import Invalid
from qi.testing.decider import Scenario

ALL = ("bundle", "project", "user")
DEFAULTS: dict[str, object] = {"fps": 24, "pool": {"a": 0, "b": 0}, "hosts": {"maya": {"root": "", "on": True}}}
SCHEMAS = Schemas(
    defaults={"farm": DEFAULTS},
    secrets={},
    versions={"farm": "1.0.0"},
    rules={
        "farm": (
            FieldRule(path=("pool",), scopes=ALL, group=True),
            FieldRule(path=("hosts", "*", "root"), scopes=("bundle",)),
            FieldRule(path=("fps",), scopes=ALL, resolver="rates"),
        )
    },
)
PROJECT = settings_stream("project", "p1")


def asked(*given: tuple[str, Any], scope: str = "project", unset: tuple[str, ...] = ()) -> list[settings.Patch]:
    values = [Setting(path=path, value=value) for path, value in given]
    return patches_of(scope, values, unset, SCHEMAS, lambda _: DEFAULTS)


def test_members_of_a_group_that_are_set_together_make_one_whole() -> None:
    made = asked(("farm.pool.a", 1), ("farm.pool.b", 2), ("farm.fps", 25))
    assert [(one.path, one.value) for one in made] == [
        (("pool",), {"a": 1, "b": 0}), (("pool",), {"a": 1, "b": 2}), (("fps",), 25),
    ]  # fmt: skip
    assert [(one.path, one.unset) for one in asked(unset=("farm.pool.a",))] == [(("pool",), True)]


@pytest.mark.parametrize(
    "given",
    [
        ("farm.hosts.maya.root", "/x"), ("farm.hosts.nuke", {"root": "/x"}), ("farm.hosts", {"nuke": {"root": "/x"}}),
        ("farm.hosts.maya.root.deep", 1),
    ],
)  # fmt: skip
def test_a_field_is_kept_to_its_scopes_also_inside_of_a_whole(given: tuple[str, Any]) -> None:
    with pytest.raises(Invalid) as told:
        asked(given)
    (path,) = told.value.data["fields"]
    assert path.startswith("farm.hosts.")
    assert "root" in path
    assert told.value.data["fields"][path] == "may be set in: bundle"
    assert asked(given, scope="bundle")
    assert asked(("farm.hosts.nuke", {"on": False}))


def test_a_file_is_read_value_by_value_and_every_value_belongs_to_an_addon() -> None:
    found = file_settings({"farm": {"fps": 25, "pool": {"a": 1}, "hosts": {}}})
    assert [(one.path, one.value) for one in found] == [("farm.fps", 25), ("farm.pool.a", 1), ("farm.hosts", {})]
    with pytest.raises(Invalid):
        list(file_settings({"fps": 25}))


def test_the_resolver_of_a_setting_is_found() -> None:
    assert resolver_of(SCHEMAS, "farm.fps") == ("farm", "rates")
    for wrong in ("farm.pool", "farm.nothing", "nuke.fps", "farm"):
        with pytest.raises(Invalid):
            resolver_of(SCHEMAS, wrong)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "grace"]), st.sampled_from(["farm.pool.a", "farm.pool.b", "farm.pool", "farm.fps"]),
        st.integers(0, 9), st.booleans(),
    ),
    max_size=8,
)  # fmt: skip


@given(EDITS)
def test_a_group_is_always_what_one_of_its_editors_saw(edits: list[tuple[str, str, int, bool]]) -> None:
    """Each editor changes what he read when he last looked; whoever lost looks again."""
    made = Scenario(settings.FOLDS, settings.decide)

    def tree() -> dict[str, Any]:
        scope = made.known.get(Scope, PROJECT) or Scope()
        return effective(DEFAULTS, scope.layer("farm"))

    seen = dict.fromkeys(("ada", "grace"), (0, tree()))
    for who, path, value, looks in edits:
        read, saw = seen[who]
        whole: Any = {"a": value, "b": value} if path == "farm.pool" else value
        patches = patches_of("project", [Setting(path=path, value=whole)], (), SCHEMAS, lambda _, saw=saw: saw)
        wanted = {**saw["pool"], path.rpartition(".")[2]: value} if path.startswith("farm.pool.") else whole
        before, refused = tree(), False
        try:
            made.when(PatchSettings(scope="project", target="p1", patches=tuple(patches), expected=read, by=who))
        except Conflict:
            refused = True
        now = tree()
        if refused:
            assert now == before
        else:
            assert now["fps" if path == "farm.fps" else "pool"] == wanted
        if refused or looks:
            seen[who] = (int(made.known.version(PROJECT)), now)
