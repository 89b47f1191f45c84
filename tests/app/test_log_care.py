"""Care of a studio's log: a damaged one is refused and repaired, a backup is drilled, nothing is overwritten."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.ids import new_id
from events.record import Position
from events.sqlite import SqliteReader
from events.state import StateDb
from qi.app.cli.main import main
from qi.contracts.log import BackupLog, BackupProgress, VerifyLog
from qi.contracts.publish import ListPublishes
from qi.contracts.settings import GetSettings, PatchSettings, Setting
from qi.errors import CorruptLog
from qi.home import Home
from qi.testing.fixtures import Said
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio

TIMEOUT = "qi.publish.plugin_timeout_s"
LOAD_EVENTS = 40
LIMIT_S = 60.0

Command = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one `qi` command on the home of this test."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(["--home", str(home), *arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def patch(studio: RunningStudio, value: int) -> int:
    """One event; returns its position."""
    change = PatchSettings(scope="user", settings=(Setting(path=TIMEOUT, value=value),), command=new_id())
    return studio.bus.request(change).position


def flip(path: Path, marker: bytes) -> None:
    """One bit of the first place in the file that holds `marker`."""
    content = bytearray(path.read_bytes())
    content[content.index(marker) + len(marker) // 2] ^= 1
    path.write_bytes(content)


def checkpointed(path: Path) -> None:
    """All of the log in the one file."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_backup_under_load_restores_what_was_published(
    home: Path, tmp_path: Path, frames: str, command: Command
) -> None:
    copy = tmp_path / "copy.db"
    failures: list[BaseException] = []
    busy, stop = threading.Event(), threading.Event()
    with start_studio(home) as studio:
        shot = studio.given_project()
        first = studio.publish(shot, [frames])
        assert studio.finished(first).state == "succeeded"

        def load() -> None:
            try:
                n = 0
                while not stop.is_set() or n < LOAD_EVENTS:
                    patch(studio, 100 + n % 50)
                    n += 1
                    if n == LOAD_EVENTS // 2:
                        busy.set()
            except BaseException as error:  # noqa: BLE001 - handed to the test's thread
                failures.append(error)
                busy.set()

        writer = threading.Thread(target=load)
        writer.start()
        assert busy.wait(LIMIT_S)
        told: list[BackupProgress] = []
        feed = f"qi.feed.backup.{studio.bus.session}"
        studio.bus.subscribe(feed, lambda msg: told.append(studio.bus.codec.decode(BackupProgress, msg.data)))
        made = studio.bus.request(BackupLog(path=str(copy)))
        eventually(lambda: told and told[-1] == BackupProgress(stage="proving", share=1.0))
        stop.set()
        writer.join(LIMIT_S)
        assert not writer.is_alive()
        assert failures == []
        second = studio.publish(shot, [frames])
        assert studio.finished(second).version == 2
        last = studio.bus.request(VerifyLog()).events
        with SqliteReader(copy) as reader:
            assert reader.head().position == made.events < last
            assert reader.read(Position(0), last) == studio.events()[: made.events]

    with closing(StateDb(Home(home).addon_state("teller"))) as state:
        state.save_checkpoint("told", Position(last))

    adopted = command("log", "adopt", str(copy), "--reason", "a drill", "--json")
    assert adopted.code == 0, adopted.err
    told = adopted.json
    assert told["events"] == made.events
    assert told["lost"] >= last - made.events
    assert told["position"] == made.events + 1
    with closing(StateDb(Home(home).addon_state("teller"))) as state:
        assert state.checkpoint("told") == made.events
    with SqliteReader(Path(told["before"])) as before:
        assert before.head().position >= last, "the log before it is kept whole"

    with start_studio(home) as studio:
        assert [one.publish for one in studio.bus.request(ListPublishes()).publishes] == [first]
        assert studio.shown(first).state == "succeeded"
        (event,) = studio.events(type="log.adopted")
        assert (event.position, event.data["reason"]) == (made.events + 1, "a drill")
        assert event.data["before"] == Path(told["before"]).name
        # The second version is on the disk still: its number is not given out again.
        third = studio.publish(shot, [frames])
        assert studio.finished(third).version == 3
        proof = studio.bus.request(VerifyLog())
        assert proof.events > made.events + 1


def test_a_flipped_bit_is_found_repaired_and_adopted(home: Path, tmp_path: Path, command: Command) -> None:
    with start_studio(home) as studio:
        for value in (111, 122):
            patch(studio, value)
        bad = patch(studio, 133)
        damaged_id = next(event.id for event in studio.events() if event.position == bad)
        patch(studio, 144)
    log = home / "events.db"
    checkpointed(log)
    with SqliteReader(log) as reader:
        kept = reader.read(Position(0), bad - 1)
        stream = reader.at(Position(bad)).stream
    flip(log, f"{damaged_id}{stream}".encode())
    damaged = log.read_bytes()

    verified = command("log", "verify")
    assert verified.code == 1
    assert f"event {bad}" in verified.err
    assert "qi log repair" in verified.err
    checkpointed(log)
    assert log.read_bytes() == damaged

    new = tmp_path / "good.db"
    done = command("log", "repair", str(new), "--json")
    assert done.code == 0, done.err
    assert (done.json["events"], done.json["first_bad"]) == (bad - 1, bad)
    assert log.read_bytes() == damaged
    with SqliteReader(new) as reader:
        assert reader.read(Position(0), bad) == kept
    again = command("log", "repair", str(new))
    assert (again.code, new.exists()) == (4, True)

    assert command("log", "adopt", str(log), "--reason", "no").code == 1, "what is damaged is not adopted"
    assert log.read_bytes() == damaged
    assert command("log", "adopt", str(new), "--reason", " ").code == 2
    adopted = command("log", "adopt", str(new), "--reason", "a bad disk")
    assert adopted.code == 0, adopted.err
    (before,) = home.glob("events.db.before-*[0-9]Z")
    assert before.read_bytes() == damaged
    with start_studio(home) as studio:
        assert studio.bus.request(VerifyLog()).events >= bad
        assert studio.events(after=bad - 1, limit=1)[0].type == "log.adopted"
        assert patch(studio, 155) > bad


