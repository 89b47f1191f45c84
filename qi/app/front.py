"""The server of a studio's Command Center, from the outside: starting it, finding it, opening one of its pages.

Any thread.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import asdict, dataclass
from typing import cast

import psutil

from qi.app.certificates import Certificate
from qi.app.first_word import READY, first_word
from qi.errors import QiError, Unavailable, from_reply
from qi.home import Home, write_private

log = logging.getLogger("qi.front")

START_LIMIT_S = 30.0
STOP_LIMIT_S = 15.0
ASK_LIMIT_S = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class ServerFile:
    """`server.json` of a home: who can read it is its owner."""

    url: str
    key: str
    """Makes one-time codes for the owner."""
    pid: int
    ca: str = ""
    """PEM file to trust its certificate by; empty: those of the system."""

    def write(self, home: Home) -> None:
        write_private(home.server_file, json.dumps(asdict(self)))

    @classmethod
    def read(cls, home: Home) -> ServerFile | None:
        """Of a server that runs; None when none does."""
        try:
            found = cls(**json.loads(home.server_file.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return found if psutil.pid_exists(found.pid) else None

    @staticmethod
    def beat(home: Home, pid: int) -> None:
        """The server's event loop is alive: it touches its file. Not another one's that stands there by now."""
        try:
            found = ServerFile.read(home)
            if found is not None and found.pid == pid:
                os.utime(home.server_file)
        except OSError as error:  # a disk that takes nothing ends no server
            log.debug("the server cannot touch its file: %s", error)

    @staticmethod
    def beaten(home: Home, pid: int) -> int | None:
        """A number that changes when it does; None where it has no file, or the disk takes nothing."""
        try:
            found = ServerFile.read(home)
            if found is not None and found.pid == pid and os.access(home.server_file, os.W_OK):
                return home.server_file.stat().st_mtime_ns
        except OSError as error:
            log.debug("the server's file cannot be read: %s", error)
        return None

    @staticmethod
    def remove(home: Home, pid: int) -> None:
        """Unless another one's stands there by now."""
        found = ServerFile.read(home)
        if found is None or found.pid == pid:
            home.server_file.unlink(missing_ok=True)


class Front:
    """A server that runs."""

    def __init__(self, file: ServerFile, process: subprocess.Popen[str] | None = None) -> None:
        self.url = file.url
        self._key = file.key
        self._ca = file.ca
        self._process = process

    def link(self, path: str = "/") -> str:
        """A link to a page, good for one log-in of the owner within a minute. Raises :class:`Unavailable`."""
        request = urllib.request.Request(
            f"{self.url}/auth/code", data=b"{}", method="POST",
            headers={"authorization": f"Qi-Key {self._key}", "content-type": "application/json"},
        )  # fmt: skip
        try:
            with self._opened(request) as answer:
                code = json.loads(answer.read())["code"]
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            raise Unavailable(f"the server at {self.url} gives no link: {error}") from error
        return f"{self.url}{path}#code={code}"

    def answers(self) -> bool:
        """Whether it is there: after a power cut its file may name a process that is somebody else's by now."""
        try:
            with self._opened(urllib.request.Request(f"{self.url}/healthz")):
                return True
        except (OSError, http.client.HTTPException) as error:
            log.info("the server at %s does not answer: %s", self.url, error)
            return False

    def _opened(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Asked of this very machine, whatever proxy leads out of it."""
        trusted = ssl.create_default_context()
        if self._ca:
            trusted.load_verify_locations(self._ca)
        secured = urllib.request.HTTPSHandler(context=trusted)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), secured)
        return cast(http.client.HTTPResponse, direct.open(request, timeout=ASK_LIMIT_S))

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def ends_within(self, seconds: float) -> bool:
        """Whether the server that this process started ends in that time."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def ended(self) -> str:
        """How it did, once it has."""
        code = self._process.returncode if self._process is not None else 0
        return f"signal {-code}" if code < 0 else f"code {code}"

    def kill(self) -> None:
        """End a server that this process started and that hangs."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server, if this process started it."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            log.warning("the server did not end in time and was killed")
            self.kill()


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where a server listens, and for whom."""

    http: str = "127.0.0.1:0"
    certificate: Certificate | None = None
    allow: tuple[str, ...] = ()
    """Networks of other machines that may connect."""
    names: tuple[str, ...] = ()
    """By which browsers may ask, beside this machine's own."""


def start(home: Home, doorway: Doorway = Doorway()) -> Front:
    """Start a server for the studio that runs on this home; it ends with this process. Raises what its start raised."""
    command = [sys.executable, "-m", "qi.app.server", "--home", str(home.root), "--http", doorway.http]
    command += ["--allow", *doorway.allow, "--name", *doorway.names]
    certificate = doorway.certificate
    if certificate is not None:
        command += ["--tls-cert", str(certificate.file), "--tls-key", str(certificate.key)]
        command += ["--tls-ca", str(certificate.authority)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    line = first_word(process, START_LIMIT_S)
    file = ServerFile.read(home) if line == READY else None
    if file is not None:
        return Front(file, process)
    process.kill()
    process.wait()
    if line and line != READY:
        raise from_reply(json.loads(line))
    raise QiError("the server of the Command Center did not start", remedy=f"its log in {home.logs} may say why")


def find(home: Home) -> Front:
    """The server that runs for this home. Raises :class:`Unavailable`."""
    file = ServerFile.read(home)
    if file is None:
        raise Unavailable("no server of the Command Center runs here", remedy="`qi` or `qi serve` starts one")
    return Front(file)
