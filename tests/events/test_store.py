"""Both stores keep the contract, and say the same about any history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.chain import verify
from events.memory import MemoryStore
from events.record import BEFORE_FIRST, Event, Meta, NewEvent, Position, StreamName, Version
from events.sqlite import SqliteStore
from events.store import COLUMNS, Append, Appended, EventStore, decode_meta, event_json
from qi.testing.store_contract import StoreContract, everything


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        with closing(MemoryStore()) as store:
            yield store


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EventStore]:
        with closing(SqliteStore(tmp_path / "events.db")) as store:
            yield store


STREAMS = st.sampled_from(["publish-a", "publish-b", "bundle-a"]).map(StreamName)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
REQUESTS = st.builds(
    lambda events, expected, user, command: Append(
        tuple(NewEvent(stream, "test.noted", {"value": value}) for stream, value in events),
        {stream: Version(version) for stream, version in expected.items()},
        Meta(user=user),
        command,
    ),
    st.lists(st.tuples(STREAMS, JSON), max_size=3),
    st.dictionaries(STREAMS, st.integers(0, 3), max_size=2),
    st.sampled_from(["", 'ada "the \\" k\n']),
    st.sampled_from(["", "", "c1", "c2"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(REQUESTS, max_size=4), max_size=6))
def test_any_history_is_the_same_in_both_stores(batches: list[list[Append]]) -> None:
    with TemporaryDirectory() as folder:
        memory = MemoryStore()
        with closing(SqliteStore(Path(folder) / "events.db")) as sqlite:
            for batch in batches:
                answers = [store.append_batch(batch).answers for store in (memory, sqlite)]
                for one, other in zip(*answers, strict=True):
                    if isinstance(one, Appended):
                        assert one == other
                    else:
                        assert (type(one), one.data) == (type(other), getattr(other, "data", None))
            logs = [everything(memory), everything(sqlite)]
            assert verify(memory).events == verify(sqlite).events == len(logs[0])
            plain = [[(e.position, e.id, e.stream, e.version, e.data, e.digest) for e in log] for log in logs]
            assert plain[0] == plain[1]
            assert [e.position for e in logs[0]] == list(range(1, len(logs[0]) + 1))
            for stream in {e.stream for e in logs[0]}:
                versions = [e.version for e in memory.read_stream(stream, Version(0), 100)]
                assert versions == list(range(1, len(versions) + 1))
            assert memory.head().position == Position(len(logs[0]))
            rows = sqlite.rows(BEFORE_FIRST, 100, None, COLUMNS)
            assert [msgspec.json.decode(event_json(row), type=Event) for row in rows] == logs[1]
            assert [decode_meta(row[8]) for row in rows] == [e.meta for e in logs[1]]
