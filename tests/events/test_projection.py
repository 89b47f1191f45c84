"""A fold goes on from where it stood, and says where an event is that it cannot fold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from events import projection
from events.errors import Invalid, NotFound
from events.memory import MemoryStore
from events.projection import Folded, fold
from events.record import TYPES, NewEvent, Position, StreamName, event
from events.store import Append

TALLIES = frozenset({"tally"})
A, B = StreamName("tally-a"), StreamName("tally-b")
State = dict[str, int]


@pytest.fixture(autouse=True)
def counted() -> Iterator[type]:
    @event("tally.counted")
    class Counted:
        n: int

    yield Counted
    TYPES.pop("tally.counted")


def add(state: State, event: object, stream: StreamName) -> State:
    return {**state, stream: state.get(stream, 0) + event.n}  # type: ignore[attr-defined]


def log(*counts: tuple[StreamName, int]) -> MemoryStore:
    store = MemoryStore()
    store.append(Append(tuple(NewEvent(stream, "tally.counted", {"n": n}) for stream, n in counts)))
    return store


def empty() -> Folded[State]:
    return Folded({})


def test_a_fold_holds_the_state_and_its_position() -> None:
    store = log((A, 1), (B, 2), (A, 3))
    store.append(Append((NewEvent(StreamName("other-x"), "other.type", {}),)))
    folded = fold(store, add, empty(), TALLIES)
    assert folded == Folded({A: 4, B: 2}, Position(4))


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_a_fold_goes_on_where_it_stood(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "FOLD_PAGE_EVENTS", page)
    store = log((A, 1), (B, 2), (A, 3))
    folded = fold(store, add, empty(), TALLIES, upto=Position(2))
    assert folded == Folded({A: 1, B: 2}, Position(2))
    store.append(Append((NewEvent(B, "tally.counted", {"n": 5}),)))
    assert fold(store, add, folded, TALLIES) == fold(store, add, empty(), TALLIES)
    assert fold(store, add, folded, TALLIES).state == {A: 4, B: 7}


def test_a_fold_of_the_past_stops_there() -> None:
    store = log((A, 1), (A, 2), (A, 3))
    assert [fold(store, add, empty(), TALLIES, upto=Position(n)).state for n in range(4)] == [
        {},
        {A: 1},
        {A: 3},
        {A: 6},
    ]


@pytest.mark.parametrize(
    ("bad", "error"),
    [(NewEvent(A, "tally.unheard", {}), NotFound), (NewEvent(A, "tally.counted", {"n": "x"}), Invalid)],
)
def test_an_event_that_cannot_be_folded_is_named_and_stood_before(bad: NewEvent, error: type[Exception]) -> None:
    store = log((A, 1), (A, 2))
    store.append(Append((bad, NewEvent(A, "tally.counted", {"n": 9}))))
    folded = empty()
    with pytest.raises(error) as caught:
        fold(store, add, folded, TALLIES)
    assert caught.value.data["position"] == 3  # type: ignore[attr-defined]
    assert folded == Folded({A: 3}, Position(2))


def test_an_unknown_type_elsewhere_is_no_concern() -> None:
    store = log((A, 1))
    store.append(Append((NewEvent(StreamName("other-x"), "other.unheard", {}),)))
    assert fold(store, add, empty(), TALLIES).position == 2
