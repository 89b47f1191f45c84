"""The studio's end of a worker: start it, keep its words, learn of its end, leave nothing of it behind. Any thread."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from qi.bus import Credentials
from qi.context import Context
from qi.contracts.work import StepMark
from qi.worker.descendants import end_marked, marked
from qi.worker.reporter import BOOKMARK, read_bookmark
from qi.worker.words import Words

log = logging.getLogger("qi.worker")

LAST_WORDS_S = 2.0
LOG_FILE = "worker.log"


class WorkerProcess:
    """One worker. Its order is written only by :meth:`release`, so that its start is recorded before it acts."""

    def __init__(
        self,
        publish: str,
        session: str,
        credentials: Credentials,
        home: Path,
        environment: Mapping[str, str],
        started_in: Context,
        gone: Callable[[WorkerProcess, int], None],
    ) -> None:
        """`gone` is called on a thread of its own with the exit code, when nothing of the worker is left."""
        self.publish = publish
        self.session = session
        self.context = started_in
        """What its end hangs below in the tree of cause and effect."""
        self._folder = home / "runs" / publish
        self._folder.mkdir(parents=True, exist_ok=True)
        self._order = {
            "publish": publish, "session": session, "home": str(home),
            "url": credentials.url, "token": credentials.password, "ca": credentials.ca,
        }  # fmt: skip
        self._gone = gone
        self._words = Words()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qi.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, **marked(session)},
            cwd=self._folder,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._waiter = threading.Thread(target=self._wait, name=f"qi-worker-{publish[-6:]}", daemon=True)
        self._waiter.start()

    def release(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(self._order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            log.warning("the worker of %s died before it began", self.publish)

    def kill(self) -> None:
        """End it and its group at once: every effect of a publish survives that. What left the group ends after it."""
        end_group(self.pid)

    def end(self) -> int:
        """Kill it and wait; its exit code."""
        self.kill()
        return self._process.wait()

    def leave(self, timeout_s: float) -> None:
        """The studio ends: so does the worker, at the end of its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._waiter.join(timeout_s)

    @property
    def words(self) -> str:
        """The last lines it wrote, masked."""
        return self._words.last

    @property
    def step(self) -> StepMark | None:
        """The step it was in when it ended."""
        return read_bookmark(self._folder / BOOKMARK)

    def _wait(self) -> None:
        listener = threading.Thread(target=self._listen, name=f"{self._waiter.name}-words", daemon=True)
        listener.start()
        code = self._process.wait()
        # Whatever the plugins started and left running goes with its worker; it may hold the worker's output open, so
        # the end of that output comes after.
        end_group(self.pid)
        end_marked(self.session)
        listener.join(LAST_WORDS_S)
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            log.debug("the worker of %s took its input no more", self.publish)
        self._gone(self, code)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._words.read(stream, self._folder / LOG_FILE)


def end_group(pid: int) -> None:
    """Kill what is left of a worker's process group and its children."""
    left: list[psutil.Process] = []
    try:
        left = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        log.debug("process %d is gone", pid)
    if hasattr(os, "killpg"):
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            log.debug("no process of group %d is left", pid)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def is_worker_of(pid: int, publish: str) -> bool:
    """Whether process `pid` is a worker that holds this publish: numbers of processes are used again."""
    try:
        process = psutil.Process(pid)
        return "qi.worker" in process.cmdline() and Path(process.cwd()).name == publish
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
