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
from typing import IO, Any

from qi.bus import Bus, Credentials
from qi.errors import DeadlineExceeded, QiError, from_reply
from qi.supervisor import START_LIMIT_S, InThread, Spec

log = logging.getLogger("qi.child")


class InProcess:
    """The parent's end. Its output goes line by line through the logger, and so through the mask for secrets."""

    def __init__(self, spec: Spec, credentials: Credentials, session: str) -> None:
        self._name = spec.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qi.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **spec.environment},
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pump = threading.Thread(target=self._forward, args=(self._process.stderr,), daemon=True)
        self._pump.start()
        order = {"spec": asdict(spec), "credentials": asdict(credentials), "session": session}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        guard = threading.Timer(START_LIMIT_S, self._process.kill)
        guard.start()
        answer = self._process.stdout.readline()
        guard.cancel()
        if not answer:
            self._process.kill()
            self._reap()
            raise DeadlineExceeded(f"'{spec.name}' ended or hung while it started", actor=spec.name)
        if answer.strip() != "ready":
            self._reap()
            raise from_reply(json.loads(answer))
        self.pid = self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, timeout_s: float) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            log.debug("'%s' was gone already", self._name)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("'%s' did not stop within %.0f s and is killed", self._name, timeout_s)
            self._process.kill()
        self._reap()

    def give_up(self) -> None:
        self._process.kill()
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        self._pump.join(2)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    log.debug("'%s' was gone already", self._name)

    def _forward(self, stream: IO[str]) -> None:
        for line in stream:
            log.info(line.rstrip(), extra={"child": self._name})


def main() -> int:
    """The child's end."""
    from qi.checked import Checked

    order: dict[str, Any] = json.loads(sys.stdin.readline())
    spec = Spec(**order["spec"])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # An interrupt typed at the terminal reaches the whole group; the parent decides when its children stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bus = Bus(Credentials(**order["credentials"]), session=order["session"], codec=Checked(), name=spec.name)
    try:
        bus.start()
        running = InThread(spec, bus)
    except QiError as error:
        print(json.dumps(error.as_reply()), flush=True)  # noqa: T201 - the protocol with the parent
        bus.stop()
        return 1
    except Exception as error:
        log.exception("start failed")
        print(json.dumps(QiError(f"{type(error).__name__}: {error}").as_reply()), flush=True)  # noqa: T201
        bus.stop()
        return 1
    print("ready", flush=True)  # noqa: T201
    leash = threading.Thread(target=sys.stdin.read, daemon=True)
    leash.start()
    while leash.is_alive() and running.alive():
        leash.join(0.25)
    died = not running.alive()
    if not died:
        running.stop(5)
    bus.stop()
    return 1 if died else 0


if __name__ == "__main__":
    sys.exit(main())
