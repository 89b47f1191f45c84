"""The contract of every event store, as tests. Subclass it and say how a store is made::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[EventStore]:
            with closing(MyStore()) as store:
                yield store
"""

from __future__ import annotations

import pytest

from events.chain import EMPTY, verify
from events.errors import Conflict, Invalid, NotFound
from events.ids import new_id
from events.record import BEFORE_FIRST, NO_STREAM, Event, Meta, NewEvent, Position, StreamName, Version, now
from events.store import COLUMNS, EVENT_DATA_MAX_BYTES, Append, Appended, EventStore

ONE = StreamName("publish-one")
TWO = StreamName("bundle-two")
THREE = StreamName("settings-three")


def noted(stream: StreamName = ONE, **data: object) -> NewEvent:
    """An event of no meaning."""
    return NewEvent(stream, "test.noted", dict(data))


def request(*events: NewEvent, command: str = "", **expected: int) -> Append:
    """An append that expects streams, named without their category, at versions."""
    names = {"one": ONE, "two": TWO, "three": THREE}
    return Append(events, {names[name]: Version(version) for name, version in expected.items()}, command=command)


def everything(store: EventStore, page: int = 7) -> list[Event]:
    """The whole log, read in pages."""
    found: list[Event] = []
    while events := store.read(Position(len(found)), page):
        found += events
    return found


