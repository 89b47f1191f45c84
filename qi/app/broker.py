"""The embedded NATS server: started from Qi's own `nats.conf`, loopback only unless told, ended with its parent.

A guard process holds the server: it waits on a pipe from the studio and, when that pipe ends for whatever reason,
stops the server. A pipe's end works on every platform, also after a SIGKILL of the studio.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from qi.app.certificates import Certificate
from qi.app.keys import Reached, new_keys
from qi.errors import QiError, Unavailable
from qi.least import least_environment

log = logging.getLogger("qi.broker")

START_LIMIT_S = 10.0
STOP_LIMIT_S = 5.0
POLL_S = 0.01
RESTART_PAUSE_S = 0.2
RESTART_PAUSE_MOST_S = 5.0
STABLE_AFTER_S = 60.0
PORT_TRIES = 3
WORDS_KEPT = 50
REFUSAL = re.compile(
    r'(?P<address>\S+):\d+ - cid:\d+ - .*"QI/user:(?P<session>[^"]*)" - (?P<what>Publish|Subscription) Violation'
    r' - Subject "(?P<subject>[^"]*)"'
)
"""What the server writes when a session reaches for a subject that is not its own."""


def config_file() -> Path:
    """`nats.conf`: beside the packages in a checkout, inside them in an installation."""
    checkout = Path(__file__).resolve().parents[2] / "nats.conf"
    return checkout if checkout.is_file() else Path(str(files("qi.app"))) / "nats.conf"


def server_binary() -> Path:
    """The newer of the packaged server and one on PATH. Raises :class:`QiError` when there is none."""
    bundled = Path(sys.executable).parent / ("nats-server.exe" if os.name == "nt" else "nats-server")
    found = [path for path in (bundled, Path(shutil.which("nats-server") or bundled)) if path.is_file()]
    if not found:
        raise QiError("there is no nats-server", remedy="reinstall Qi, or put nats-server on PATH")
    return found[0] if len(set(found)) == 1 else max(found, key=_version)


def _version(binary: Path) -> tuple[int, ...]:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said)[:3])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Refused:
    """A session was kept from a subject."""

    session: str
    what: str
    """`publish` or `subscribe`."""
    subject: str
    address: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the broker may be reached from other machines."""

    host: str
    port: int
    certificate: Certificate


class Broker(Reached):
    """The embedded server and its guard. Any thread."""

    def __init__(self, listen: Listen | None = None, refused: Callable[[Refused], None] | None = None) -> None:
        """`refused` is told what the server kept sessions from, on a thread of the broker's."""
        self._listen = listen
        self._refused = refused
        self._at(listen.port if listen else free_port())
        self.ca = str(listen.certificate.authority) if listen else ""
        self.keys = new_keys()
        self._process: subprocess.Popen[str] | None = None
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the guard."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Return when the server takes connections. Raises :class:`Unavailable` with its last words."""
        for left in reversed(range(PORT_TRIES)):
            try:
                with self._lock:
                    self._launch()
                break
            except Unavailable as error:
                # Between finding a free port and using it somebody else may take it.
                if not left or self._listen or "address already in use" not in error.message:
                    raise
                self._at(free_port())
        self._watcher = threading.Thread(target=self._watch, name="qi-broker", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the server and its guard; safe to call twice."""
        self._stopping.set()
        with self._lock:
            self._end()
        if self._watcher is not None:
            self._watcher.join(STOP_LIMIT_S)

    def _at(self, port: int) -> None:
        self.port = port
        host = self._listen.host if self._listen else ""
        everywhere = host in ("", "0.0.0.0", "::")
        self.url = f"{'tls' if self._listen else 'nats'}://{'127.0.0.1' if everywhere else host}:{port}"

    def _launch(self) -> None:
        host = self._listen.host if self._listen else "127.0.0.1"
        environment = least_environment({"QI_NATS_LISTEN": f"{host}:{self.port}", **self.keys.for_broker()})
        command = [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), str(server_binary()), "-c"]
        command.append(str(config_file()))
        if self._listen:
            certificate = self._listen.certificate
            command += ["--tls", "--tlscert", str(certificate.file), "--tlskey", str(certificate.key)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
            # An interrupt typed at the studio's terminal must not take the broker away before the services.
            start_new_session=True,
        )
        words: deque[str] = deque(maxlen=WORDS_KEPT)
        ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(self._process, words, ready), daemon=True)
        reader.start()
        deadline = time.monotonic() + START_LIMIT_S
        while not ready.wait(POLL_S):
            if self._process.poll() is not None or time.monotonic() > deadline or self._stopping.is_set():
                self._end()
                reader.join(STOP_LIMIT_S)
                raise Unavailable("the embedded broker did not start: " + " ".join(list(words)[-3:]))

    def _read(self, process: subprocess.Popen[str], words: deque[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                words.append(line.rstrip())
                log.debug(words[-1])
                self._tell(line)
                if "Server is ready" in line:
                    ready.set()

    def _tell(self, line: str) -> None:
        found = REFUSAL.search(line) if self._refused else None
        if found is None or self._refused is None:
            return
        what = "publish" if found["what"] == "Publish" else "subscribe"
        try:
            self._refused(Refused(found["session"], what, found["subject"], found["address"].rpartition(" ")[2]))
        except QiError as error:
            log.warning("a refusal could not be told: %s", error.message)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            log.debug("the guard was gone already")
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _watch(self) -> None:
        """A dead server is started again on the same port: its clients reconnect by themselves."""
        pause = RESTART_PAUSE_S
        while not self._stopping.is_set():
            process, began = self._process, time.monotonic()
            assert process is not None
            process.wait()
            if time.monotonic() - began > STABLE_AFTER_S:
                pause = RESTART_PAUSE_S
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, RESTART_PAUSE_MOST_S)
            log.error("the broker died and is started again")
            try:
                with self._lock:
                    self._end()
                    if not self._stopping.is_set():
                        self._launch()
                        self.restarts += 1
            except QiError:
                log.exception("the broker does not start")
