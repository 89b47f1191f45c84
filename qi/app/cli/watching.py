"""Watch a publish until it ends: a progress bar on stderr, fed by the lossy feed, ended by the log. Main thread."""

from __future__ import annotations

import queue
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from qi.codec import Plain
from qi.contracts.publish import Progress as Frame
from qi.contracts.publish import PublishInfo, RepairPublish, ReplayPublish, RequestPublish, ShowPublish

if TYPE_CHECKING:
    from qi.bus import Bus

LOOK_EVERY_S = 2.0
ENDS = ("succeeded", "failed", "cancelled", "interrupted", "unknown")


def watch(bus: Bus, request: RequestPublish | ReplayPublish | RepairPublish, publish: str) -> PublishInfo:
    """Send the request and return the publish when it has ended.

    Events tell that it has; should one be lost with the connection, a look every two seconds finds out. Raises what
    the request is answered.
    """
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    entries = [
        bus.subscribe(f"qi.feed.progress.{publish}", lambda msg: heard.put(Plain().decode(Frame, msg.data))),
        *(bus.subscribe(f"qi.event.publish.{publish}.publish.{end}", lambda _: heard.put(None)) for end in ENDS),
    ]
    try:
        bus.request(request)
        with _bar() as bar:
            task = bar.add_task("asking", total=1.0)
            while True:
                frame = _next(heard)
                if frame is not None:
                    bar.update(task, completed=frame.done, description=f"{frame.state}: {frame.what}"[:60])
                    continue
                info = bus.request(ShowPublish(publish=publish))
                if info.state in ENDS:
                    bar.update(task, completed=1.0 if info.state == "succeeded" else None, description=info.state)
                    return info
    finally:
        for entry in entries:
            bus.unsubscribe(entry)


def _next(heard: queue.SimpleQueue[Any]) -> Frame | None:
    try:
        found: Frame | None = heard.get(timeout=LOOK_EVERY_S)
    except queue.Empty:
        return None
    return found


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )
