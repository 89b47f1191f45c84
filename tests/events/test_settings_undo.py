"""Taking back changes of settings, two who change them at once, and what they were: over any sequence of patches."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events import settings
from events.canonical import canonical
from events.decider import Known
from events.errors import Conflict, Invalid, QiError
from events.settings import Patch, PatchSettings, Scope, settings_stream
from events.settings_layers import effective, explain, pinned
from events.settings_tree import MISSING, begins, lookup
from events.settings_undo import restore
from qi.testing.decider import Scenario

PROJECT = settings_stream("project", "p1")
KEYS = st.sampled_from("abc")
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
PATCH = st.builds(
    lambda addon, path, value, unset, schema: Patch(addon=addon, path=path, value=value, unset=unset, schema=schema),
    st.sampled_from(["core", "media"]), PATHS, VALUES, st.integers(0, 3).map(lambda n: n == 0),
    st.sampled_from(["1.0.0", "2.0.0"]),
)  # fmt: skip
COMMANDS = st.lists(st.lists(PATCH, min_size=1, max_size=3).map(tuple), max_size=6)


def change(patches: tuple[Patch, ...], expected: int | None = None, by: str = "") -> PatchSettings:
    return PatchSettings(scope="project", target="p1", patches=patches, expected=expected, by=by)


def now(made: Scenario) -> Scope:
    return made.known.get(Scope, PROJECT) or Scope()


def said(scope: Scope) -> dict[tuple[str, tuple[str, ...]], bytes]:
    """What a scope says, without who and when."""
    return {
        (addon, path): canonical([one.value, one.schema])
        for addon, layer in scope.addons.items()
        for path, one in layer.items()
    }


def carried_out(commands: list[tuple[Patch, ...]], made: Scenario | None = None) -> Scenario:
    """Every command that is legal, one after the other."""
    made = made or Scenario(settings.FOLDS, settings.decide)
    for patches in commands:
        try:
            made.when(change(patches))
        except Invalid:
            continue
    return made


@given(COMMANDS, COMMANDS)
def test_undo_after_do_is_the_identity(before: list[tuple[Patch, ...]], after: list[tuple[Patch, ...]]) -> None:
    made = carried_out(before)
    then = now(made)
    carried_out(after, made)
    made.when(change(restore(now(made), then)))
    assert said(now(made)) == said(then)
    made.when(change(restore(now(made), then))).then()


@given(COMMANDS, st.sampled_from(["core", "media"]), PATHS)
def test_undo_of_one_path_puts_it_back_and_leaves_the_others(
    commands: list[tuple[Patch, ...]], addon: str, path: tuple[str, ...]
) -> None:
    made = carried_out(commands)
    before = now(made)
    made.when(change(restore(before, Scope(), (addon, path))))
    kept = {
        key: value
        for key, value in said(before).items()
        if key[0] != addon or not (begins(key[1], path) or begins(path, key[1]))
    }
    assert said(now(made)) == kept


@given(COMMANDS)
def test_the_state_at_every_past_position_is_the_fold_of_the_log_up_to_there(
    commands: list[tuple[Patch, ...]],
) -> None:
    made = Scenario(settings.FOLDS, settings.decide)
    states = [(0, Scope())]
    for patches in commands:
        carried_out([patches], made)
        states.append((len(made.facts), now(made)))
    for position, state in states:
        known = Known(settings.FOLDS)
        for one in made.facts[:position]:
            known.follow(one)
        assert (known.get(Scope, PROJECT) or Scope()) == state


@given(COMMANDS, st.lists(PATCH, min_size=1, max_size=3).map(tuple), st.lists(PATCH, min_size=1, max_size=3).map(tuple))
def test_two_who_edit_at_once_end_in_both_or_one_of_them_never_in_a_mixture(
    before: list[tuple[Patch, ...]], ada: tuple[Patch, ...], grace: tuple[Patch, ...]
) -> None:
    """Both read the same revision, whoever comes second wins what does not touch the first, or is refused whole."""
    made = carried_out(before)
    read = int(made.known.version(PROJECT))
    made.user = "ada"
    try:
        made.when(change(ada, read, "ada"))
    except Invalid:
        return
    alone = now(made)
    touched = {(one.event.addon, one.event.path) for one in made.facts[read:]}  # type: ignore[attr-defined]
    made.user = "grace"
    refused: QiError | None = None
    try:
        made.when(change(grace, read, "grace"))
    except (Invalid, Conflict) as error:
        refused = error
    if refused is not None:
        assert now(made) == alone
        if isinstance(refused, Conflict):
            assert (refused.data["by"], refused.data["yours_by"]) == ("ada", "grace")
            assert any(refused.data["path"] == ".".join((addon, *path)) for addon, path in touched)
        return
    # Nothing that the first one touched is another than the first one left it.
    after = said(now(made))
    for addon, path in touched:
        assert after.get((addon, path)) == said(alone).get((addon, path)) or any(
            one.addon == addon and one.path == path and canonical(one.value) == canonical(_value(alone, addon, path))
            for one in grace
        )


def _value(scope: Scope, addon: str, path: tuple[str, ...]) -> Any:
    found = scope.layer(addon).get(path)
    return found.value if found else None


@given(st.dictionaries(KEYS, VALUES), COMMANDS, COMMANDS, PATHS)
def test_what_is_pinned_may_go_without_any_value_changing(
    defaults: dict[str, Any], bundle: list[tuple[Patch, ...]], user: list[tuple[Patch, ...]], path: tuple[str, ...]
) -> None:
    layers = {
        name: now(carried_out(commands)).layer("core") for name, commands in (("bundle", bundle), ("user", user))
    }
    values = effective(defaults, *layers.values())
    for layer, place in pinned(defaults, layers):
        if layer == "user":
            rest = {at: one for at, one in layers["user"].items() if at != place}
            assert canonical(effective(defaults, layers["bundle"], rest)) == canonical(values)
    found = explain(path, defaults, layers)
    there = lookup(values, path)
    assert (found.value, found.present) == (None if there is MISSING else there, there is not MISSING)
