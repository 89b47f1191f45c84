"""SIGKILL of the worker, and of the studio, at every point where a publish can be cut off.

A studio plugin lets the worker stop at a point: it connects to the test, says its process id, and waits there. Nothing
else knows of the test. After the kill and a restart the disk, the tracker and the log must show the old state or the
complete new one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from events.publish_steps import AFTER_COMMIT, AFTER_EFFECT, STATES, STEPS, CrashPoint, crash_points, has_reached
from qi.contracts.db import ListProducts, ListVersions
from qi.contracts.log import VerifyLog
from qi.contracts.publish import ListFiles, PublishInfo
from qi.testing.studio import RunningStudio, Shot, start_studio

ARRIVE_LIMIT_S = 40.0

HOLD = """
    import os, socket
    import qi.worker.reporter as reporter
    from events.publish_state import MILESTONES

    TARGET, POINT, PORT, ARMED = {target!r}, {point!r}, {port}, {armed!r}
    reports = reporter.Reporter.report

    def hold():
        if os.path.exists(ARMED):
            os.unlink(ARMED)
            with socket.create_connection(("127.0.0.1", PORT)) as test:
                test.sendall(str(os.getpid()).encode() + b"\\n")
                test.recv(1)

    def report(self, *events, **more):
        reached = MILESTONES.get(type(events[0]))
        if reached == TARGET and POINT == "after_effect":
            hold()
        made = reports(self, *events, **more)
        if reached == TARGET and POINT == "after_commit":
            hold()
        return made

    class HoldHere(pyblish.api.ContextPlugin):
        order = pyblish.api.CollectorOrder - 0.4

        def process(self, context):
            reporter.Reporter.report = report
            if TARGET == "requested":
                hold()

    class FollowUp(pyblish.api.ContextPlugin):
        order = pyblish.api.IntegratorOrder

        def process(self, context):
            with open({told!r}, "a") as file:
                file.write("told\\n")
