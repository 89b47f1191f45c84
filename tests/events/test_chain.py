"""Whoever changes the file behind Qi's back is found, at the first position that was touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import chain, logfile
from events.chain import EMPTY, GENESIS, chained, compare, header, verify
from events.errors import CorruptLog
from events.memory import MemoryStore
from events.record import Position
from events.sqlite import SqliteStore
from events.store import COLUMNS, Head
from qi.testing.store_contract import TWO, noted, request

EVENTS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        store.append_batch([request(noted(n=n), noted(TWO, n=n)) for n in range(EVENTS // 2)])
        yield store


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody with the rights to it could: past the triggers, which are put back."""
    with closing(apsw.Connection(str(path))) as db:
        triggers = [statement for statement in logfile.SCHEMA if statement.startswith("CREATE TRIGGER")]
        for trigger in triggers:
            db.execute(f"DROP TRIGGER {trigger.split()[2]}")
        for statement in statements:
            db.execute(statement)
        for trigger in triggers:
            db.execute(trigger)


def first_bad(store: SqliteStore) -> int:
    with pytest.raises(CorruptLog) as caught:
        verify(store)
    return int(caught.value.data["position"])


CHANGES = {
    "id": "'0' || id",
    "stream": "stream || 'x'",
    "version": "version + 1000",
    "type": "'test.altered'",
    "schema": "schema + 1",
    "occurred_at": "occurred_at + 1",
    "recorded_at": "recorded_at - 1",
    "meta": '\'{"user":"eve"}\'',
    "data": "'{\"n\":99}'",
    "digest": "zeroblob(32)",
    "hash": "zeroblob(32)",
}


def test_the_changes_cover_every_column() -> None:
    assert {"position", *CHANGES} == set(COLUMNS)


@pytest.mark.parametrize(("column", "value"), CHANGES.items())
@pytest.mark.parametrize("position", [1, 17, EVENTS])
def test_a_change_in_any_column_is_found(
    store: SqliteStore, path: Path, column: str, value: str, position: int
) -> None:
    tamper(path, f"UPDATE event SET {column} = {value} WHERE position = {position}")
    assert first_bad(store) == position


@pytest.mark.parametrize("column", ["id", "type", "meta", "data"])
def test_what_hides_behind_a_nul_is_found(store: SqliteStore, path: Path, column: str) -> None:
    tamper(path, f"UPDATE event SET {column} = {column} || char(0) || 'hidden' WHERE position = 5")
    assert first_bad(store) == 5


def test_text_that_is_not_unicode_is_found(store: SqliteStore, path: Path) -> None:
    tamper(path, "UPDATE event SET data = CAST(x'ff' AS TEXT) WHERE position = 5")
    assert first_bad(store) == 5


def test_text_moved_from_one_column_to_the_next_is_found(store: SqliteStore, path: Path) -> None:
    tamper(path, "UPDATE event SET id = id || char(10) || stream, stream = type, type = meta, meta = ''"
                 " WHERE position = 5")  # fmt: skip
    assert first_bad(store) == 5


def test_a_payload_with_a_new_digest_is_found(store: SqliteStore, path: Path) -> None:
    tamper(path, f"UPDATE event SET data = '{{}}', digest = x'{chain.sha256(b'{}').hexdigest()}' WHERE position = 5")
    assert first_bad(store) == 5


def test_a_missing_event_is_found(store: SqliteStore, path: Path) -> None:
    tamper(path, "DELETE FROM event WHERE position = 5")
    assert first_bad(store) == 5


def test_a_gap_is_found_even_when_the_chain_was_mended_over_it(store: SqliteStore, path: Path) -> None:
    tamper(path, "DELETE FROM event WHERE position = 5")
    previous, mended = GENESIS, []
    for position, head, _, digest, _ in store.links(Position(0), EVENTS):
        previous = chained(previous, head, digest)
        mended.append(f"UPDATE event SET hash = x'{previous.hex()}' WHERE position = {position}")
    tamper(path, *mended)
    assert first_bad(store) == 5


