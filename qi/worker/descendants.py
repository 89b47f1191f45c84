"""All processes that descend from a worker, whichever way they were started: they carry its mark in their environment.

A child that left the worker's process group, or whose parent is gone, is still found. Any thread.
"""

from __future__ import annotations

import logging
import os

import psutil

log = logging.getLogger("qi.worker")

MARK = "QI_WORKER"
ROUNDS_MOST = 10
GONE_LIMIT_S = 2.0


def marked(session: str) -> dict[str, str]:
    """What stands in the environment of a worker with that session, and so of all it starts."""
    return {MARK: session}


def end_marked(session: str) -> None:
    """Kill every process with the mark, this one excepted, until none is left."""
    for _ in range(ROUNDS_MOST):
        found = _find(session)
        if not found:
            return
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(found, GONE_LIMIT_S)
    log.error("processes of worker %s start new ones faster than they can be ended", session)


def _find(session: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == session:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone meanwhile
    return found
