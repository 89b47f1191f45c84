"""Process of a worker: `python -m qi.worker`, its order as one JSON line on standard input.

It holds the publish's lock as long as it lives, so that an old worker of a killed studio and a new one never both
write. When its standard input ends, its studio is gone and it ends at once: every effect of a publish survives a kill.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from events.blobs import Blobs
from events.ids import new_id
from events.publish_events import PublishFailed
from qi import context
from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.contracts.work import TakeWork
from qi.disk_errors import disk_error
from qi.errors import QiError
from qi.home import Home
from qi.masking import hide, mask
from qi.session.participant import Participant
from qi.session.publishing import Step, StepsFailed
from qi.worker.descendants import end_marked
from qi.worker.job import Job
from qi.worker.reporter import key_of

log = logging.getLogger("qi.worker")

LOCK_LIMIT_S = 10.0
REPORT_LIMIT_S = 10.0
LEASH_LIMIT_S = 2.0
EXIT_FAILED = 1
EXIT_HUNG = 3
EXIT_ORPHANED = 4


def main() -> int:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # A plugin's library that takes the process down leaves the stack behind as its last words.
    faulthandler.enable()
    threading.Thread(target=_leash, args=(order["session"],), name="qi-leash", daemon=True).start()
    hide(order["token"])
    context.enter(context.inherited() or context.Context(trace=new_id()))
    home = Home(Path(order["home"]))
    run = home.runs / order["publish"]
    run.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(run / "worker.lock")
        lock.acquire(timeout=LOCK_LIMIT_S)
    except Timeout:
        log.error("another worker holds this publish")
        return EXIT_FAILED
    credentials = Credentials(order["url"], password=order["token"], ca=order["ca"])
    participant = Participant(credentials, kind="worker", session=order["session"], codec=Checked())
    participant.join()
    try:
        return _work(participant.bus, order["publish"], home)
    finally:
        participant.leave()


def _work(bus: Bus, publish: str, home: Home) -> int:
    work = bus.request(TakeWork(publish=publish, command=new_id()))

    def hung(stage: str, step: Step, limit_s: float) -> None:
        """Watch thread: a plugin that hangs cannot be interrupted, only left; its process goes with it."""
        remedy = "look at what it waits for, or allow it more time in the setting qi.publish.plugin_timeout_s"
        _failed(job, home, key_of(step), 504, f"'{step.plugin}' did not finish within {limit_s:g} s", remedy, "")
        bus.flush()
        os._exit(EXIT_HUNG)

    job = Job(work, bus, home, hung)
    try:
        job.run()
    except StepsFailed as failed:
        step, outcome = failed.failures[0]
        others = len(failed.failures) - 1
        message = outcome.message + (f" (and {others} more)" if others else "")
        detail = "\n\n".join(f"{key_of(s)}: {o.message}\n{o.trace}" for s, o in failed.failures)
        _failed(job, home, key_of(step), 422, message, outcome.remedy, detail)
        return EXIT_FAILED
    except QiError as error:
        _failed(job, home, job.reaching, error.code, error.message, error.remedy, "")
        return EXIT_FAILED
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        known = disk_error(error) or QiError(f"{error.strerror or error}{where}", remedy="look at the disk")
        remedy = f"{known.remedy}, then resume the publish (`qi replay {publish}`)"
        _failed(job, home, job.reaching, known.code, known.message, remedy, "")
        return EXIT_FAILED
    finally:
        job.close()
    return 0


def _failed(job: Job, home: Home, step: str, code: int, message: str, remedy: str, detail: str) -> None:
    digest = str(Blobs(home.blobs).put(mask(detail).encode())) if detail else ""
    event = PublishFailed(step=step, code=code, message=mask(message), remedy=mask(remedy), detail=digest)
    try:
        # The steps come before the end they led to.
        job.reporter.report(event, timeout_s=REPORT_LIMIT_S)
    except QiError as error:
        # A publish that was cancelled meanwhile has its end already; one whose studio is away is found at its start.
        log.error("the failure could not be recorded: %s", error.message)


def _leash(session: str) -> None:
    sys.stdin.read()
    # Also what plugins started: the studio that would clear it away is gone.
    late = threading.Timer(LEASH_LIMIT_S, _end_group)
    late.daemon = True
    late.start()
    end_marked(session)
    _end_group()


def _end_group() -> None:
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(EXIT_ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
