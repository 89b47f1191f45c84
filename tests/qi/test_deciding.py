"""A service's fold goes on from where it stood, and says where an event is that it cannot fold."""

from __future__ import annotations

import pytest

from events.decider import Fact, Known
from events.errors import Invalid, NotFound
from events.memory import MemoryStore
from events.record import DomainEvent, Meta, NewEvent, Position, StreamName, event
from events.store import Append
from qi import deciding
from qi.deciding import follow, known_at

A, B = StreamName("abacus-a"), StreamName("abacus-b")


@event("sum.counted")
class Counted(DomainEvent):
    n: int


class Tally:
    def __init__(self, n: int, by: str) -> None:
        self.n, self.by = n, by


def add(state: Tally | None, fact: Fact) -> Tally:
    assert isinstance(fact.event, Counted)
    return Tally((state.n if state else 0) + fact.event.n, fact.meta.user)


FOLDS = {"abacus": add}


def log(*counts: tuple[StreamName, int], user: str = "ada") -> MemoryStore:
    store = MemoryStore()
    events = tuple(NewEvent(stream, "sum.counted", {"n": n}) for stream, n in counts)
    store.append(Append(events, meta=Meta(user=user)))
    return store


def shown(known: Known) -> dict[str, int]:
    return {stream: state.n for stream in (A, B) if (state := known.get(Tally, stream)) is not None}


def test_a_fold_holds_every_stream_with_who_changed_it() -> None:
    store = log((A, 1), (B, 2), (A, 3), user="grace")
    store.append(Append((NewEvent(StreamName("other-x"), "other.unheard", {}),)))
    known = Known(FOLDS)
    follow(known, store)
    assert (shown(known), known.version(A), known.position) == ({A: 4, B: 2}, 2, 3)
    assert [state.by for state in known.all(Tally)] == ["grace", "grace"]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_a_fold_goes_on_where_it_stood(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "PAGE_EVENTS", page)
    store = log((A, 1), (B, 2), (A, 3))
    known = known_at(store, FOLDS, Position(2))
    assert (shown(known), known.position) == ({A: 1, B: 2}, 2)
    store.append(Append((NewEvent(B, "sum.counted", {"n": 5}),)))
    follow(known, store)
    assert shown(known) == {A: 4, B: 7}


def test_a_fold_of_the_past_stops_there() -> None:
    store = log((A, 1), (A, 2), (A, 3))
    assert [shown(known_at(store, FOLDS, Position(n))) for n in range(4)] == [{}, {A: 1}, {A: 3}, {A: 6}]


@pytest.mark.parametrize(
    ("bad", "error"),
    [(NewEvent(A, "sum.unheard", {}), NotFound), (NewEvent(A, "sum.counted", {"n": "x"}), Invalid)],
)
def test_an_event_that_cannot_be_folded_is_named_and_stood_before(bad: NewEvent, error: type[Exception]) -> None:
    store = log((A, 1), (A, 2))
    store.append(Append((bad, NewEvent(A, "sum.counted", {"n": 9}))))
    known = Known(FOLDS)
    with pytest.raises(error) as caught:
        follow(known, store)
    assert caught.value.data["position"] == 3  # type: ignore[attr-defined]
    assert (shown(known), known.position) == ({A: 3}, 2)
