"""Before a publish is recovered: make sure that no worker of an earlier studio still writes. Actor thread."""

from __future__ import annotations

from filelock import FileLock, Timeout

from events.store import EventReader
from qi.errors import Conflict
from qi.home import Home
from qi.publish_view import events_of
from qi.worker.process import end_group, is_worker_of

LOCK_LIMIT_S = 5.0


def end_old_worker(home: Home, reader: EventReader, publish: str) -> None:
    """Take the worker's lock: only who holds it may write. One that does not let go is ended.

    Raises :class:`Conflict` when somebody else holds it.
    """
    folder = home.runs / publish
    if not folder.is_dir():
        return
    lock = FileLock(folder / "worker.lock")
    try:
        lock.acquire(timeout=LOCK_LIMIT_S)
    except Timeout:
        started = [event for event in events_of(reader, publish) if event.type == "publish.worker_started"]
        pid = int(started[-1].data["pid"]) if started else 0
        if not pid or not is_worker_of(pid, publish):
            raise Conflict(f"somebody holds the worker lock of publish {publish}", publish=publish) from None
        end_group(pid)
        lock.acquire(timeout=LOCK_LIMIT_S)
    lock.release()
