"""A publish that waits at a point where it can be cut off, and what must be true whatever is killed there."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from events.ids import new_id
from events.publish_steps import CrashPoint
from qi.contracts.db import ListProducts, ListVersions
from qi.contracts.log import VerifyLog
from qi.contracts.publish import ListFiles, PublishInfo
from qi.testing.processes import children
from qi.testing.studio import RunningStudio, Shot

HOOKS = Path(__file__).with_name("hooks")
ARRIVE_LIMIT_S = 90.0
TEXT = "hold the last frame"

STOPS = """
    import sys

    sys.path.insert(0, {hooks!r})
    import hold

    class HoldHere(pyblish.api.ContextPlugin):
        order = pyblish.api.CollectorOrder - 0.4

        def process(self, context):
            hold.in_worker()

    class HoldExtract(pyblish.api.InstancePlugin):
        order = pyblish.api.ExtractorOrder - 0.4

        def process(self, instance):
            hold.arrive("extracted", "before_effect")

    class FollowUp(pyblish.api.ContextPlugin):
        order = pyblish.api.IntegratorOrder

        def process(self, context):
            hold.arrive("followed_up", "before_effect")
            with open({told!r}, "a") as file:
                file.write("told\\n")
"""


@dataclass
class Held:
    """A publish that waits at the point."""

    publish: str
    told: Path
    asking: Future[str]
    """The answer to who asked for it."""
    _connection: socket.socket | None

    def worker(self, studio: RunningStudio) -> int:
        """Process id of its worker."""
        (started,) = studio.events(stream=f"publish-{self.publish}", type="publish.worker_started")
        return int(started.data["pid"])

    def let_go(self) -> None:
        assert self._connection is not None
        self._connection.close()


@dataclass
class Holder:
    armed: Path
    told: Path
    note: Path
    plugins: Callable[..., dict[str, str]]
    listener: socket.socket

    def environment(self) -> dict[str, str]:
        """Of a publish that can be stopped, and tells once that it was followed up."""
        made = self.plugins(STOPS.format(hooks=str(HOOKS), told=str(self.told)), name="stops")
        return {**made, "QI_TEST_HOLD": str(self.armed)}

    def begun(self, studio: RunningStudio, shot: Shot) -> Held:
        """A publish that nothing stops."""
        publish = studio.publish(shot, [str(self.note)], product="notes", environment=self.environment())
        asking: Future[str] = Future()
        asking.set_result(publish)
        return Held(publish, self.told, asking, None)

    @contextlib.contextmanager
    def held(self, studio: RunningStudio, shot: Shot, point: CrashPoint) -> Iterator[Held]:
        """A publish that has come to `point`; on leaving it goes on, if anything of it is left."""
        wanted = {"state": point.towards, "point": point.point, "port": self.listener.getsockname()[1]}
        environment, publish = self.environment(), new_id()
        self.armed.write_text(json.dumps(wanted))
        with ThreadPoolExecutor(1) as asker:
            asking = asker.submit(
                studio.publish, shot, [str(self.note)], product="notes", environment=environment, command=publish
            )
            connection, _ = self.listener.accept()
            with connection:
                assert connection.recv(5) == b"here\n"
                assert studio.shown(publish).state == point.found_in
                yield Held(publish, self.told, asking, connection)


def check(studio: RunningStudio, shot: Shot, at: Held, info: PublishInfo) -> None:
    """The publish has succeeded: exactly one complete version, known everywhere, and nothing left over."""
    assert info.state == "succeeded", info.error
    assert info.version is not None
    folder = Path(str(info.path))
    files = studio.bus.request(ListFiles(publish=info.publish)).files
    assert [Path(file.path).read_text() for file in files] == [TEXT]
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [Path(files[0].path).name]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert at.told.read_text() == "told\n"
    (product,) = studio.bus.request(ListProducts(project=shot.project)).items
    versions = studio.bus.request(ListVersions(project=shot.project, product=product.id)).items
    assert [(version.number, version.publish) for version in versions] == [(info.version, info.publish)]
    given = [event.data["number"] for event in studio.events(category="version", type="version.reserved")
             if event.data["publish"] == at.publish]  # fmt: skip
    assert given == [info.version]
    for kind in ("requested", "committed", "registered", "succeeded"):
        assert len(studio.events(stream=f"publish-{at.publish}", type=f"publish.{kind}")) == 1, kind
    assert studio.bus.request(VerifyLog()).events


def old_state_or_new(info: PublishInfo, shot: Shot, home: Path) -> None:
    """What anybody sees before it is finished: the whole version, or none; and no folder that the log does not name."""
    product = home / "projects" / shot.project / shot.entity / "publish" / "notes"
    found = [path.name for path in product.iterdir()] if product.is_dir() else []
    for name in found:
        if not name.startswith("."):
            (file,) = (path for path in (product / name).iterdir() if not path.name.startswith("."))
            assert file.read_text() == TEXT
    assert found in ([], ["v001"], [".v001.qi"]), info.state


def broker_of(studio: RunningStudio) -> psutil.Process:
    (server,) = children(studio.pid, "nats-server")
    return server
