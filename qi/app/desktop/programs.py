"""Programs that the desktop has started: on their own, and so they go on when it is quit. Any thread."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qi.contracts.applications import Started, StartProgram
from qi.errors import NotFound, Unavailable

log = logging.getLogger("qi.desktop")

FAILS_WITHIN_S = 0.3
"""A program that ends so soon with an error did not start; so long whoever launches waits."""
TAIL_BYTES = 4096
LINES_SHOWN = 5
OWN = frozenset({"QI_DESKTOP_DEBUG_PORT", "QTWEBENGINE_DISABLE_SANDBOX", "QTWEBENGINE_CHROMIUM_FLAGS"})
"""What the desktop's own windows were given, and no other program should have."""


class Programs:
    """Starts them, and knows which still run."""

    def __init__(self, logs: Path, reaches: Mapping[str, str]) -> None:
        """`logs` is the folder for what they print; `reaches` the environment by which they reach the studio."""
        self._logs = logs
        self._reaches = reaches
        self._running: dict[int, str] = {}

    def start(self, order: StartProgram) -> Started:
        """Raises :class:`NotFound` when the program is not on this machine, and :class:`Unavailable`, with what it
        printed, when it does not start or ends at once with an error."""
        kept = {name: value for name, value in os.environ.items() if name not in OWN}
        environment = {**kept, **order.environment, **self._reaches}
        program = _found(order, environment.get("PATH"))
        folder = order.folder if order.folder and Path(order.folder).is_dir() else str(Path.home())
        printed = self._logs / f"launch-{order.label}.log"
        try:
            with printed.open("wb") as out:
                process = subprocess.Popen(
                    [program, *order.arguments], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, **_apart(),
                )  # fmt: skip
        except OSError as error:
            raise Unavailable(f"{order.title} did not start: {error.filename}: {error.strerror}") from error
        self._running[process.pid] = order.title
        threading.Thread(target=self._wait, args=(process, order.title), name="qi-launched", daemon=True).start()
        _require_alive(process, order, printed)
        log.info("%s was started: %s, process %d", order.title, program, process.pid)
        return Started(program=program, pid=process.pid, host=socket.gethostname())

    def running(self) -> list[str]:
        """Titles of what was started and has not ended, oldest first."""
        return list(self._running.values())

    def _wait(self, process: subprocess.Popen[bytes], title: str) -> None:
        """On a thread of its own, so that no ended process stays behind."""
        code = process.wait()
        del self._running[process.pid]
        log.info("%s, process %d, ended with code %d", title, process.pid, code)


def _require_alive(process: subprocess.Popen[bytes], order: StartProgram, printed: Path) -> None:
    """One that ends at once and well has handed its work to another process, as many terminals do."""
    try:
        code = process.wait(FAILS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return
    if code:
        lines = printed.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace").splitlines()
        said = " / ".join([line.strip() for line in lines if line.strip()][-LINES_SHOWN:])
        raise Unavailable(
            f"{order.title} ended at once, with code {code}{': ' if said else ''}{said}",
            remedy=f"what it printed is in {printed}", code=code,
        )  # fmt: skip


def _found(order: StartProgram, path: str | None) -> str:
    for name in order.programs:
        if found := shutil.which(name, path=path):
            return found
    raise NotFound(
        f"{order.title} cannot be started: this machine has no {', no '.join(order.programs)}",
        remedy="install it, or let the addon that brings it name the file",
    )


def _apart() -> dict[str, Any]:
    """A group of its own: a Ctrl+C in the terminal of the desktop is not meant for it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NEW_CONSOLE}
    return {"start_new_session": True}
