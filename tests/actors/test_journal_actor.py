"""The journal: one order of events, announced after it is durable, provable afterwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from events.ids import new_id
from events.record import Event
from qi.contracts.auth import AddUser, GrantRole
from qi.contracts.log import GetLogStats, VerifyLog
from qi.errors import CorruptLog
from qi.testing.studio import RunningStudio, start_studio
from qi.wire import Message


def test_every_event_is_announced_once_and_in_order_after_its_commit(studio: RunningStudio) -> None:
    heard: list[Event] = []

    def hear(message: Message) -> None:
        heard.append(msgspec.json.decode(message.data, type=Event))

    entry = studio.bus.subscribe("qi.event.user.>", hear)
    names = [f"user {new_id()[-8:]}" for _ in range(3)]
    for name in names:
        studio.bus.request(AddUser(name=name, password="correct horse", command=new_id()))
    studio.bus.request(GrantRole(name=names[0], role="lead", command=new_id()))
    studio.wait_for(lambda: len(heard) >= 7 or None, "qi.event.user.>")
    studio.bus.unsubscribe(entry)

    assert [event.position for event in heard] == sorted({event.position for event in heard})
    stored = {event.position: event for event in studio.events(category="user")}
    assert all(stored[event.position] == event for event in heard)


def test_what_was_written_survives_a_kill_and_goes_on_in_one_chain(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with start_studio(home) as studio:
        studio.bus.request(AddUser(name="ada", password="correct horse", command=new_id()))
        before = studio.events()
        studio.kill()
    with start_studio(home) as studio:
        studio.bus.request(AddUser(name="bob", password="correct horse", command=new_id()))
        after = studio.events()
        assert after[: len(before)] == before
        assert studio.bus.request(VerifyLog()).events == len(after)


def test_a_log_that_was_tampered_with_is_found_at_its_first_bad_position(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with start_studio(home) as studio:
        studio.bus.request(AddUser(name="ada", password="correct horse", command=new_id()))
        position = next(event.position for event in studio.events(type="user.added"))
    db = sqlite3.connect(home / "events.db")
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    db.execute("UPDATE event SET data = replace(data, 'ada', 'eve') WHERE position = ?", (position,))
    for _, sql in triggers:
        db.execute(sql)
    db.commit()
    db.close()
    with start_studio(home) as studio:
        with pytest.raises(CorruptLog) as told:
            studio.bus.request(VerifyLog())
        assert told.value.data["position"] == position


def test_stats_count_what_there_is(studio: RunningStudio) -> None:
    stats = studio.bus.request(GetLogStats())
    # The end of the last test's worker may be recorded at any moment.
    events = [event for event in studio.events() if event.position <= stats.head]
    assert stats.events == stats.head == len(events)
    assert [(one.name, one.position) for one in stats.projections] == [("history", stats.head)]
    assert stats.types["bundle.created"] == len([e for e in events if e.type == "bundle.created"])
