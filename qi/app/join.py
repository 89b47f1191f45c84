"""How a command comes to a studio: it joins the one that runs on its home, or starts one and joins that. Any thread."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from qi.app.first_word import READY, first_word
from qi.app.launch import LaunchConfig
from qi.bus import Credentials
from qi.codec import Codec
from qi.contracts.studio import ResumeWork
from qi.credentials import guest
from qi.errors import Conflict, DeadlineExceeded, QiError, Unavailable, from_reply
from qi.home import HERE, Connection, Home
from qi.session.participant import Participant

START_LIMIT_S = 30.0
POLL_S = 0.05


@contextlib.contextmanager
def session(
    config: LaunchConfig, *, acts: bool, codec: Codec | None = None, anew: bool = False, kind: str = "cli"
) -> Iterator[Participant]:
    """A joined participant for the length of a block.

    `acts`: the command changes something, so a studio started for it also finishes what was left unfinished; one
    started for a read resumes nothing. `anew`: without the log-in that is kept here, which may be valid no more.
    Raises :class:`Unavailable` when there is no studio and none can be started.
    """
    participant = join(config, acts=acts, codec=codec, anew=anew, kind=kind)
    try:
        yield participant
    finally:
        participant.leave()


def join(
    config: LaunchConfig, *, acts: bool, codec: Codec | None = None, anew: bool = False, kind: str = "cli"
) -> Participant:
    """Like :func:`session`, for whoever leaves by himself."""
    home = Home(config.home)
    if config.connect:
        return _joined(_elsewhere(config, anew=anew), codec, kind=kind)
    token = "" if anew else home.token_for(HERE)
    running = home.connection()
    if running is not None:
        with contextlib.suppress(Unavailable):  # it died without a word: its file is stale
            participant = _joined(_as(running.credentials, token), codec, home, kind=kind)
            if acts:
                participant.bus.request(ResumeWork())
            return participant
    started = start(home, resume=acts, safe_mode=config.safe_mode)
    return _joined(_as(started.credentials, token), codec, home, kind=kind)


def start(home: Home, *, resume: bool, safe_mode: bool = False) -> Connection:
    """Start a studio in a process of its own and return when it is ready. Raises what its start raised."""
    home.make()
    command = [sys.executable, "-m", "qi.app.serve", "--home", str(home.root)]
    command += [flag for flag, given in (("--no-resume", not resume), ("--safe-mode", safe_mode)) if given]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as said:
        line = first_word(process, START_LIMIT_S)
        if line == READY:
            # Reaped whenever it ends: a caller that outlives it, like a desktop, must not keep a zombie.
            threading.Thread(target=process.wait, name="qi-studio-end", daemon=True).start()
            return _connection(home)
        words = said.read()
        process.wait()
    if not line:
        raise Unavailable(
            f"the studio did not start: {words.strip()[-500:] or 'it said nothing'}",
            remedy=f"its log in {home.logs} may say more",
        )
    error = from_reply(json.loads(line))
    if isinstance(error, Conflict) and "home" in error.data:
        return _started_by_another(home)
    raise error


def _started_by_another(home: Home) -> Connection:
    """Two commands began at once; the other one's studio is about to be ready."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        found = home.connection()
        if found is not None:
            return found
        threading.Event().wait(POLL_S)
    raise DeadlineExceeded(f"a studio holds {home.root} but does not become ready", remedy="look into its log")


def _connection(home: Home) -> Connection:
    found = home.connection()
    if found is None:
        raise QiError("the studio said it was ready and left no way to reach it")
    return found


def _joined(
    credentials: Credentials, codec: Codec | None, home: Home | None = None, *, kind: str = "cli"
) -> Participant:
    participant = Participant(credentials, kind=kind, codec=codec, home=home)
    participant.join()
    return participant


def _as(owner: Credentials, token: str) -> Credentials:
    """Whoever logged in here speaks for himself; otherwise the owner of the home does."""
    return replace(owner, password=token) if token else owner


def _elsewhere(config: LaunchConfig, *, anew: bool = False) -> Credentials:
    """Of a studio that is reached over the network: there everybody logs in."""
    ca = str(config.connect_ca or "")
    token = "" if anew else Home(config.home).token_for(config.connect)
    return Credentials(config.connect, password=token, ca=ca) if token else guest(config.connect, ca)


@contextlib.contextmanager
def running(config: LaunchConfig) -> Iterator[Participant]:
    """A joined participant of the studio that runs; starts none. Raises :class:`Unavailable` when none does."""
    home = Home(config.home)
    if config.connect:
        credentials = _elsewhere(config)
    else:
        found = home.connection()
        if found is None:
            raise Unavailable(
                f"no studio runs in {config.home}", remedy="`qi serve` starts one; so does any command that needs it"
            )
        credentials = _as(found.credentials, home.token_for(HERE))
    participant = _joined(credentials, None, None if config.connect else home)
    try:
        yield participant
    finally:
        participant.leave()
