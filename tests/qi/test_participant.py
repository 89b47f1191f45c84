"""Joining a mesh, beating, leaving; and what it may be joined with."""

import os
import subprocess
import sys
import threading
from importlib.metadata import distribution
from pathlib import Path

import pytest

from qi.actor import Actor, handles
from qi.bus import Bus, Credentials
from qi.contracts.session import Beat, EndSession, Heard, NewerBundle, OpenSession, SessionInfo
from qi.errors import Forbidden, Unauthenticated, Unavailable
from qi.messages import Done
from qi.session.participant import Participant
from qi.testing.mesh import Mesh, eventually

ROOT = Path(__file__).resolve().parents[2]
PURE = ("nats-py", "pykka", "pyblish-base")


class Register(Actor):
    """Stands in for the sessions service: opens, counts beats, forgets."""

    name = "sessions"

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.opened: list[OpenSession] = []
        self.beats = 0
        self.ended = 0
        self.known = False
        self.production: NewerBundle | None = None
        self.closed = threading.Event()

    @handles(OpenSession)
    def open(self, message: OpenSession) -> SessionInfo:
        if message.kind == "refused":
            raise Forbidden("nobody of that kind")
        self.opened.append(message)
        self.known = True
        return SessionInfo(
            id="s1", kind=message.kind, user="ada", host=message.host, pid=message.pid, bundle=message.bundle
        )  # fmt: skip

    @handles(Beat)
    def beat(self, _: Beat) -> Heard:
        if not self.known:
            raise Unauthenticated("no such session")
        self.beats += 1
        return Heard(production=self.production)

    @handles(EndSession)
    def end(self, _: EndSession) -> Done:
        self.ended += 1
        return Done()


def test_a_participant_opens_beats_and_ends_its_session(mesh: Mesh) -> None:
    register = mesh.start(Register)
    before = threading.enumerate()
    one = Participant(mesh.credentials, kind="cli", beat_every_s=0.02)
    info = one.join()
    assert info is not None
    assert (info.kind, info.pid, register.opened[0].host) == ("cli", os.getpid(), one.host)
    eventually(lambda: register.beats >= 2)
    assert one.detached is False
    one.leave()
    one.leave()
    assert register.ended == 1
    assert not any(thread.name == "qi-beat" for thread in threading.enumerate() if thread not in before)


def test_a_newer_bundle_of_which_nobody_heard_is_told_by_the_next_beat_and_once(mesh: Mesh) -> None:
    """No announcement comes in here: each was lost, or came twice."""
    register = mesh.start(Register)
    told: list[str] = []

    def production(bundle: str) -> None:
        register.production = NewerBundle(bundle=bundle, name=bundle, digest="", by="ada", reason="")
        beats = register.beats
        eventually(lambda: register.beats >= beats + 3)

    one = Participant(
        mesh.credentials, kind="dcc", beat_every_s=0.02, bundle="b1", on_newer_bundle=lambda now: told.append(now.name)
    )  # fmt: skip
    one.join()
    production("b0")  # as it was when it joined, with a bundle of its own choice
    assert told == []
    production("b2")
    register.known = False  # the studio was started anew
    eventually(lambda: len(register.opened) == 2)
    production("b2")
    assert told == ["b2"]
    production("b1")  # its own: nothing newer
    production("b2")
    assert told == ["b2", "b2"]
    one.leave()


def test_who_is_refused_leaves_no_connection(mesh: Mesh) -> None:
    mesh.start(Register)
    one = Participant(mesh.credentials, kind="refused")
    with pytest.raises(Forbidden):
        one.join()
    assert not one.bus._thread.is_alive()


def test_a_worker_comes_with_its_session(mesh: Mesh) -> None:
    register = mesh.start(Register)
    register.known = True
    one = Participant(mesh.credentials, kind="worker", session="s9", beat_every_s=0.02)
    assert one.join() is None
    eventually(lambda: register.beats)
    assert (one.session, register.opened) == ("s9", [])
    one.leave()


def test_a_session_that_was_forgotten_is_opened_again(mesh: Mesh) -> None:
    register = mesh.start(Register)
    one = Participant(mesh.credentials, kind="dcc", beat_every_s=0.02)
    one.join()
    register.known = False
    eventually(lambda: len(register.opened) == 2)
    one.leave()


def test_without_a_studio_a_participant_is_detached_and_rejoins(mesh: Mesh) -> None:
    register = mesh.start(Register)
    one = Participant(mesh.credentials, kind="dcc", beat_every_s=0.02)
    one.join()
    register.actor_ref.stop()
    eventually(lambda: one.detached)
    again = mesh.start(Register)
    eventually(lambda: again.opened and again.beats and not one.detached)
    one.leave()


def test_nobody_joins_without_a_broker() -> None:
    with pytest.raises(Unavailable):
        Participant(Credentials("nats://127.0.0.1:1"), kind="cli").join()


def pure_folder(folder: Path) -> Path:
    """The three pure packages that a DCC has beside Qi, and nothing else."""
    for name in PURE:
        found = distribution(name)
        for entry in {file.parts[0] for file in found.files or ()} - {"..", "tests"}:
            (folder / entry).symlink_to(Path(str(found.locate_file(entry))))
    return folder


def test_the_part_for_foreign_interpreters_needs_nothing_compiled(tmp_path: Path) -> None:
    modules = ["qi.session", "qi.session.participant", "qi.session.publishing", "qi.bus", "qi.actor", "qi.plugin"]
    modules += [f"qi.contracts.{file.stem}" for file in (ROOT / "qi/contracts").glob("*.py") if file.stem != "__init__"]
    program = f"""
import sys, importlib
sys.path[:0] = [{str(ROOT)!r}, {str(pure_folder(tmp_path))!r}]
for name in {modules!r}:
    importlib.import_module(name)
foreign = ("pydantic", "msgspec", "blake3", "uvloop", "numpy", "psutil", "structlog", "typer")
print([name for name in foreign if name in sys.modules])
"""
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", program], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"


def test_a_bare_interpreter_joins_and_asks(mesh: Mesh, tmp_path: Path) -> None:
    mesh.start(Register)
    program = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(pure_folder(tmp_path))!r}]
from qi.bus import Credentials
from qi.session.participant import Participant
url, token = sys.stdin.readline().split()
one = Participant(Credentials(url, password=token), kind="dcc")
print(one.join().user)
one.leave()
"""
    given = mesh.credentials
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", program],
        input=f"{given.url} {given.password}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.stdout.strip() == "ada", told.stderr
