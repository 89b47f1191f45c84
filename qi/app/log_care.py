"""Proving a log, repairing it, putting another in its place: what works when no studio can start. Main thread."""

from __future__ import annotations

import contextlib
import getpass
import importlib
import pkgutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

import events
from events.adoption import Adopted, adopt
from events.chain import verify
from events.head import HeadFile
from events.record import Position
from events.redaction import Redacted, redact
from events.repair import Repaired, repair
from events.sqlite import SqliteReader
from qi.app.join import running
from qi.app.launch import LaunchConfig
from qi.contracts.log import LogProof, VerifyLog
from qi.errors import Conflict, CorruptLog, NotFound, Unavailable
from qi.home import Home

RUNNING_WAIT_S = 1.0
STOPPING_WAIT_S = 20.0


def prove_log(config: LaunchConfig) -> LogProof:
    """The proof of the home's whole log: by the studio that runs on it; by this process where none does.

    Raises :class:`CorruptLog` with the first bad position, :class:`NotFound` for no log.
    """
    try:
        with running(config) as participant:
            return participant.bus.request(VerifyLog())
    except Unavailable:
        if config.connect:
            raise
    home, began = Home(config.home), time.perf_counter()
    with SqliteReader(home.events) as reader:
        # Before the proof: a studio may start now, and sign what was not there yet.
        signed = HeadFile(home.keys).read()
        proof = verify(reader, signed)
    seconds = round(time.perf_counter() - began, 3)
    return LogProof(
        events=proof.events, head=proof.position, hash=proof.hash,
        signed_position=signed.position if signed else 0, seconds=seconds,
    )  # fmt: skip


def repair_log(config: LaunchConfig, new: Path, log: Path | None) -> Repaired:
    """Copy what is good of a log to a new file: of the home's own, or of the file `log`.

    Raises :class:`Conflict` while a studio runs on the log, and as :func:`events.repair.repair`.
    """
    home = Home(config.home)
    if log is not None and log.resolve() != home.events.resolve():
        return repair(log, new)
    if not home.events.exists():
        raise NotFound(f"there is no log in {home.root}", remedy="name its file with --log, or its home with --home")
    with _stopped(home):
        signed = None
        # A signed head that is damaged itself says nothing about the log.
        with contextlib.suppress(CorruptLog):
            signed = HeadFile(home.keys).read()
        return repair(home.events, new, signed)


def adopt_log(config: LaunchConfig, file: Path, reason: str) -> Adopted:
    """Make a copy of the log in `file` the home's own.

    Raises as :func:`repair_log` and :func:`events.adoption.adopt`.
    """
    home = Home(config.home)
    home.make()
    with _stopped(home):
        return adopt(
            file, home.events, home.keys, home.states,
            reason=reason, account=getpass.getuser(), host=socket.gethostname(),
        )  # fmt: skip


def redact_log(config: LaunchConfig, position: int, fields: tuple[str, ...], reason: str) -> Redacted:
    """Blank what is erasable of one event of the home's log. Raises as :func:`repair_log` and
    :func:`events.redaction.redact`."""
    # Which fields those are is read off the event types.
    for module in pkgutil.iter_modules(events.__path__):
        importlib.import_module(f"events.{module.name}")
    home = Home(config.home)
    if not home.events.exists():
        raise NotFound(f"there is no log in {home.root}", remedy="name its home with --home")
    with _stopped(home):
        return redact(
            home.events, home.keys, home.blobs, home.views, Position(position), fields=fields, reason=reason,
            account=getpass.getuser(), host=socket.gethostname(),
        )  # fmt: skip


@contextlib.contextmanager
def _stopped(home: Home) -> Iterator[None]:
    """No studio runs on the home, and none starts, for the length of a block."""
    lock = FileLock(home.lock)
    for wait_s in (RUNNING_WAIT_S, STOPPING_WAIT_S):
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=wait_s)
        # One that is stopping is not announced any more.
        if lock.is_locked or home.connection() is not None:
            break
    if not lock.is_locked:
        raise Conflict(f"a studio runs in {home.root}", remedy="stop it first: `qi stop`")
    try:
        yield
    finally:
        lock.release()
