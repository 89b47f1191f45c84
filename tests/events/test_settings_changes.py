"""Looking back at settings: the way back leads exactly there, and two trees differ where they differ."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.decider import Fact
from events.errors import Invalid
from events.record import StreamName, Version
from events.settings import Patch, Scope, SettingsChanged, differences, with_difference
from events.settings_changes import tree_differences, way_back
from events.settings_layers import effective
from events.settings_tree import MISSING, lookup

STREAM = StreamName("settings-project_p1")
KEYS = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
PATCHES = st.builds(
    Patch, addon=st.sampled_from(["farm", "media"]), path=PATHS, value=VALUES, unset=st.booleans(), schema=st.just("1")
)
EDITS = st.lists(st.lists(PATCHES, min_size=1, max_size=3), max_size=5)
TREES = st.dictionaries(KEYS, VALUES, max_size=3)


def edited(scope: Scope, patches: list[Patch] | tuple[Patch, ...]) -> Scope:
    try:
        made = differences(SettingsChanged, scope, patches, "", {})
    except Invalid:
        return scope  # a path through a single value
    for number, one in enumerate(made):
        scope = with_difference(scope, Fact(STREAM, Version(number + 1), one))
    return scope


def said(scope: Scope) -> dict[str, Any]:
    return {
        addon: {path: setting.value for path, setting in layer.items()}
        for addon, layer in scope.addons.items()
        if layer
    }


@given(EDITS, EDITS)
def test_the_way_back_restores_exactly_what_was(before: list[list[Patch]], after: list[list[Patch]]) -> None:
    then = Scope()
    for patches in before:
        then = edited(then, patches)
    now = then
    for patches in after:
        now = edited(now, patches)
    back = way_back(now, then)
    assert said(edited(now, back)) == said(then)
    assert way_back(then, then) == ()


@given(EDITS, EDITS, PATHS)
def test_a_way_back_of_a_part_leaves_the_rest_alone(
    before: list[list[Patch]], after: list[list[Patch]], path: tuple[str, ...]
) -> None:
    then = Scope()
    for patches in before:
        then = edited(then, patches)
    now = then
    for patches in after:
        now = edited(now, patches)
    for one in way_back(now, then, "farm", path):
        assert one.addon == "farm"
        assert one.path[: len(path)] == path
    restored = edited(now, way_back(now, then, "farm"))
    assert said(restored).get("media") == said(now).get("media")
    assert said(restored).get("farm") == said(then).get("farm")


@given(TREES, TREES)
def test_trees_differ_exactly_where_a_look_says_so(first: dict[str, Any], second: dict[str, Any]) -> None:
    found = list(tree_differences(first, second))
    assert (found == []) is (effective(first) == effective(second) and first == second)
    for one in found:
        assert one.first is not MISSING or one.second is not MISSING
        for tree, value in ((first, one.first), (second, one.second)):
            if value is not MISSING:
                assert lookup(tree, one.path) == value
