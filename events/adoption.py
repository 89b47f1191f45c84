"""Putting another log in the place of a home's: a backup, or what a repair saved.

Offline: the caller sees to it that no studio runs. The log that was there is kept beside the new one. The adoption is
an event in the new log. Its head is signed before the files change places, so a kill in between leaves a home
that refuses to start until the adoption is repeated. Any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from events.catalog import encode_change
from events.disk import sync_folder
from events.errors import CorruptLog, Invalid, QiError
from events.head import HeadFile
from events.ids import new_id
from events.record import Change, DomainEvent, Meta, Position, event, stream_name
from events.repair import repair
from events.sqlite import SqliteReader, SqliteStore
from events.state import StateDb
from events.store import Append

STREAM = stream_name("log", "adoptions")


@event("log.adopted", erasable=("reason",))
class LogAdopted(DomainEvent):
    """The events before this one come from another file than the one that was in use."""

    reason: str
    account: str
    """Account of the operating system that did it; nobody is logged in while no studio runs."""
    events: int
    """How many events the adopted file held: all before this one."""
    lost: int
    """How many more the log before it is known to have had. They are in `before`, as far as they can be read."""
    before: str
    """The file name that the log before it was given; empty when there was none."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """`before` is the path of the log that was replaced; empty when the home had none."""

    events: int
    lost: int
    before: str
    position: Position
    """Of the event that tells of it: the head of the log now."""


def adopt(
    file: Path, log: Path, keys: Path, states: Sequence[Path], *, reason: str, account: str, host: str
) -> Adopted:
    """Put a copy of the log in `file` in the place of `log`, and sign its head in the folder `keys`.

    Whoever had come further than the adopted log (checkpoints in `states`) goes back to its end. `file` stays as it is.
    Raises :class:`Invalid` without a reason or for a file that is no log, :class:`NotFound` for none,
    :class:`CorruptLog` for a damaged one; then nothing was changed.
    """
    if not reason.strip():
        raise Invalid("an adoption needs a reason", fields={"reason": "must not be empty"})
    new = log.with_name(f"{log.name}.new")
    for left in _files(new):  # by an adoption that was killed
        left.unlink(missing_ok=True)
    try:
        proof = repair(file, new)
        if proof.first_bad is not None:
            raise CorruptLog(
                f"'{file}' is damaged: {proof.why}",
                remedy="Adopt another backup, or what `qi log repair --log` saves of it.",
                position=proof.first_bad,
            )
        heads = HeadFile(keys)
        lost = max(0, _last_known(log, heads) - proof.events)
        before = _place_beside(log) if log.exists() else None
        told = LogAdopted(
            reason=reason, account=account, events=proof.events, lost=lost, before=before.name if before else ""
        )
        with closing(SqliteStore(new)) as store:
            meta = Meta(user="studio", host=host, trace=new_id())
            store.append(Append((encode_change(Change(STREAM, told)),), meta=meta))
            head = store.head()
        for state in states:
            with closing(StateDb(state)) as checkpoints:
                checkpoints.go_back(Position(proof.events))
        heads.write(head)
    except BaseException:
        for made in _files(new):
            made.unlink(missing_ok=True)
        raise
    _change_places(new, log, before)
    return Adopted(proof.events, lost, str(before or ""), head.position)


def _change_places(new: Path, log: Path, before: Path | None) -> None:
    if before is not None:
        # The WAL first: one that is left behind would be taken for the new log's.
        for old, kept in reversed(list(zip(_files(log), _files(before), strict=True))):
            # What a killed adoption has kept already is the true one: nothing was appended since.
            if old.exists() and kept.exists():
                old.unlink()
            elif old.exists():
                old.rename(kept)
    new.replace(log)
    sync_folder(log.parent)


def _place_beside(log: Path) -> Path:
    """Where the log in use is kept; where a killed adoption took its WAL already, if one did."""
    for wal in log.parent.glob(f"{log.name}.before-*-wal"):
        taken = wal.with_name(wal.name.removesuffix("-wal"))
        if not taken.exists():
            return taken
    return log.with_name(f"{log.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")


def _files(log: Path) -> list[Path]:
    return [log, Path(f"{log}-shm"), Path(f"{log}-wal")]


def _last_known(log: Path, heads: HeadFile) -> int:
    """The last position that the log in use is known to have had, however damaged it is."""
    known = 0
    with suppress(CorruptLog):
        signed = heads.read()
        known = signed.position if signed else 0
    if log.exists():
        with suppress(QiError), SqliteReader(log) as reader:
            known = max(known, reader.head().position)
    return known
