"""Another log in the place of a home's: nothing is lost on the way, whenever it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from events.adoption import adopt
from events.chain import verify
from events.errors import CorruptLog, Invalid
from events.head import HeadFile
from events.record import Event, Position
from events.sqlite import SqliteReader, SqliteStore
from events.state import StateDb
from qi.testing.store_contract import everything, noted, request

BACKED_UP = 10
EVENTS = 25

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")

LEFT_BEHIND = """
import os, signal, sys
from pathlib import Path
from events.head import HeadFile
from events.sqlite import SqliteStore
from qi.testing.store_contract import noted, request
home = Path(sys.argv[1])
store = SqliteStore(home / "events.db")
for n in range(int(sys.argv[2])):
    store.append(request(noted(n=n)))
store.backup(home / "copy.db")
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    store.append(request(noted(n=n)))
HeadFile(home / "keys").write(store.head())
os.kill(os.getpid(), signal.SIGKILL)
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from events.adoption import adopt
home, left = Path(sys.argv[1]), int(sys.argv[2])
def hook(name, _):
    global left
    if name in ("os.rename", "os.remove"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
adopt(home / "copy.db", home / "events.db", home / "keys", [home / "state.db"], reason="r", account="a", host="h")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose studio was killed: a backup of the first events, the last ones in the WAL only."""
    made = tmp_path / "home"
    (made / "keys").mkdir(parents=True)
    run(LEFT_BEHIND, str(made), str(BACKED_UP), str(EVENTS))
    assert (made / "events.db-wal").stat().st_size > 0
    return made


def run(source: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-c", source, *arguments], check=False, timeout=60).returncode


def adopted(home: Path) -> None:
    adopt(home / "copy.db", home / "events.db", home / "keys", [home / "state.db"], reason="r", account="a", host="h")


def events_of(path: Path) -> list[Event]:
    with SqliteReader(path) as reader:
        return everything(reader, 100)


def require_adopted(home: Path) -> None:
    with SqliteReader(home / "events.db") as reader:
        signed = HeadFile(home / "keys").read()
        assert signed is not None
        assert verify(reader, signed).events == signed.position == BACKED_UP + 1
        assert reader.at(signed.position).type == "log.adopted"


def test_the_log_before_is_kept_with_what_was_in_its_wal(home: Path) -> None:
    done = adopt(
        home / "copy.db", home / "events.db", home / "keys", [home / "state.db"], reason="r", account="ada", host="h"
    )
    assert (done.events, done.lost, done.position) == (BACKED_UP, EVENTS - BACKED_UP, BACKED_UP + 1)
    assert len(events_of(Path(done.before))) == EVENTS
    require_adopted(home)
    told = events_of(home / "events.db")[-1]
    assert told.data == {
        "reason": "r", "account": "ada", "events": BACKED_UP, "lost": EVENTS - BACKED_UP,
        "before": Path(done.before).name,
    }  # fmt: skip


def test_whoever_had_come_further_goes_back(home: Path) -> None:
    states = [home / "state.db", home / "friendly.db"]
    for path in states:
        with closing(StateDb(path)) as state:
            state.save_checkpoint("behind", Position(4))
            state.save_checkpoint("beyond", Position(EVENTS))
    adopt(home / "copy.db", home / "events.db", home / "keys", states, reason="r", account="a", host="h")
    for path in states:
        with closing(StateDb(path)) as state:
            assert (state.checkpoint("behind"), state.checkpoint("beyond")) == (4, BACKED_UP)
            state.save_checkpoint("beyond", Position(BACKED_UP + 1))


def test_a_home_without_a_log_adopts_one(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with closing(SqliteStore(tmp_path / "copy.db")) as store:
        store.append_batch([request(noted(n=n)) for n in range(BACKED_UP)])
    adopted(tmp_path)
    require_adopted(tmp_path)
    assert list(tmp_path.glob("*before*")) == []


def test_what_cannot_be_adopted_changes_nothing(home: Path) -> None:
    copy = (home / "copy.db").read_bytes()
    marker = events_of(home / "copy.db")[5].id.encode() + b"publish"
    before = {file.name: file.read_bytes() for file in home.glob("events.db*")}
    head = HeadFile(home / "keys").read()
    for content, kind in (
        (copy.replace(marker, marker[:-1] + b"k"), CorruptLog),
        (b"no database at all " * 99, Invalid),
    ):
        (home / "copy.db").write_bytes(content)
        with pytest.raises(kind):
            adopted(home)
    # A reader may have made the shared memory of the WAL anew; it holds nothing.
    assert {file.name: file.read_bytes() for file in home.glob("events.db*") if "-shm" not in file.name} == {
        name: content for name, content in before.items() if "-shm" not in name
    }
    assert HeadFile(home / "keys").read() == head


def test_a_kill_at_any_moment_leaves_the_old_log_whole_and_the_next_adoption_finishes(home: Path) -> None:
    whole = home.with_name("whole")
    home.rename(whole)
    kills = 0
    while True:
        turn = home.with_name(f"turn{kills}")
        subprocess.run(["cp", "-r", str(whole), str(turn)], check=True)
        code = run(KILLED, str(turn), str(kills))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        refused_or_whole(turn)
        adopted(turn)
        require_adopted(turn)
        kept = [len(events_of(path)) for path in turn.glob("events.db.before-*Z")]
        assert EVENTS in kept, (kills, kept)
        assert list(turn.glob("*.new*")) == []
        kills += 1
    assert kills > 5, "the kills fell between all its steps"


def refused_or_whole(home: Path) -> None:
    """What a start finds: the log as it was, the adopted one, or a home that it refuses."""
    with closing(SqliteStore(home / "events.db")) as store, suppress(CorruptLog):
        HeadFile(home / "keys").require(store)
        assert store.head().position in (EVENTS, BACKED_UP + 1)
