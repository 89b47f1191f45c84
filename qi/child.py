"""An actor in a process of its own, and both ends of its leash.

The parent writes one JSON line to the child's standard input and keeps the pipe open: when it closes, for whatever
reason, the child stops. The child answers with one line on standard output when it serves, or with its error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any, TextIO

from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.errors import DeadlineExceeded, QiError, from_reply
from qi.least import least_environment
from qi.supervisor import START_LIMIT_S, STOP_LIMIT_S, SWEEP_EVERY_S, InThread, Spec

log = logging.getLogger("qi.child")

LEASH_LIMIT_S = 12.0
"""An orphan ends itself this long after its parent's end, even when its actor hangs."""


class InProcess:
    """The parent's end. The child's output goes through the logger, and so through the mask for secrets."""

    def __init__(self, spec: Spec, credentials: Credentials, session: str) -> None:
        self._name = spec.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qi.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=least_environment(spec.environment),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.pid = self._process.pid
        threading.Thread(target=self._forward, name=f"qi-{spec.name}-output", daemon=True).start()
        guard = threading.Timer(START_LIMIT_S, self._process.kill)
        guard.start()
        order = {"spec": asdict(spec), "credentials": asdict(credentials), "session": session}
        try:
            answer = self._converse(json.dumps(order))
        finally:
            guard.cancel()
        if answer != "ready":
            self.give_up()
            if not answer:
                raise DeadlineExceeded(f"'{spec.name}' ended or hung while it started", actor=spec.name)
            raise from_reply(json.loads(answer))

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, timeout_s: float) -> bool:
        self._close_leash()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        self._process.kill()
        self._close_leash()
        self._process.wait()

    def _converse(self, order: str) -> str:
        """The child's one line; empty when it ended without a word."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            try:
                self._process.stdin.write(order + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return ""
            return answers.readline().strip()

    def _close_leash(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            log.debug("'%s' was gone already", self._name)

    def _forward(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                log.info(line.rstrip(), extra={"child": self._name})


def main() -> int:
    """The child's end."""
    answers = _own_standard_output()
    order: dict[str, Any] = json.loads(_first_line())
    spec = Spec(**order["spec"])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # An interrupt typed at the terminal reaches the whole group; the parent decides when its children stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leash = threading.Thread(target=_hold_leash, name="qi-leash", daemon=True)
    leash.start()
    bus = Bus(Credentials(**order["credentials"]), session=order["session"], codec=Checked(), name=spec.name)
    try:
        bus.start()
        running = InThread(spec, bus)
    except Exception as error:
        log.exception("the start failed")
        told = error if isinstance(error, QiError) else QiError(f"{type(error).__name__}: {error}")
        answers.write(json.dumps(told.as_reply(), default=str) + "\n")
        answers.close()
        bus.stop()
        return 1
    answers.write("ready\n")
    answers.close()
    while leash.is_alive() and running.alive():
        leash.join(SWEEP_EVERY_S)
    died = not running.alive()
    if not died:
        running.stop(STOP_LIMIT_S)
    bus.stop()
    return 1 if died else 0


def _own_standard_output() -> TextIO:
    """Keep standard output for the protocol: whatever the actor and its libraries print goes to standard error."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def _first_line() -> bytes:
    # Unbuffered: the same descriptor is the leash later, and a buffered reader cannot be left while it waits.
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            break
        line += piece
    return bytes(line)


def _hold_leash() -> None:
    """Return when the parent let go; should the rest then not end in time, end this process."""
    while os.read(0, 4096):
        pass
    late = threading.Timer(LEASH_LIMIT_S, os._exit, (1,))
    late.daemon = True
    late.start()


if __name__ == "__main__":
    sys.exit(main())
