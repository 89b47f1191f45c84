"""Before a publish is recovered: make sure that no worker of an earlier studio still writes. Actor thread."""

from __future__ import annotations

from filelock import FileLock, Timeout

from events.store import EventReader
from qi.errors import Conflict
from qi.home import Home
from qi.publish_view import events_of
from qi.worker.descendants import end_marked
from qi.worker.process import end_group, is_worker_of

LOCK_LIMIT_S = 5.0


def end_old_worker(home: Home, reader: EventReader, publish: str) -> None:
    """Take the worker's lock: only who holds it may write. One that does not let go is ended, and what it started.

    Raises :class:`Conflict` when somebody else holds it.
    """
    folder = home.runs / publish
    if not folder.is_dir():
        return
    started = [event for event in events_of(reader, publish) if event.type == "publish.worker_started"]
    lock = FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=LOCK_LIMIT_S)
    except Timeout:
        pid = int(started[-1].data["pid"]) if started else 0
        if not pid or not is_worker_of(pid, publish):
            raise Conflict(f"somebody holds the worker lock of publish {publish}", publish=publish) from None
        end_group(pid)
        end_marked(str(started[-1].data["session"]))
        lock.acquire(timeout=LOCK_LIMIT_S)
    else:
        if started:
            end_marked(str(started[-1].data["session"]))
    lock.release()