class StoreContract:
    """Give a fixture `store`: an empty store, closed afterwards."""

    def test_an_empty_log_has_the_genesis_as_its_head(self, store: EventStore) -> None:
        assert store.head() == EMPTY
        assert store.read(BEFORE_FIRST, 10) == []
        assert verify(store).events == 0

    def test_an_event_comes_back_as_it_was_appended(self, store: EventStore) -> None:
        meta = Meta("ada", "s1", "host", "t" * 32, "c1", "")
        given = NewEvent(ONE, "test.noted", {"ü": [1, None, True, 0.5, {"line": "a\nb\0"}], "a": "雪"}, 3)
        before = now()
        store.append(Append((given,), {}, meta))
        (event,) = everything(store)
        assert (event.position, event.version, event.stream, event.type, event.schema) == (1, 1, ONE, given.type, 3)
        assert (event.id, event.occurred_at, event.data, event.meta) == (given.id, given.occurred_at, given.data, meta)
        assert before <= event.recorded_at <= now()
        assert store.event(given.id) == event == store.at(Position(1))
        assert store.head().hash == event.hash

    def test_several_streams_are_appended_to_at_once(self, store: EventStore) -> None:
        done = store.append(request(noted(ONE), noted(TWO), noted(ONE), one=0, two=0))
        assert done == Appended(Position(1), Position(3), {ONE: Version(2), TWO: Version(1)})
        assert [(e.stream, e.version) for e in everything(store)] == [(ONE, 1), (TWO, 1), (ONE, 2)]

    def test_an_append_expects_streams_that_it_only_read(self, store: EventStore) -> None:
        store.append(request(noted(TWO)))
        with pytest.raises(Conflict) as caught:
            store.append(request(noted(ONE), two=0))
        assert caught.value.data == {"stream": TWO, "expected": 0, "actual": 1}
        store.append(request(noted(ONE), two=1))
        assert store.head().position == 2

    def test_version_zero_means_that_the_stream_must_not_exist(self, store: EventStore) -> None:
        store.append(request(noted(), one=0))
        with pytest.raises(Conflict):
            store.append(request(noted(), one=0))

    def test_a_version_ahead_of_the_stream_is_a_conflict_too(self, store: EventStore) -> None:
        with pytest.raises(Conflict):
            store.append(request(noted(), one=1))

    def test_a_stream_without_an_expected_version_is_appended_to_unconditionally(self, store: EventStore) -> None:
        store.append(request(noted()))
        assert store.append(request(noted())).versions == {ONE: 2}

    def test_an_empty_append_does_nothing_but_check(self, store: EventStore) -> None:
        store.append(request(noted()))
        assert store.append(request(one=1)) == Appended(Position(1), Position(1), {})
        with pytest.raises(Conflict):
            store.append(request(one=0))
        assert store.head().position == 1

    def test_a_conflict_in_a_batch_fails_alone(self, store: EventStore) -> None:
        first, second, third = store.append_batch([
            request(noted(ONE, n=1), one=0),
            request(noted(TWO, n=2), noted(ONE, n=3), one=0),
            request(noted(THREE, n=4), one=1),
        ]).answers
        assert isinstance(first, Appended)
        assert isinstance(second, Conflict)
        assert second.data == {"stream": ONE, "expected": 0, "actual": 1}
        assert isinstance(third, Appended)
        assert [(e.position, e.data["n"]) for e in everything(store)] == [(1, 1), (2, 4)]
        assert store.versions([ONE, TWO, THREE]) == {ONE: 1, TWO: 0, THREE: 1}
        assert verify(store).events == 2

    def test_a_later_request_of_a_batch_sees_what_an_earlier_one_appended(self, store: EventStore) -> None:
        written = store.append_batch([request(noted(), one=0), request(noted(), one=1), request(noted(), one=1)])
        assert [type(answer) for answer in written.answers] == [Appended, Appended, Conflict]

    def test_a_repeated_command_gets_its_first_answer(self, store: EventStore) -> None:
        first = store.append(request(noted(n=1), noted(TWO), one=0, command="c1"))
        store.append(request(noted(n=2)))
        again = store.append(request(noted(n=1), noted(TWO), one=0, command="c1"))
        assert again == Appended(first.first, first.last, first.versions, repeated=True)
        assert store.appended("c1") == again
        assert store.appended("c2") is None
        assert store.head().position == 3
        assert store.at(Position(1)).meta.command == "c1"

    def test_a_command_repeated_in_one_batch_is_carried_out_once(self, store: EventStore) -> None:
        written = store.append_batch([request(noted(n=1), command="c1"), request(noted(n=1), command="c1")])
        first, second = written.answers
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        assert (first.repeated, second.repeated, second.first) == (False, True, first.first)
        assert store.head().position == 1

    @pytest.mark.parametrize(
        "other",
        [
            request(noted(n=2), command="c1"),
            request(noted(TWO, n=1), command="c1"),
            request(noted(n=1), noted(n=1), command="c1"),
            request(NewEvent(ONE, "test.noted", {"n": 1}, 2), command="c1"),
            request(NewEvent(ONE, "test.other", {"n": 1}), command="c1"),
            Append((noted(n=1),), {}, Meta(user="eve"), "c1"),
        ],
    )
    def test_a_known_command_with_other_content_is_a_conflict(self, store: EventStore, other: Append) -> None:
        store.append(request(noted(n=1), command="c1"))
        with pytest.raises(Conflict) as caught:
            store.append(other)
        assert caught.value.data == {"command": "c1"}
        assert store.head().position == 1

    def test_a_command_that_failed_may_be_tried_again(self, store: EventStore) -> None:
        with pytest.raises(Conflict):
            store.append(request(noted(), one=1, command="c1"))
        assert not store.append(request(noted(), one=0, command="c1")).repeated

    def test_two_names_for_one_command_are_refused(self, store: EventStore) -> None:
        with pytest.raises(Invalid):
            store.append(Append((noted(),), {}, Meta(command="c2"), "c1"))

    def test_an_event_id_is_used_once(self, store: EventStore) -> None:
        event = noted()
        store.append(request(event))
        for taken in (request(event), request(noted(TWO), event)):
            with pytest.raises(Conflict) as caught:
                store.append(taken)
            assert caught.value.data == {"id": event.id}
        twin = new_id()
        with pytest.raises(Conflict):
            store.append(request(NewEvent(ONE, "test.noted", {}, id=twin), NewEvent(TWO, "test.noted", {}, id=twin)))
        answers = store.append_batch([request(NewEvent(ONE, "test.noted", {}, id=twin)) for _ in range(2)]).answers
        assert [type(answer) for answer in answers] == [Appended, Conflict]
        assert [e.position for e in everything(store)] == [1, 2]

    @pytest.mark.parametrize(
        ("field", "event"),
        [
            ("stream", NewEvent(StreamName("nodash"), "test.noted", {})),
            ("stream", NewEvent(StreamName("publish-a\nb"), "test.noted", {})),
            ("stream", NewEvent(StreamName("Publish-a"), "test.noted", {})),
            ("type", NewEvent(ONE, "Noted", {})),
            ("type", NewEvent(ONE, "test.noted\n", {})),
            ("schema", NewEvent(ONE, "test.noted", {}, 0)),
            ("id", NewEvent(ONE, "test.noted", {}, id="")),
            ("occurred_at", NewEvent(ONE, "test.noted", {}, occurred_at=type(now())(-1))),
            ("data", NewEvent(ONE, "test.noted", {"x": object()})),
            ("data", NewEvent(ONE, "test.noted", {"x": "\ud800"})),
            ("data", NewEvent(ONE, "test.noted", {"x": "y" * EVENT_DATA_MAX_BYTES})),
        ],
    )
    def test_an_event_that_breaks_a_rule_is_refused(self, store: EventStore, field: str, event: NewEvent) -> None:
        refused, good = store.append_batch([request(noted(TWO), event), request(noted(n=1))]).answers
        assert isinstance(refused, Invalid)
        assert set(refused.data["fields"]) == {field}
        assert isinstance(good, Appended)
        assert [e.data for e in everything(store)] == [{"n": 1}]

    def test_the_largest_payload_fits(self, store: EventStore) -> None:
        frame = len('{"x":""}')
        store.append(request(noted(x="y" * (EVENT_DATA_MAX_BYTES - frame))))
        assert len(store.at(Position(1)).data["x"]) == EVENT_DATA_MAX_BYTES - frame

    def test_pages_hold_every_event_once_and_in_order(self, store: EventStore) -> None:
        store.append_batch([request(noted(ONE, n=n)) for n in range(25)])
        for page in (1, 4, 25, 100):
            assert [e.data["n"] for e in everything(store, page)] == list(range(25))

    def test_pages_can_be_limited_to_categories(self, store: EventStore) -> None:
        store.append_batch([request(noted(stream, n=n)) for n in range(5) for stream in (ONE, TWO, THREE)])
        wanted = frozenset({"publish", "settings"})
        first = store.read(BEFORE_FIRST, 4, wanted)
        rest = store.read(first[-1].position, 100, wanted)
        assert [e.position for e in first] == [1, 3, 4, 6]
        assert [e.stream for e in first + rest] == [ONE, THREE] * 5
        assert store.read(BEFORE_FIRST, 100, frozenset({"publi"})) == []
        assert store.read(BEFORE_FIRST, 100, frozenset()) == []

    def test_a_stream_is_read_after_a_version(self, store: EventStore) -> None:
        store.append_batch([request(noted(stream, n=n)) for n in range(5) for stream in (ONE, TWO)])
        assert [e.version for e in store.read_stream(TWO, Version(2), 2)] == [3, 4]
        assert [e.data["n"] for e in store.read_stream(TWO, NO_STREAM, 100)] == list(range(5))
        assert store.read_stream(StreamName("publish-none"), NO_STREAM, 10) == []

    def test_rows_are_events_in_parts(self, store: EventStore) -> None:
        store.append(request(noted(n=1), noted(TWO, n=2)))
        for row, event in zip(store.rows(BEFORE_FIRST, 9, None, COLUMNS), everything(store), strict=True):
            assert row[:8] == (
                event.position, event.id, event.stream, event.version, event.type, event.schema, event.occurred_at,
                event.recorded_at,
            )  # fmt: skip
            assert (row[10].hex(), row[11].hex()) == (event.digest, event.hash)
        assert store.rows(BEFORE_FIRST, 9, frozenset({"bundle"}), ("data",)) == [('{"n":2}',)]
        assert store.rows(Position(1), 9, frozenset({"bundle", "publish"}), ("position", "stream")) == [(2, TWO)]
        with pytest.raises(KeyError):
            store.rows(BEFORE_FIRST, 9, None, ("position", "colour"))

    def test_what_does_not_exist_is_not_found(self, store: EventStore) -> None:
        store.append(request(noted()))
        with pytest.raises(NotFound):
            store.event("nobody")
        for position in (0, 2, -1):
            with pytest.raises(NotFound):
                store.at(Position(position))
        assert store.versions([TWO]) == {TWO: 0}

    def test_the_chain_of_a_log_verifies(self, store: EventStore) -> None:
        store.append_batch([request(noted(ONE, n=n), noted(TWO, text="\n" * n)) for n in range(20)])
        proved = verify(store, store.head())
        assert (proved.events, proved.position, proved.hash) == (40, *_parts(store))

    def test_closing_twice_does_no_harm(self, store: EventStore) -> None:
        store.close()
        store.close()


def _parts(store: EventStore) -> tuple[Position, str]:
    return store.head().position, store.head().hash