@pytest.mark.parametrize("damage", ["truncated", "tail", "foreign", "newer"])
def test_a_studio_does_not_start_on_a_log_that_is_not_the_one_it_left(home: Path, damage: str) -> None:
    with start_studio(home) as studio:
        last = [patch(studio, 110 + n) for n in range(20)][-1]
    log = home / "events.db"
    checkpointed(log)
    if damage == "truncated":
        os.truncate(log, log.stat().st_size * 2 // 3)
    else:
        with closing(sqlite3.connect(log, isolation_level=None)) as db:
            if damage == "foreign":
                db.execute("PRAGMA application_id = 7")
            elif damage == "newer":
                db.execute("PRAGMA user_version = 99")
            else:
                triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
                for name, _ in triggers:
                    db.execute(f"DROP TRIGGER {name}")
                db.execute("DELETE FROM event WHERE position >= ?", (last,))
                for _, sql in triggers:
                    db.execute(sql)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = log.read_bytes()
    words = {"truncated": "damaged", "tail": "cut off", "foreign": "not a Qi log", "newer": "newer Qi"}
    with pytest.raises(Exception, match=words[damage]) as caught, start_studio(home):
        pass
    if damage == "tail":
        assert isinstance(caught.value, CorruptLog)
        assert caught.value.data["position"] == last
    assert log.read_bytes() == before


def test_a_running_studio_keeps_its_log_to_itself(home: Path, tmp_path: Path, command: Command) -> None:
    with start_studio(home) as studio:
        copy = tmp_path / "copy.db"
        studio.bus.request(BackupLog(path=str(copy)))
        for verb in (["repair", str(tmp_path / "new.db")], ["adopt", str(copy), "--reason", "x"]):
            said = command("log", *verb)
            assert (said.code, "qi stop" in said.err) == (4, True)
        named = command("log", "repair", str(tmp_path / "new.db"), "--log", str(home / "events.db"))
        assert named.code == 4, "naming the file of a running studio is no way around"
        other = command("log", "repair", str(tmp_path / "new.db"), "--log", str(copy))
        assert other.code == 0, other.err


def test_a_log_without_its_signed_head_is_adopted_as_it_stands(home: Path, command: Command) -> None:
    with start_studio(home) as studio:
        patch(studio, 111)
    (home / "keys" / "head.json").unlink()
    with pytest.raises(CorruptLog, match="is gone"), start_studio(home):
        pass
    said = command("log", "adopt", str(home / "events.db"), "--reason", "the key was lost")
    assert said.code == 0, said.err
    with start_studio(home) as studio:
        assert studio.events(type="log.adopted")[0].data["lost"] == 0


def test_an_adoption_that_is_killed_leaves_a_home_that_waits_for_it(
    home: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.db"
    with start_studio(home) as studio:
        studio.bus.request(BackupLog(path=str(copy)))
        last = patch(studio, 111)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    # The last instant at which the log in use is the one before still.
    monkeypatch.setattr("events.adoption._change_places", killed)
    assert command("log", "adopt", str(copy), "--reason", "a drill").code == 130
    monkeypatch.undo()
    with pytest.raises(CorruptLog), start_studio(home):
        pass
    with SqliteReader(home / "events.db") as reader:
        assert reader.head().position >= last
    assert command("log", "adopt", str(copy), "--reason", "a drill").code == 0
    with start_studio(home) as studio:
        assert len(studio.events(type="log.adopted")) == 1
    assert json.loads((home / "keys" / "head.json").read_text())["position"] > 1


def test_a_secret_that_leaked_into_a_setting_is_blanked(home: Path, command: Command) -> None:
    with start_studio(home) as studio:
        where = "media.colour_space"
        before = studio.bus.request(GetSettings(path=where)).values[where]
        change = PatchSettings(scope="user", settings=(Setting(path=where, value="hunter2"),), command=new_id())
        leaked = studio.bus.request(change).position
        studio.bus.request(PatchSettings(scope="user", unset=(where,), command=new_id()))
        refused = command("log", "redact", str(leaked), "--reason", "it leaked", "--yes")
        assert (refused.code, "a studio runs" in refused.err) == (4, True)
    done = command("log", "redact", str(leaked), "--reason", "it leaked", "--yes")
    assert done.code == 0, done.err
    assert "new blanked" in done.out
    more = ("--field", "old", "--reason", "it too", "--yes", "--json")
    assert command("log", "redact", str(leaked + 1), *more).code == 0
    for path in home.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    assert command("log", "verify").code == 0
    with start_studio(home) as studio:
        assert studio.bus.request(GetSettings(path=where)).values[where] == before
        assert [event.data["reason"] for event in studio.events(type="log.redacted")] == ["it leaked", "it too"]
        studio.bus.request(VerifyLog())
