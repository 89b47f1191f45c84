"""The first line that a program of Qi's says to whoever started it: `ready`, or the error that it has instead, as JSON.

Any thread.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

from qi.errors import QiError

log = logging.getLogger("qi.app")

READY = "ready"


def first_word(process: subprocess.Popen[str], limit_s: float) -> str:
    """What a process says on its standard output, which is closed then; empty when it ended, or was killed at the
    limit, without a word."""
    assert process.stdout is not None
    guard = threading.Timer(limit_s, process.kill)
    guard.start()
    try:
        with process.stdout as said:
            return said.readline().strip()
    finally:
        guard.cancel()


def say_ready() -> None:
    """To whoever started this process."""
    _say(READY)


def telling(what: str, work: Callable[[], None]) -> int:
    """Do `work` and return the exit code. An error is said, so that whoever started this process raises it."""
    try:
        work()
    except QiError as error:
        _say(json.dumps(error.as_reply()))
        return 1
    except Exception as error:
        log.exception("%s failed", what)
        _say(json.dumps(QiError(f"{what} failed: {type(error).__name__}: {error}").as_reply()))
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
