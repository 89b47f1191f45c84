"""The demo: a studio in a new folder, a publish that fails half-way, its replay, its history.

It is a client like any other: it breaks the tracker from outside (by taking its folder away) and speaks the messages
that everybody speaks. Main thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from events.ids import new_id
from qi import context
from qi.app.cli.history import print_tree, whole_tree
from qi.app.cli.output import document
from qi.app.cli.publish import json_of, print_publish
from qi.app.cli.watching import watch
from qi.app.join import session
from qi.app.launch import read_launch_config
from qi.bus import Bus
from qi.contracts.db import CreateEntity, CreateProject, GetProject
from qi.contracts.log import VerifyLog
from qi.contracts.publish import ReplayPublish, RequestPublish
from qi.contracts.studio import GetStatus, StopStudio
from qi.errors import NotFound, QiError

PROJECT = "Lighthouse"
ENTITY = "seq010/sh0100"
TASK = "comp"
PRODUCT = "beauty"
FRAMES = (1001, 1024)
STOP_LIMIT_S = 15.0


def run(*, home: Path | None, source: str, as_json: bool) -> None:
    """Play the demo. Raises :class:`QiError` when anything but the planned failure goes wrong."""
    began = time.monotonic()
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    with _folder(home) as place, _own_trace():
        frames = str(Path(source).expanduser().absolute()) if source else render(place / "frames", say)
        config = read_launch_config(home=str(place / "studio") if home is None else str(home))
        with session(config, acts=True) as participant:
            told = _play(participant.bus, config.home, frames, say, quiet=as_json)
            if home is None:
                participant.bus.request(StopStudio())
        told["seconds"] = round(time.monotonic() - began, 2)
        if as_json:
            document(told)
        else:
            verified = told["verified"]
            say.print(f"\nThe chain holds: {verified.events} events, head {verified.hash[:16]}. {told['seconds']} s.")
            if home is not None:
                say.print(f"The studio stays in {home}. Look around: qi --home {home} publishes")
        if home is None:
            _wait_for_end(config.home)


def _play(bus: Bus, home: Path, frames: str, say: Console, *, quiet: bool) -> dict[str, Any]:
    say.print("1  A project with a shot.", style="bold")
    try:
        bus.request(GetProject(project=PROJECT))
    except NotFound:
        bus.request(CreateProject(name=PROJECT, command=new_id()))
        bus.request(CreateEntity(project=PROJECT, path=ENTITY, tasks=(TASK,), command=new_id()))
    request = RequestPublish(
        command=new_id(), project=PROJECT, entity=ENTITY, task=TASK, product=PRODUCT, sources=(frames,),
        comment="the demo", environment=dict(os.environ),
    )  # fmt: skip

    say.print("2  Publish it. On its way the tracker goes away.", style="bold")
    with _own_trace(), _tracker_lost(bus, home, request.command):
        failed = watch(bus, request, request.command)
    if failed.state != "failed" or failed.error is None or failed.error.step != "registered":
        raise QiError(f"the publish should have failed to register, it is '{failed.state}'", publish=failed.publish)
    if not quiet:
        print_publish(failed)
    before = json_of(bus, failed)

    say.print("3  The tracker is back. Replay the publish.", style="bold")
    replay = ReplayPublish(publish=failed.publish, mode="resume", command=new_id())
    with _own_trace():
        resumed = watch(bus, replay, failed.publish)
    again = ReplayPublish(publish=failed.publish, mode="rerun", command=new_id())
    with _own_trace():
        rerun = watch(bus, again, again.command)
    for info in (resumed, rerun):
        if info.state != "succeeded":
            raise QiError(f"the replay {info.publish} is '{info.state}': {info.error}")
        if not quiet:
            print_publish(info)

    events = whole_tree(bus, publish=failed.publish) + whole_tree(bus, publish=rerun.publish)
    events = sorted({event.position: event for event in events}.values(), key=lambda event: event.position)
    if not quiet:
        say.print("4  What happened, as a tree of cause and effect.", style="bold")
        print_tree(events)
    return {
        "studio": asdict(bus.request(GetStatus())),
        "publishes": [before, json_of(bus, resumed), json_of(bus, rerun)],
        "history": events,
        "verified": bus.request(VerifyLog()),
    }


def _own_trace() -> contextlib.AbstractContextManager[context.Context]:
    """Each command of the demo is one of its own, as if somebody had typed it."""
    return context.use(context.Context(trace=new_id()))


@contextlib.contextmanager
def _tracker_lost(bus: Bus, home: Path, publish: str) -> Iterator[None]:
    """Take the tracker's folder away once the version number is reserved; the tracker is next needed to register."""
    tracker, hidden = home / "tracker", home / "tracker.away"
    lost = threading.Event()

    def lose(_: Any) -> None:
        tracker.rename(hidden)
        lost.set()

    entry = bus.subscribe(f"qi.event.publish.{publish}.publish.reserved", lose)
    try:
        yield
    finally:
        bus.unsubscribe(entry)
        if lost.is_set():
            hidden.rename(tracker)


@contextlib.contextmanager
def _folder(home: Path | None) -> Iterator[Path]:
    """Where the demo keeps its things; taken away afterwards unless the studio is to be kept."""
    place = Path(tempfile.mkdtemp(prefix="qi-demo-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=home is not None)


def _wait_for_end(home: Path) -> None:
    """The studio's files may be taken away only when nothing writes them any more."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(home / "studio.lock", timeout=STOP_LIMIT_S):
            return
    except Timeout as error:
        raise QiError("the demo's studio does not stop") from error


def render(folder: Path, say: Console) -> str:
    """A short sequence: a light that turns. Returns its pattern."""
    import numpy as np
    import OpenImageIO

    first, last = FRAMES
    width, height = 640, 360
    say.print(f"0  Rendering {last - first + 1} frames, {width} x {height}.", style="bold")
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = np.arctan2(y - height * 0.62, x - width * 0.5)
    distance = np.hypot(y - height * 0.62, x - width * 0.5) / width
    sky = np.stack([0.02 + y * 0.0002, 0.03 + y * 0.0003, 0.08 + y * 0.0004], axis=-1)
    for frame in range(first, last + 1):
        turn = (frame - first) / (last - first + 1) * 2 * np.pi
        beam = np.maximum(0, np.cos(angle - turn)) ** 200 * np.exp(-distance * 2.5)
        lamp = np.exp(-distance * 60)
        pixels = sky + (beam * 0.9 + lamp * 4)[..., None] * np.array([1.0, 0.86, 0.6])
        path = folder / f"lighthouse.{frame}.exr"
        spec = OpenImageIO.ImageSpec(width, height, 3, "half")
        spec.attribute("compression", "zip")
        output = OpenImageIO.ImageOutput.create(str(path))
        if output is None or not output.open(str(path), spec) or not output.write_image(pixels.astype(np.float32)):
            raise QiError(f"the frame {path} could not be written: {OpenImageIO.geterror()}")
        output.close()
    return str(folder / "lighthouse.####.exr")