def test_two_events_that_changed_places_are_found(store: SqliteStore, path: Path) -> None:
    tamper(
        path,
        "UPDATE event SET position = 1000 WHERE position = 5",
        "UPDATE event SET position = 5 WHERE position = 6",
        "UPDATE event SET position = 6 WHERE position = 1000",
    )
    assert first_bad(store) == 5


def test_an_event_put_in_by_hand_is_found(store: SqliteStore, path: Path) -> None:
    columns = ", ".join(column for column in COLUMNS if column not in ("position", "id", "version"))
    tamper(path, f"INSERT INTO event (id, version, {columns}) SELECT 'forged', 999, {columns} FROM event LIMIT 1")
    assert first_bad(store) == EVENTS + 1


def test_a_tail_that_was_cut_off_is_found_by_the_signed_head(store: SqliteStore, path: Path) -> None:
    signed = store.head()
    tamper(path, f"DELETE FROM event WHERE position > {EVENTS - 3}")
    assert verify(store).position == EVENTS - 3
    for prove in (verify, compare):
        with pytest.raises(CorruptLog, match="cut off") as caught:
            prove(store, signed)
        assert caught.value.data["position"] == EVENTS - 2


def test_a_log_that_grew_still_holds_its_signed_head(store: SqliteStore) -> None:
    signed = store.head()
    store.append(request(noted()))
    compare(store, signed)
    assert verify(store, signed).events == EVENTS + 1


def test_another_log_does_not_hold_the_signed_head(store: SqliteStore) -> None:
    other = MemoryStore()
    other.append_batch([request(noted(n=n)) for n in range(EVENTS + 5)])
    for prove in (verify, compare):
        with pytest.raises(CorruptLog, match="rewritten") as caught:
            prove(other, store.head())
        assert caught.value.data["position"] == EVENTS


def test_every_log_holds_the_genesis(store: SqliteStore) -> None:
    compare(store, EMPTY)
    assert verify(store, EMPTY).events == EVENTS
    with pytest.raises(CorruptLog):
        verify(store, Head(Position(0), "0" * 63 + "1"))


def test_a_payload_that_is_blanked_leaves_the_rest_of_the_chain_whole(store: SqliteStore, path: Path) -> None:
    before = store.rows(Position(0), EVENTS, None, ("hash",))
    tamper(path, "UPDATE event SET data = '' WHERE position = 5")
    previous = GENESIS
    for position, head, _, digest, proof in store.links(Position(0), EVENTS):
        previous = chained(previous, head, digest)
        assert previous == proof, position
    assert store.rows(Position(0), EVENTS, None, ("hash",)) == before
    assert first_bad(store) == 5


def test_a_page_border_is_no_weak_point(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "PAGE_EVENTS", 5)
    assert verify(store, store.head()).events == EVENTS
    tamper(path, "UPDATE event SET schema = 2 WHERE position = 6")
    assert first_bad(store) == 6


def test_the_hash_of_a_known_event_never_changes() -> None:
    head = header(1, "0" * 32, "publish-one", 1, "test.noted", 1, 10, 20, '{"user":"ada"}')
    assert head == b'00000000000000000000000000000000\npublish-one\ntest.noted\n{"user":"ada"}\n1 1 1 10 20\n'
    digest = chain.sha256(b'{"n":1}').digest()
    assert chained(GENESIS, head, digest).hex() == KNOWN


KNOWN = "593b0aa69fed4fda92bfd5beaba4f37327d7165c9667cddc47092a6dc47bb541"

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=5)
HEADERS = st.tuples(
    st.integers(1, 9), TEXTS, TEXTS, st.integers(1, 9), TEXTS, st.integers(1, 9), st.integers(0, 9),
    st.integers(0, 9), TEXTS,
)  # fmt: skip


@settings(deadline=None)
@given(HEADERS, HEADERS)
def test_two_headers_are_equal_only_for_equal_fields(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    encode: Callable[..., bytes] = header
    assert (encode(*one) == encode(*other)) == (one == other)
