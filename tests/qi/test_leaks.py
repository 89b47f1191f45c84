"""A hundred times made and closed: no thread, no descriptor, no process and no file is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mesh_actors as a
import psutil
import pykka
import pytest

from events.record import NewEvent, stream_name
from events.sqlite import SqliteReader, SqliteStore
from events.state import StateDb
from events.store import Append
from events.views import Views
from events.writer import Writer
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.checked import Checked
from qi.contracts.studio import GetStatus
from qi.session.participant import Participant
from qi.supervisor import Spec, Supervisor
from qi.testing.mesh import Mesh, eventually

CYCLES = 100
STUDIOS = 5
WARM = 3
"""What is made once and kept (pools, caches, the selector of a thread) comes with the first few."""


@dataclass(frozen=True)
class Held:
    """What this process holds on to."""

    threads: int
    descriptors: int
    children: int
    actors: int
    files: frozenset[str]


def held(folder: Path) -> Held:
    gc.collect()
    here = psutil.Process()
    names = frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Held(
        threading.active_count(), here.num_fds(), len(here.children(recursive=True)),
        len(pykka.ActorRegistry.get_all()), names,
    )  # fmt: skip


def nothing_is_left(folder: Path, cycle: Callable[[], None], cycles: int = CYCLES) -> None:
    for _ in range(WARM):
        cycle()
    before = held(folder)
    for _ in range(cycles):
        cycle()
    # What leaks with every cycle is there `cycles` times; a single thread or descriptor of something else in this
    # process (another test's connection that is still closing) may come and go.
    most = before.threads + cycles // 3, before.descriptors + cycles // 3

    def is_over() -> bool:
        now = held(folder)
        return now.threads <= most[0] and now.descriptors <= most[1]

    eventually(is_over, what="the end of all threads and descriptors")
    now = held(folder)
    # Of what was there before, something may have ended.
    assert now.children <= before.children
    assert now.actors <= before.actors
    assert now.files == before.files


def test_the_log_and_its_neighbours(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()

    def cycle() -> None:
        store, state = SqliteStore(tmp_path / "events.db"), StateDb(tmp_path / "state.db")
        writer = Writer(store, keys)
        writer.append([Append((NewEvent(stream_name("bench", "x"), "bench.noted", {"n": 1}),))])
        with SqliteReader(tmp_path / "events.db") as reader:
            assert reader.head().position > 0
        views = Views(tmp_path / "views.db")
        views.close()
        state.close()
        writer.close()

    nothing_is_left(tmp_path, cycle)


def test_a_bus_that_asks(mesh: Mesh, tmp_path: Path) -> None:
    mesh.start(a.Echo)

    def cycle() -> None:
        bus = mesh.bus("s1")
        assert bus.request(a.Say(text="x")).text == "x"
        mesh._buses.remove(bus)
        bus.stop()

    nothing_is_left(tmp_path, cycle)


def test_an_actor_that_serves(mesh: Mesh, tmp_path: Path) -> None:
    bus = mesh.bus()
    supervisor = Supervisor(bus, lambda spec: pytest.fail(f"{spec.name} needs no process"))

    def cycle() -> None:
        supervisor.start_child(Spec("echo", "mesh_actors:Echo"))
        assert bus.request(a.Say(text="x")).text == "x"
        supervisor.stop_child("echo")

    nothing_is_left(tmp_path, cycle)


def test_a_whole_studio_with_a_participant(tmp_path: Path) -> None:
    """Fewer, because each has a broker, seventeen services and four databases."""
    config = read_launch_config(home=tmp_path / "home")

    def cycle() -> None:
        studio = Studio(config)
        studio.start()
        try:
            connection = studio.home.connection()
            assert connection is not None
            participant = Participant(connection.credentials, kind="cli", codec=Checked(), home=studio.home)
            participant.join()
            assert participant.bus.request(GetStatus()).stage == "ready"
            participant.leave()
        finally:
            studio.stop()

    nothing_is_left(tmp_path, cycle, STUDIOS)
