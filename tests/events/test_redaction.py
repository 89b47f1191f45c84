"""Redaction: what was blanked is gone, the chain still proves the rest, and nothing that is decided rests on it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from events import logfile, settings
from events.adoption import adopt
from events.blobs import Blobs
from events.catalog import Decoders, encode_change
from events.chain import verify
from events.decider import COLUMNS, Known
from events.errors import Busy, CorruptLog, Invalid, NotFound
from events.head import HeadFile
from events.publish_events import PublishFailed, StepRecord, StepsRecorded
from events.record import Change, Meta, Position, stream_name
from events.redaction import Redacted, redact
from events.repair import repair
from events.settings import Scope, SettingsChanged
from events.sqlite import SqliteReader, SqliteStore
from events.store import Append
from events.users import UserAdded

SECRET = "hunter2-of-the-render-farm"
SETTINGS = stream_name("settings", "project_p1")
PUBLISH = stream_name("publish", "x1")


def changed(path: str, old: Any, new: Any) -> Change:
    event = SettingsChanged(
        addon="farm", path=(path,), was_set=old is not None, old=old, is_set=True, new=new, reason="", schema="1.0.0"
    )
    return Change(SETTINGS, event)


class Home:
    """A log with a secret in a setting at 2 and 3, and in a publish at 5 and 6."""

    def __init__(self, root: Path) -> None:
        self.root, self.log, self.keys = root, root / "events.db", root / "keys"
        self.blobs = Blobs(root / "blobs")
        self.keys.mkdir()
        self.records = self.blobs.put(f"log: {SECRET}".encode())
        self.shared = self.blobs.put(b"a log that two steps share")
        step = StepRecord(key="k", plugin="p", instance="i", order=1, outcome="failed", duration_ms=1, message=SECRET,
                          records=self.records)  # fmt: skip
        other = StepRecord(key="k2", plugin="p", instance="i", order=1, outcome="ok", duration_ms=1, message="fine",
                           records=self.shared)  # fmt: skip
        failed = PublishFailed(
            step="k", code=500, message=f"no: {SECRET}", remedy="look", detail=self.shared
        )
        changes = [
            Change(stream_name("user", "u1"), UserAdded(name="Ada")),
            changed("password", None, SECRET),
            changed("password", SECRET, "other"),
            changed("slots", None, 4),
            Change(PUBLISH, StepsRecorded(steps=(step, other))),
            Change(PUBLISH, failed),
            *(changed(f"later{n}", None, "x" * 900) for n in range(40)),
        ]
        with closing(SqliteStore(self.log)) as store:
            for number, change in enumerate(changes):
                store.append(Append((encode_change(change),), meta=Meta(user="ada"), command=f"c{number}"))
            HeadFile(self.keys).write(store.head())

    def redact(self, position: int, *fields: str, reason: str = "it leaked") -> Redacted:
        return redact(
            self.log, self.keys, self.root / "blobs", self.root / "views.db", Position(position), fields=fields,
            reason=reason, account="root", host="here",
        )  # fmt: skip

    def data(self, position: int) -> dict[str, Any]:
        with SqliteReader(self.log) as reader:
            return reader.at(Position(position)).data

    def proved(self) -> int:
        with SqliteReader(self.log) as reader:
            return verify(reader, HeadFile(self.keys).read()).events


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_bytes_are_gone_and_the_chain_still_holds(home: Home) -> None:
    (home.root / "views.db").write_text(SECRET, "utf-8")
    before = home.proved()
    for position in (2, 3, 5, 6):
        home.redact(position)
    for path in home.root.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert home.proved() == before + 4
    assert home.data(2) | {"new": None} == home.data(2)
    assert home.data(3)["new"] is None
    assert [step["message"] for step in home.data(5)["steps"]] == ["", ""]
    assert home.data(6)["step"] == "k"
    told = home.data(before + 1)
    assert (told["position"], told["fields"], told["reason"]) == (2, ["new"], "it leaked")


def test_a_part_can_be_blanked_alone(home: Home) -> None:
    done = home.redact(6, "message")
    assert done.fields == ("message",)
    assert home.data(6)["remedy"] == "look"


def test_contents_go_with_it_unless_another_event_names_them(home: Home) -> None:
    assert home.redact(5).blobs == 1
    assert not home.blobs.has(home.records)
    assert home.blobs.has(home.shared)
    assert home.redact(6).blobs == 1
    assert not home.blobs.has(home.shared)


def test_folds_go_on_as_before(home: Home) -> None:
    home.redact(3)
    with SqliteReader(home.log) as reader:
        known = Known(settings.FOLDS)
        known.follow_rows(reader.rows(Position(0), 100, known.categories, COLUMNS), Decoders())
        scope = known.get(Scope, SETTINGS)
    assert scope is not None
    assert {path: value.value for path, value in scope.layer("farm").items() if "later" not in path[0]} == {
        ("password",): None, ("slots",): 4,
    }  # fmt: skip


def test_a_command_is_still_known(home: Home) -> None:
    home.redact(2)
    with closing(SqliteStore(home.log)) as store:
        again = store.append(
            Append((encode_change(changed("password", None, SECRET)),), meta=Meta(user="ada"), command="c1")
        )
        assert (again.first, again.repeated) == (2, True)


@pytest.mark.parametrize(
    ("position", "fields", "said"),
    [
        (1, (), "decisions rest on all of it"),
        (2, ("path",), "these may be blanked: old, new, reason"),
        (4, ("old",), "not blank already"),
    ],
)
def test_what_decisions_rest_on_stays(home: Home, position: int, fields: tuple[str, ...], said: str) -> None:
    before = home.log.read_bytes()
    with pytest.raises(Invalid, match=said):
        home.redact(position, *fields)
    assert home.log.read_bytes() == before


def test_it_needs_a_reason_and_an_event(home: Home) -> None:
    with pytest.raises(Invalid, match="reason"):
        home.redact(2, reason=" ")
    with pytest.raises(NotFound):
        home.redact(999)


def tampered(log: Path, statement: str) -> None:
    trigger = next(one for one in logfile.SCHEMA if one.startswith("CREATE TRIGGER event_never_updates"))
    with closing(apsw.Connection(str(log))) as db:
        db.execute("DROP TRIGGER event_never_updates")
        db.execute(statement)
        db.execute(trigger)


def refused_at(log: Path) -> int:
    with SqliteReader(log) as reader, pytest.raises(CorruptLog) as told:
        verify(reader)
    return int(told.value.data["position"])


def test_what_was_blanked_without_saying_so_is_damage(home: Home) -> None:
    home.redact(2)
    tampered(home.log, "UPDATE event SET data = '{}' WHERE position = 6")
    assert refused_at(home.log) == 6
    with pytest.raises(CorruptLog):
        home.redact(3)


def test_what_was_left_is_proved_too(home: Home) -> None:
    home.redact(2)
    tampered(home.log, "UPDATE event SET data = replace(data, 'farm', 'barn') WHERE position = 2")
    assert refused_at(home.log) == 2


def test_nothing_else_can_change_an_event_afterwards(home: Home) -> None:
    home.redact(2)
    with closing(apsw.Connection(str(home.log))) as db, pytest.raises(apsw.ConstraintError, match="append-only"):
        db.execute("UPDATE event SET data = '{}' WHERE position = 3")


def test_one_who_was_killed_in_between_repeats_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("events.redaction._replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.redact(2)
    home.proved()
    assert home.data(2)["new"] == SECRET
    home.redact(2)
    assert home.data(2)["new"] is None
    home.proved()


def test_a_reader_outside_keeps_the_old_bytes_and_is_named(home: Home) -> None:
    with closing(apsw.Connection(str(home.log))) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM event").fetchone()
        with pytest.raises(Busy, match="reads the log from outside"):
            home.redact(2)
    home.proved()


def test_a_backup_a_repair_and_an_adoption_keep_it_blanked(home: Home, tmp_path: Path) -> None:
    home.redact(2)
    backup, saved = tmp_path / "backup.db", tmp_path / "saved.db"
    with SqliteReader(home.log) as reader:
        reader.backup(backup)
    # The damage lies between what was blanked and the event that says so.
    tampered(home.log, "UPDATE event SET data = '{}' WHERE position = 20")
    done = repair(home.log, saved, HeadFile(home.keys).read())
    assert (done.first_bad, done.events) == (20, 20)  # 19 and the redaction, told again
    for log in (backup, saved):
        with SqliteReader(log) as reader:
            verify(reader)
            assert reader.at(Position(2)).data["new"] is None
    adopt(backup, home.log, home.keys, [tmp_path / "state.db"], reason="drill", account="root", host="here")
    home.proved()