"""


@dataclass
class Held:
    """A publish whose worker waits at the point."""

    publish: str
    worker: int
    told: Path


def points(wanted: tuple[str, ...]) -> list[CrashPoint]:
    """Of every state all the points named; what is before an effect is after the commit that came before it."""
    return [point for point in crash_points() if point.point in wanted]


def name_of(point: CrashPoint) -> str:
    return f"{point.towards}-{point.point}"


@pytest.fixture
def note(tmp_path: Path) -> str:
    (tmp_path / "note.txt").write_text("hold the last frame", "utf-8")
    return str(tmp_path / "note.txt")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(ARRIVE_LIMIT_S)
        yield server


@contextlib.contextmanager
def held(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], listener: socket.socket,
    tmp_path: Path, point: CrashPoint,
) -> Iterator[Held]:  # fmt: skip
    """A publish that has come to `point`."""
    armed, told = tmp_path / "armed", tmp_path / "told.txt"
    armed.touch()
    hold = HOLD.format(
        target=point.towards, point=point.point, port=listener.getsockname()[1], armed=str(armed), told=str(told)
    )
    publish = studio.publish(shot, [note], product="notes", environment=plugins(hold, name="hold"))
    connection, _ = listener.accept()
    with connection, connection.makefile() as words:
        worker = int(words.readline())
        assert studio.shown(publish).state == point.found_in
        yield Held(publish, worker, told)


def check(studio: RunningStudio, shot: Shot, at: Held, info: PublishInfo) -> None:
    """The publish has succeeded: exactly one complete version, known everywhere, and nothing left over."""
    assert info.state == "succeeded", info.error
    assert info.version is not None
    folder = Path(str(info.path))
    files = studio.bus.request(ListFiles(publish=info.publish)).files
    assert [Path(file.path).read_text() for file in files] == ["hold the last frame"]
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [Path(files[0].path).name]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert at.told.read_text() == "told\n"
    (product,) = studio.bus.request(ListProducts(project=shot.project)).items
    versions = studio.bus.request(ListVersions(project=shot.project, product=product.id)).items
    assert [(version.number, version.publish) for version in versions] == [(info.version, info.publish)]
    given = [event.data["number"] for event in studio.events(category="version", type="version.reserved")
             if event.data["publish"] == at.publish]  # fmt: skip
    assert len(given) == len(set(given)) <= 1
    assert studio.bus.request(VerifyLog()).events


def old_state_or_new(info: PublishInfo, shot: Shot, home: Path) -> None:
    """What anybody sees before the replay: the whole version, or none."""
    product = home / "projects" / shot.project / shot.entity / "publish" / "notes"
    visible = [path for path in product.glob("v*") if not path.name.startswith(".")]
    for folder in visible:
        (file,) = (path for path in folder.iterdir() if not path.name.startswith("."))
        assert file.read_text() == "hold the last frame"
    if info.version is not None:
        staged = [path.name for path in product.iterdir() if path.name.startswith(".")]
        assert staged in ([], [f".v{info.version:03d}.qi"])


def test_every_state_has_its_kill() -> None:
    """A new state, or a state with a new effect, comes with its points by itself; here that none is left out."""
    assert {point.towards for point in points((AFTER_COMMIT,))} == set(STATES)
    assert {point.towards for point in points((AFTER_EFFECT,))} == {step.state for step in STEPS if step.effect}


@pytest.mark.parametrize("point", points((AFTER_EFFECT, AFTER_COMMIT)), ids=name_of)
def test_a_killed_worker_leaves_the_old_state_or_the_new_and_can_be_resumed(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], listener: socket.socket,
    tmp_path: Path, point: CrashPoint,
) -> None:  # fmt: skip
    with held(studio, shot, note, plugins, listener, tmp_path, point) as at:
        os.kill(at.worker, signal.SIGKILL)
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")
    stopped = studio.finished(at.publish)

    if point.found_in == "succeeded":
        check(studio, shot, at, stopped)
        return
    assert stopped.state == "interrupted"
    old_state_or_new(stopped, shot, studio.home.root)
    studio.replay(at.publish, "resume")
    check(studio, shot, at, studio.finished(at.publish))


@pytest.mark.parametrize("point", points((AFTER_COMMIT,)), ids=name_of)
def test_a_killed_studio_finishes_what_was_planned_and_calls_the_rest_interrupted(
    tmp_path: Path, note: str, plugins: Callable[..., dict[str, str]], listener: socket.socket, point: CrashPoint
) -> None:
    home = tmp_path / "home"
    with start_studio(home) as studio:
        shot = studio.given_project()
        with held(studio, shot, note, plugins, listener, tmp_path, point) as at:
            worker = psutil.Process(at.worker)
            studio.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.wait(10)  # the old worker ends by itself
    with start_studio(home) as studio:
        found = studio.finished(at.publish)
        if has_reached(point.found_in, "planned"):
            check(studio, shot, at, found)
            return
        assert found.state == "interrupted"
        old_state_or_new(found, shot, home)
        studio.replay(at.publish, "resume")
        check(studio, shot, at, studio.finished(at.publish))


def test_a_worker_that_outlives_its_studio_is_ended_before_another_goes_on(
    tmp_path: Path, note: str, plugins: Callable[..., dict[str, str]], listener: socket.socket
) -> None:
    home = tmp_path / "home"
    point = next(point for point in points((AFTER_COMMIT,)) if point.towards == "staged")
    with start_studio(home) as studio:
        shot = studio.given_project()
        with held(studio, shot, note, plugins, listener, tmp_path, point) as at:
            os.kill(at.worker, signal.SIGSTOP)  # it cannot notice that its studio is gone
            studio.kill()
            with start_studio(home) as again:
                check(again, shot, at, again.finished(at.publish))
                assert not psutil.pid_exists(at.worker) or psutil.Process(at.worker).status() == psutil.STATUS_ZOMBIE


def test_a_kill_amid_a_follow_up_asks_a_person_and_runs_it_no_second_time(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    told = tmp_path / "told.txt"
    environment = plugins(f"""
        import os, signal

        class TellTheFarm(pyblish.api.ContextPlugin):
            order = pyblish.api.IntegratorOrder
            def process(self, context):
                open({str(told)!r}, "a").write("told\\n")
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    info = studio.finished(studio.publish(shot, [note], product="notes", environment=environment))
    assert info.state == "unknown"
    assert info.error is not None
    assert info.error.step == "TellTheFarm"
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")

    studio.replay(info.publish, "resume", took_effect=True)

    resumed = studio.finished(info.publish)
    assert resumed.state == "succeeded", resumed.error
    assert told.read_text() == "told\n"


def test_a_rerun_after_a_kill_takes_a_number_of_its_own(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], listener: socket.socket,
    tmp_path: Path,
) -> None:  # fmt: skip
    point = next(point for point in points((AFTER_COMMIT,)) if point.towards == "extracted")
    with held(studio, shot, note, plugins, listener, tmp_path, point) as at:
        os.kill(at.worker, signal.SIGKILL)
    killed = studio.finished(at.publish)
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")
    (tmp_path / "armed").unlink(missing_ok=True)

    rerun = studio.finished(studio.replay(at.publish, "rerun"))

    assert rerun.state == "succeeded", rerun.error
    assert (killed.version, rerun.version) == (1, 2)
