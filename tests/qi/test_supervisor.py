"""Actors die in every way there is; the supervisor learns of it and does what it should."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mesh_actors as a
import pytest

from qi.bus import Bus
from qi.child import InProcess
from qi.context import STUDIO
from qi.contracts.studio import ChildInfo
from qi.errors import Conflict, NotFound, QiError, Unavailable
from qi.supervisor import Spec, Supervisor, resolve
from qi.testing.mesh import Mesh, eventually

ECHO = Spec("echo", "mesh_actors:Echo")
LIMIT_S = 30.0


class Family:
    """A supervisor on a mesh, and its studio's bus."""

    def __init__(self, mesh: Mesh) -> None:
        self.bus: Bus = mesh.bus()
        self.supervisor = Supervisor(
            self.bus, lambda spec: InProcess(spec, mesh.broker.service, STUDIO), ping_every_s=0.05, hang_after_s=2.0
        )

    def state(self, name: str = "echo") -> ChildInfo:
        return next(state for state in self.supervisor.states() if state.name == name)

    def echo(self) -> a.Echo:
        running = self.supervisor._children["echo"].running
        return running._actor  # type: ignore[union-attr,return-value]

    def breaks(self, how: str) -> None:
        with pytest.raises(QiError):
            self.bus.request(a.Misbehave(how=how))


