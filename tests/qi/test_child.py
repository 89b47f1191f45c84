"""Actors in processes of their own: noise, kills, orphans."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mesh_actors as a
import psutil
import pytest

from qi import context
from qi.bus import Bus, Credentials
from qi.child import InProcess
from qi.context import STUDIO
from qi.errors import DeadlineExceeded, QiError
from qi.supervisor import Spec, Supervisor
from qi.testing.mesh import Mesh, eventually
from qi.testing.processes import has_ended

HERE = Path(__file__).parent
ECHO = Spec("echo", "mesh_actors:Echo", where="process")
STOP_LIMIT_S = HANGS_S = 20.0


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the actors of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def bus(mesh: Mesh) -> Bus:
    return mesh.bus()


@pytest.fixture
def supervisor(mesh: Mesh, bus: Bus) -> Iterator[Supervisor]:
    made = Supervisor(bus, lambda spec: InProcess(spec, mesh.broker.service, STUDIO))
    made.watch()
    yield made
    made.stop()


def test_callers_cannot_tell_a_process_from_a_thread(supervisor: Supervisor, bus: Bus) -> None:
    supervisor.start_child(ECHO)
    assert bus.request(a.Say(text="x")).text == "x"
    assert int(bus.request(a.Where()).text) != os.getpid()
    supervisor.stop_child("echo")


def test_a_killed_process_is_started_again(supervisor: Supervisor, bus: Bus) -> None:
    supervisor.start_child(ECHO)
    first = int(bus.request(a.Where()).text)
    descriptors = psutil.Process().num_fds()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.states()[0].restarts == 1 and supervisor.states()[0].state == "running")
    second = int(bus.request(a.Where()).text)
    assert second != first
    assert has_ended(first)
    eventually(lambda: psutil.Process().num_fds() <= descriptors, what="no descriptor of the dead child left")


def test_ten_hops_through_processes_draw_one_tree(supervisor: Supervisor, bus: Bus) -> None:
    for number in range(10):
        where = "process" if number in (3, 9) else "thread"
        supervisor.start_child(Spec(f"hop{number}", "mesh_actors:hop", {"number": number}, where=where))  # type: ignore[arg-type]
    with context.use(context.Context(trace="d" * 32, user="ada", session="s1")):
        hops = bus.request(a.Hop0(), timeout_s=8)
    assert set(hops.traces) == {"d" * 32}
    assert hops.paths[0] == tuple(f"hop{n}" for n in range(10))
    assert len(set(hops.pids)) == 3
    left = list(reversed(hops.remaining_ms))
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0


def test_what_a_child_prints_does_not_disturb_the_protocol(
    mesh: Mesh, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    child = InProcess(Spec("noisy", "mesh_actors:Noisy", where="process"), mesh.broker.service, STUDIO)
    try:
        # More than a pipe holds, by the actor and by a program it runs.
        assert bus.request(a.Misbehave(how="print"))
        assert bus.request(a.Say(text="alive")).text == "alive"
        eventually(lambda: "more noise" in caplog.text)
        assert "not the protocol" in caplog.text
    finally:
        assert child.stop(STOP_LIMIT_S)
    assert not child.alive()


def test_a_child_without_a_broker_says_so() -> None:
    with pytest.raises(QiError, match="no broker at"):
        InProcess(ECHO, Credentials("nats://127.0.0.1:1", "service", "x"), STUDIO)


def test_a_child_that_dies_while_it_starts_is_learnt(mesh: Mesh) -> None:
    with pytest.raises(DeadlineExceeded, match="ended or hung while it started"):
        InProcess(
            Spec("echo", "mesh_actors:Echo", where="process", environment={"PYTHONHOME": "/nowhere"}),
            mesh.broker.service,
            STUDIO,
        )


def test_no_password_stands_in_a_command_line_or_an_environment(mesh: Mesh) -> None:
    child = InProcess(ECHO, mesh.broker.service, STUDIO)
    try:
        process = psutil.Process(child.pid)
        told = [*process.cmdline(), *process.environ().values()]
        assert not any(mesh.broker.service.password in each for each in told)
    finally:
        child.stop(STOP_LIMIT_S)


@pytest.mark.parametrize("mood", ["idle", "hangs"])
def test_a_child_ends_with_its_parent_even_when_that_is_killed(mood: str) -> None:
    command = [sys.executable, HERE / "supervised_parent.py", mood]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        guard, child = psutil.Process(told["guard"]), psutil.Process(told["child"])
        (server,) = guard.children()
        parent.kill()
        parent.wait()
        # Before what it hangs in lets it go.
        eventually(lambda: has_ended(child.pid), within_s=HANGS_S, what="the end of the child")
        eventually(lambda: has_ended(server.pid), what="the end of the broker")
        eventually(lambda: has_ended(guard.pid), what="the end of the guard")


def test_a_child_that_does_not_stop_is_killed(mesh: Mesh, bus: Bus) -> None:
    child = InProcess(ECHO, mesh.broker.service, STUDIO)
    entered: list[str] = []
    bus.subscribe("qi.feed.test.entered", lambda msg: entered.append(msg.subject))
    bus.ask(a.Wait(), timeout_s=30)
    eventually(lambda: entered, what="the child at work")
    assert child.stop(0.2) is False
    assert has_ended(child.pid)
