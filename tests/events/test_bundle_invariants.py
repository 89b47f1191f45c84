"""What holds of bundles, pointers and pins whatever is asked of them, in whatever order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events import bundles, names
from events.bundle_commands import (
    ArchiveBundle,
    CloneBundle,
    CreateBundle,
    DeleteBundle,
    EditBundle,
    FreezeBundle,
    LiftHold,
    PatchBundleSettings,
    PinBundle,
    PromoteBundle,
    RecordCheck,
    RequireCheck,
    RestoreBundle,
    RevertPointer,
)
from events.bundle_decisions import decide
from events.bundle_diff import difference
from events.bundle_events import AddonPin, PointerMoved
from events.bundles import Bundle, Pin, Pointer, bundle_stream, content, pinned_by, pointer_stream
from events.decider import Fact, Known
from events.errors import QiError
from events.settings import Patch
from qi.testing.decider import Scenario

IDS = st.sampled_from(["b1", "b2", "b3"])
POINTERS = st.sampled_from(bundles.POINTERS)
DIGESTS = [letter * 64 for letter in "abc"]
PINNED = st.builds(lambda letter: AddonPin(version=letter[0], digest=letter), st.sampled_from(DIGESTS))
FOLDER = st.just(AddonPin(version="1", path="/dev/core"))
ADDONS = st.sampled_from(["core", "media"])
ADDON_PINS = st.dictionaries(ADDONS, PINNED | FOLDER, max_size=2)
VARIABLES = st.dictionaries(st.sampled_from(["OCIO", "SHOW"]), st.sampled_from(["1", "2"]), max_size=2)
PATCHES = st.lists(
    st.builds(
        Patch, addon=ADDONS, path=st.sampled_from([("fps",), ("size", "x"), ("size",)]),
        value=st.sampled_from([24, 25, True, "24"]), schema=st.sampled_from(["1.0", "2.0"]),
    ),
    max_size=2,
).map(tuple)  # fmt: skip
WHY = st.just("it works")
MAYBE = st.booleans()

COMMANDS = st.one_of(
    st.builds(
        CreateBundle, id=IDS, name=st.sampled_from(["Film", "film", "Show"]), addons=ADDON_PINS, environment=VARIABLES,
        settings=PATCHES,
    ),
    st.builds(CloneBundle, id=IDS, name=st.sampled_from(["Film", "Copy"]), origin=IDS),
    st.builds(
        EditBundle, bundle=IDS, addons=st.dictionaries(ADDONS, PINNED | st.none(), max_size=2), environment=VARIABLES
    ),
    st.builds(PatchBundleSettings, bundle=IDS, patches=PATCHES),
    st.builds(FreezeBundle, bundle=IDS, digests=st.dictionaries(ADDONS, st.sampled_from(DIGESTS), max_size=2)),
    st.builds(PromoteBundle, bundle=IDS, pointer=POINTERS, reason=WHY, automatic=MAYBE),
    st.builds(RevertPointer, pointer=POINTERS, reason=WHY, bundle=IDS | st.just("")),
    st.builds(ArchiveBundle, bundle=IDS, reason=WHY),
    st.builds(RestoreBundle, bundle=IDS, reason=WHY),
    st.builds(DeleteBundle, bundle=IDS, reason=WHY),
    st.builds(RequireCheck, pointer=POINTERS, required=MAYBE, reason=WHY),
    st.builds(LiftHold, pointer=POINTERS, reason=WHY),
    st.builds(
        PinBundle, of=st.just("project"), target=st.sampled_from(["p1", "p2"]), label=st.just("Lighthouse"),
        bundle=IDS | st.just(""), reason=WHY,
    ),
    st.tuples(st.just("check"), IDS, MAYBE),
)  # fmt: skip
LIFE = [
    CreateBundle(id="b1", name="Film", addons={"core": AddonPin(version="a", digest=DIGESTS[0])}),
    FreezeBundle(bundle="b1"),
    PromoteBundle(bundle="b1", pointer="production", reason="first"),
    CloneBundle(id="b2", name="Copy", origin="b1"),
    EditBundle(bundle="b2", environment={"SHOW": "1"}),
    FreezeBundle(bundle="b2"),
    PromoteBundle(bundle="b2", pointer="production", reason="second"),
]
"""Where random commands begin: far enough that most of them are about something."""


def _asked(made: Scenario, command: Any) -> Any:
    """The command with what the service that asks adds to it: what a bundle is used by, and what it is checked as."""
    match command:
        case ("check", bundle, good):
            known = made.known.get(Bundle, bundle_stream(bundle))
            digest = known.digest if known else DIGESTS[0]
            problems = () if good else ("a test of 'core' failed",)
            return RecordCheck(
                bundle=bundle, digest=digest, problems=problems, addons=1, tests=1, settings=1, duration_ms=1
            )
        case ArchiveBundle(bundle=bundle, reason=reason):
            pins = tuple(pin.label for pin in pinned_by(made.known, bundle))
            return ArchiveBundle(bundle=bundle, reason=reason, used_by=pins)
    return command


def _carried_out(commands: list[Any]) -> Scenario:
    made = Scenario(bundles.FOLDS, decide)
    sealed: dict[str, dict[str, Any]] = {}
    for command in [*LIFE, *commands]:
        before = len(made.facts)
        gates = {name: made.known.get(Pointer, pointer_stream(name)) for name in bundles.POINTERS}
        try:
            made.when(_asked(made, command))
        except QiError:
            assert len(made.facts) == before
        _holds(made.known, sealed)
        _moved_rightly(made.known, made.facts[before:], gates)
    return made


def _holds(known: Known, sealed: dict[str, dict[str, Any]]) -> None:
    for bundle in known.all(Bundle):
        if bundle.state == "frozen" or bundle.was == "frozen":
            assert all(pin.digest and not pin.path for pin in bundle.addons.values())
            assert sealed.setdefault(bundle.id, content(bundle)) == content(bundle), "a frozen bundle has changed"
            assert bundle.digest == bundle.sealed
    alive = [bundle for bundle in known.all(Bundle) if bundle.state != "deleted"]
    assert len({names.fold_name(bundle.name) for bundle in alive}) == len(alive)
    for pointer in known.all(Pointer):
        if pointer.bundle:
            pointed = known.get(Bundle, bundle_stream(pointer.bundle))
            assert pointed is not None
            assert (pointed.state, pointed.digest) == ("frozen", pointer.digest)
    for pin in known.all(Pin):
        if pin.bundle:
            used = known.get(Bundle, bundle_stream(pin.bundle))
            assert used is not None
            assert used.state == "frozen"


def _moved_rightly(known: Known, new: list[Fact], before: dict[str, Pointer | None]) -> None:
    """A gate lets through what was checked; a move says what it replaced."""
    for fact in new:
        if isinstance(fact.event, PointerMoved):
            pointer = before[fact.stream.partition("-")[2]]
            here = (pointer.bundle, pointer.digest) if pointer else ("", "")
            assert (fact.event.previous, fact.event.previous_digest) == here
            if pointer is not None and pointer.needs_check and not fact.event.reverts:
                moved_to = known.get(Bundle, bundle_stream(fact.event.bundle))
                assert moved_to is not None
                assert moved_to.is_checked


@given(st.lists(COMMANDS, max_size=25))
@settings(max_examples=150)
def test_what_holds_of_bundles_holds_after_any_commands(commands: list[Any]) -> None:
    _carried_out(commands)


@given(st.lists(COMMANDS, max_size=12), POINTERS)
def test_a_revert_restores_the_exact_digest_and_content_of_before(commands: list[Any], name: str) -> None:
    made = _carried_out(commands)
    stream = pointer_stream(name)
    pointer = made.known.get(Pointer, stream)
    moves = [fact.event for fact in made.facts if fact.stream == stream and isinstance(fact.event, PointerMoved)]
    known = Known(bundles.FOLDS)
    for fact in made.facts:
        known.follow(fact)
        if moves and fact.event is moves[-1]:
            break
    try:
        made.when(RevertPointer(pointer=name, reason="it flickers"))
    except QiError:
        assert pointer is None or not pointer.previous or _is_put_away(made, pointer.previous)
        return
    back = made.state(Pointer, stream)
    assert (back.digest, back.held) == (moves[-1].previous_digest, True)
    then = known.get(Bundle, bundle_stream(back.bundle))
    assert then is not None
    assert content(made.state(Bundle, bundle_stream(back.bundle))) == content(then)


def _is_put_away(made: Scenario, bundle: str) -> bool:
    known = made.known.get(Bundle, bundle_stream(bundle))
    return known is None or known.state in ("archived", "deleted")


@given(st.lists(COMMANDS, max_size=12))
def test_what_was_at_every_past_position_is_the_fold_of_the_log_up_to_there(commands: list[Any]) -> None:
    states: list[tuple[int, list[Any]]] = []
    made = Scenario(bundles.FOLDS, decide)
    for command in [*LIFE, *commands]:
        try:
            made.when(_asked(made, command))
        except QiError:
            continue
        states.append((len(made.facts), _all(made.known)))
    past, at = Known(bundles.FOLDS), 0
    for position, state in states:
        for fact in made.facts[at:position]:
            past.follow(fact)
        at = position
        assert _all(past) == state


def _all(known: Known) -> list[Any]:
    return [*known.all(Bundle), *known.all(Pointer), *known.all(Pin)]


@given(st.lists(COMMANDS, max_size=20))
def test_a_diff_is_empty_where_the_digests_are_equal_and_nowhere_else(commands: list[Any]) -> None:
    made = _carried_out(commands)
    every = list(made.known.all(Bundle))
    for first in every:
        for second in every:
            found = difference(first, second, lambda pin: {"plugins/publish/a.py": pin.digest or pin.path})
            assert bool(found) == (first.digest != second.digest)
