"""The server beside a studio that is served, or beside a desktop: started with it, and again when it dies.

A thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from qi.app import front
from qi.app.certificates import certificate_for
from qi.app.front import LOOPBACK, Doorway, Front, ServerFile
from qi.app.launch import LaunchConfig
from qi.errors import Invalid, QiError, Unavailable
from qi.home import Home

log = logging.getLogger("qi.front")

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 60.0
USUAL_PORTS = range(20_000, 30_000)
"""Below those from which systems take one for a connection that goes out."""
RAN_WELL_S = 60.0
"""After so long its deaths are forgotten."""
LOOK_EVERY_S = 10.0
SILENT_MOST = 6
"""So many looks in a row may find no sign of life. Looks, not seconds: who slept with the machine is not late."""


class Beside:
    """One studio's server, as the launch config says. The studio goes on without it."""

    def __init__(self, home: Home, config: LaunchConfig) -> None:
        """Raises :class:`Invalid` when other machines should reach it and none may."""
        self._home = home
        self._config = config
        self._host = config.http.rpartition(":")[0].strip("[]")
        self._off = config.http in ("", "off")
        if not self._off and self._host not in LOOPBACK and not config.allow:
            raise Invalid(
                f"nobody could reach the Command Center at {config.http}: no other machine may connect",
                remedy="name those that may: --allow 10.1.0.0/16",
            )
        self._address = config.http
        self._front: Front | None = None
        self._deaths = 0
        self._died = ""
        self._stopping = threading.Event()
        self._keeping = threading.Thread(target=self._keep, name="qi-beside")

    def start(self) -> None:
        """Return when it serves, or was tried once."""
        if self._off:
            return
        self._try()
        self._keeping.start()

    def problems(self) -> list[str]:
        """What a user should know of it; any thread."""
        return [self._died] if self._died else []

    def stop(self) -> None:
        self._stopping.set()
        if running := self._front:
            running.stop()
        if self._keeping.is_alive():
            self._keeping.join()
        if running := self._front:
            running.stop()  # one that came while it was told to stop

    def _keep(self) -> None:
        while not self._stopping.is_set():
            if self._front is not None:
                began = time.monotonic()
                self._watch(self._front)
                if self._stopping.is_set():
                    return
                self._front.stop()  # what was held open for it
                code, self._front = self._front.ended, None
                self._deaths = 1 if time.monotonic() - began > RAN_WELL_S else self._deaths + 1
                self._says(f"the server of the Command Center ended with {code}")
            pause = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(self._deaths, 20)) * random.uniform(0.5, 1.0)
            if not self._stopping.wait(pause):
                self._try()

    def _watch(self, running: Front) -> None:
        """Until it ends, also because it hangs; once it has run well what happened before is forgotten."""
        well_at, silent, last = time.monotonic() + RAN_WELL_S, 0, None
        while not running.ends_within(LOOK_EVERY_S) and not self._stopping.is_set():
            # Not a question over HTTP: a proxy, a certificate or a crowd may stand in the way of that.
            before, last = last, ServerFile.beaten(self._home, running.pid)
            silent = silent + 1 if last is not None and last == before else 0
            if silent == SILENT_MOST:
                log.warning("the server of the Command Center gives no sign of life and is killed")
                running.kill()
            elif not silent and time.monotonic() > well_at:
                self._died, self._deaths = "", 0

    def _try(self) -> None:
        try:
            self._front = self._started()
        except QiError as error:
            self._deaths += 1
            self._says(f"the Command Center cannot be reached: {error.message}")
            return
        # Whoever has a window open finds it again where it was.
        self._address = f"{self._config.http.rpartition(':')[0]}:{urlsplit(self._front.url).port}"
        if self._died:
            self._died += f"; it was started again and is at {self._front.url}"
        log.info("the Command Center is at %s; `qi open` logs in there", self._front.url)

    def _started(self) -> Front:
        config, certificate = self._config, None
        if self._host not in LOOPBACK:
            certificate = certificate_for(config, self._home, self._host, "server")
        doorway = Doorway(self._address, certificate, config.allow, config.names)
        try:
            return front.start(self._home, doorway)
        except Unavailable as error:
            if self._host not in LOOPBACK:
                raise
            log.info("%s: another port is taken", error.message)
            return front.start(self._home, Doorway(f"{self._host}:0", allow=config.allow, names=config.names))

    def _says(self, text: str) -> None:
        log.warning(text)
        self._died = text


@contextlib.contextmanager
def reached(home: Home, config: LaunchConfig) -> Iterator[bool]:
    """For the length of a block a server runs for this home: another's, or one of this machine alone, which is true.

    Raises :class:`Unavailable` when none can be started.
    """
    file = ServerFile.read(home)
    if file is not None and Front(file).answers():
        yield False
        return
    # What a browser remembers of a page, its theme for one, it remembers of a port.
    port = USUAL_PORTS[zlib.crc32(str(home.root).encode()) % len(USUAL_PORTS)]
    own = Beside(home, config.model_copy(update={"http": f"127.0.0.1:{port}", "allow": (), "names": ()}))
    own.start()
    try:
        if problems := own.problems():
            raise Unavailable(problems[0], remedy=f"its log in {home.logs} may say why")
        yield True
    finally:
        own.stop()
