"""The writer answers in order, hands on what was committed, and keeps the signed head behind the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import Conflict, CorruptLog
from events.head import HeadFile
from events.memory import MemoryStore
from events.record import Position
from events.sqlite import SqliteStore
from events.store import Append, Appended, event_of
from events.writer import GROUP_REQUESTS, SIGN_EVERY_EVENTS, Writer
from qi.testing.store_contract import TWO, everything, noted, request


class Counting(MemoryStore):
    """A store that remembers how large its groups were."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []

    def append_batch(self, batch):  # type: ignore[no-untyped-def]
        self.groups.append(len(batch))
        return super().append_batch(batch)


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def writer(store: Counting, tmp_path: Path) -> Writer:
    return Writer(store, tmp_path)


def test_every_request_has_its_answer_in_its_place(writer: Writer, store: Counting) -> None:
    written = writer.append([request(noted(n=0), one=0), request(noted(n=1), one=0), request(noted(TWO), noted(TWO))])
    assert [type(answer) for answer in written.answers] == [Appended, Conflict, Appended]
    assert [event_of(row) for row in written.rows] == everything(store)
    assert writer.position == 3


def test_what_was_announced_is_not_handed_on_again(writer: Writer, store: Counting) -> None:
    writer.append([request(noted(n=1), command="c1")])
    again = writer.append([request(noted(n=1), command="c1"), request(noted(n=2))])
    assert [event_of(row).data["n"] for row in again.rows] == [2]
    assert writer.append([]).rows == []
    assert [event.data["n"] for event in everything(store)] == [1, 2]


def test_a_large_group_is_split(writer: Writer, store: Counting) -> None:
    written = writer.append([request(noted(n=n)) for n in range(2 * GROUP_REQUESTS + 1)])
    assert store.groups == [GROUP_REQUESTS, GROUP_REQUESTS, 1]
    assert [row[0] for row in written.rows] == list(range(1, 2 * GROUP_REQUESTS + 2))
    assert len(written.answers) == 2 * GROUP_REQUESTS + 1


def test_the_head_is_signed_at_intervals_and_at_the_end(writer: Writer, store: Counting, tmp_path: Path) -> None:
    def signed() -> int:
        head = HeadFile(tmp_path).read()
        assert head is not None
        return head.position

    assert signed() == 0
    writer.append([request(noted())])
    assert signed() == 0
    writer.append([request(*(noted() for _ in range(SIGN_EVERY_EVENTS)))])
    assert signed() == SIGN_EVERY_EVENTS + 1
    writer.append([request(noted())])
    writer.sign()
    assert signed() == SIGN_EVERY_EVENTS + 2
    writer.append([request(noted())])
    writer.close()
    assert signed() == store.head().position


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "keys"
    folder.mkdir()
    return tmp_path / "events.db"


def test_a_restart_goes_on_where_the_log_ended(path: Path) -> None:
    keys = path.parent / "keys"
    for count in range(3):
        writer = Writer(SqliteStore(path), keys)
        assert writer.position == count
        assert [row[0] for row in writer.append([request(noted())]).rows] == [count + 1]
        writer.close()


def test_a_log_older_than_its_head_is_refused(path: Path) -> None:
    keys = path.parent / "keys"
    with closing(SqliteStore(path)) as store:
        Writer(store, keys).append([Append((noted(),))])
        store.backup(path.with_name("old.db"))
        writer = Writer(store, keys)
        writer.append([Append((noted(),))])
        writer.sign()
    with closing(SqliteStore(path.with_name("old.db"))) as old:
        with pytest.raises(CorruptLog, match="cut off"):
            Writer(old, keys)
        HeadFile(keys).write(old.head())
        assert Writer(old, keys).position == Position(1)