@pytest.fixture
def family(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    monkeypatch.setattr("qi.supervisor.BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr("qi.supervisor.SWEEP_EVERY_S", 0.01)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # children find the actors of the tests
    made = Family(mesh)
    made.supervisor.watch()
    yield made
    made.supervisor.stop()


def test_a_child_serves_when_its_start_returns(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    assert family.bus.request(a.Say(text="x")).text == "x"
    assert family.state() == ChildInfo(name="echo", where="thread", state="running", restarts=0, last_error="")


def test_a_child_has_the_name_of_its_spec(family: Family) -> None:
    family.supervisor.start_child(Spec("other", "mesh_actors:Echo"))
    assert family.supervisor._children["other"].running._actor.name == "other"  # type: ignore[union-attr]
    assert a.Echo.name == "echo"


def test_a_name_is_given_once(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    with pytest.raises(Conflict):
        family.supervisor.start_child(ECHO)
    assert family.bus.request(a.Say(text="x")).text == "x"


def test_a_target_may_be_a_function_of_the_options(family: Family) -> None:
    family.supervisor.start_child(Spec("hop9", "mesh_actors:hop", {"number": 9}))
    assert family.bus.request(a.HOPS[9]()).paths == (("hop9",),)


@pytest.mark.parametrize("target", ["mesh_actors:Nothing", "no_such_module:Echo", "mesh_actors"])
def test_a_target_that_is_not_there_is_named(target: str) -> None:
    with pytest.raises(QiError, match=f"there is no '{target}'"):
        resolve(target, {})


@pytest.mark.parametrize("where", ["thread", "process"])
def test_a_start_that_raises_is_told_and_not_watched(family: Family, where: str) -> None:
    with pytest.raises(Conflict) as caught:
        family.supervisor.start_child(Spec("no_start", "mesh_actors:NoStart", where=where))  # type: ignore[arg-type]
    assert (caught.value.message, caught.value.remedy) == ("there is one already", "stop it")
    assert caught.value.data == {"other": "here"}
    assert family.supervisor.states() == []


@pytest.mark.parametrize("where", ["thread", "process"])
def test_an_exit_at_the_start_stops_nobody_else(family: Family, where: str) -> None:
    family.supervisor.start_child(ECHO)
    with pytest.raises(Exception, match="gave up at its start"):
        family.supervisor.start_child(Spec("no_start", "mesh_actors:NoStart", {"how": "exit"}, where=where))  # type: ignore[arg-type]
    assert family.bus.request(a.Say(text="x")).text == "x"


def test_a_dead_child_is_started_again(family: Family) -> None:
    told: list[str] = []
    family.bus.subscribe(
        "qi.feed.actor.echo", lambda msg: told.append(family.bus.codec.decode(ChildInfo, msg.data).state)
    )
    family.supervisor.start_child(ECHO)
    first = family.echo()
    family.breaks("fatal")
    assert family.bus.request(a.Say(text="again", command="c1")).text == "again"
    eventually(lambda: family.state().state == "running")
    eventually(lambda: told == ["running", "restarting", "starting", "running"])
    assert family.state().restarts == 1
    assert family.state().last_error == "it died"
    assert family.echo() is not first


def test_a_temporary_child_is_not_started_again(family: Family) -> None:
    family.supervisor.start_child(Spec("echo", "mesh_actors:Echo", restart="temporary"))
    family.breaks("fatal")
    eventually(lambda: family.state().state == "stopped")
    with pytest.raises(Unavailable):
        family.bus.request(a.Say())


def test_five_deaths_in_a_minute_are_enough(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    for death in range(5):
        eventually(lambda: family.state().state == "running")
        family.breaks("fatal")
        eventually(lambda: family.state().restarts > death or family.state().state == "degraded")  # noqa: B023 - at once
    eventually(lambda: family.state().state == "degraded")
    assert family.state().restarts == 4
    family.supervisor.restart_child("echo")
    assert family.bus.request(a.Say(text="back", command="c1")).text == "back"
    eventually(lambda: family.state().state == "running")


def test_deaths_of_long_ago_do_not_count(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qi.supervisor.INTENSITY_WINDOW_S", 0.0)
    family.supervisor.start_child(ECHO)
    for death in range(6):
        eventually(lambda: family.state().state == "running")
        family.breaks("fatal")
        eventually(lambda: family.state().restarts > death)  # noqa: B023 - called at once
    eventually(lambda: family.state().state == "running")


def test_pauses_between_starts_grow(family: Family, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("qi.supervisor.BACKOFF_FIRST_S", 0.02)
    marker = tmp_path / "marker"
    family.supervisor.start_child(Spec("flaky", "mesh_actors:FlakyStart", {"marker": str(marker)}))
    marker.touch()
    began = time.monotonic()
    family.breaks("fatal")
    eventually(lambda: family.state("flaky").state == "degraded")
    # Half of 20 + 40 + 80 + 160 ms at least.
    assert time.monotonic() - began >= 0.15
    assert family.state("flaky").last_error == "its start failed: the marker is there"
    marker.unlink()
    family.supervisor.restart_child("flaky")
    eventually(lambda: family.state("flaky").state == "running")


def test_a_hang_is_learnt_and_the_hung_thread_left_behind(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    hung = family.echo()
    family.bus.ask(a.Wait(), timeout_s=30)
    assert hung.entered.wait(LIMIT_S)
    eventually(lambda: family.state().restarts == 1)
    assert family.state().last_error == "it answered no ping for 2 s"
    assert family.supervisor.left_behind == 1
    assert family.bus.request(a.Say(text="x", command="c1")).text == "x"
    # Should it come back, it ends by itself.
    hung.go_on.set()
    eventually(hung.actor_stopped.is_set)


def test_a_busy_child_that_answers_its_pings_is_left_alone(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        family.bus.request(a.Say(text="x"))
    assert family.state() == ChildInfo(name="echo", where="thread", state="running", restarts=0, last_error="")


def test_without_a_broker_nobody_is_taken_for_hung() -> None:
    with Mesh() as mesh:
        family = Family(mesh)
        family.supervisor.start_child(ECHO)
        family.supervisor.watch()
        try:
            mesh.broker.stop()
            eventually(lambda: not family.bus.connected)
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > 2.5)
            assert family.state().state == "running"
        finally:
            family.supervisor.stop()


def test_restarting_what_is_not_there_is_an_error(family: Family) -> None:
    with pytest.raises(NotFound):
        family.supervisor.restart_child("nobody")


def test_a_stopped_child_stays_stopped(family: Family) -> None:
    family.supervisor.start_child(ECHO)
    family.supervisor.stop_child("echo")
    assert family.supervisor.states() == []
    with pytest.raises(Unavailable):
        family.bus.request(a.Say())


def test_children_stop_in_reverse_order(mesh: Mesh) -> None:
    family = Family(mesh)
    ended: list[str] = []
    for name, target in (("echo", "Echo"), ("grouping", "Grouping"), ("listener", "Listener")):
        family.supervisor.start_child(Spec(name, f"mesh_actors:{target}"))
        actor = family.supervisor._children[name].running._actor  # type: ignore[union-attr]
        actor.teardown = lambda name=name: ended.append(name)
    family.supervisor.stop()
    assert ended == ["listener", "grouping", "echo"]


def test_a_child_that_does_not_stop_is_left_behind(mesh: Mesh) -> None:
    family = Family(mesh)
    family.supervisor.start_child(ECHO)
    echo = family.echo()
    family.bus.ask(a.Wait())
    assert echo.entered.wait(LIMIT_S)
    began = time.monotonic()
    family.supervisor.stop(timeout_s=0.2)
    assert time.monotonic() - began < LIMIT_S
    assert family.supervisor.left_behind == 1
    echo.go_on.set()
    eventually(echo.actor_stopped.is_set)


def test_the_states_are_told_while_a_child_starts(family: Family, tmp_path: Path) -> None:
    """A start may ask, over the mesh, what the supervisor knows."""
    gate = threading.Event()
    entered = threading.Event()

    class SlowStart(a.Echo):
        def setup(self) -> None:
            entered.set()
            assert gate.wait(LIMIT_S)

    a.SlowStart = SlowStart  # type: ignore[attr-defined]
    starting = threading.Thread(target=family.supervisor.start_child, args=(Spec("slow", "mesh_actors:SlowStart"),))
    starting.start()
    assert entered.wait(LIMIT_S)
    assert family.state("slow").state == "starting"
    gate.set()
    starting.join(LIMIT_S)
    assert family.state("slow").state == "running"
