"""The proof of the log: each event's hash covers its header, the digest of its payload and the hash before it.

`digest = SHA-256(payload)`, `hash = SHA-256(previous hash ‖ header ‖ digest)`. The payload is covered through its
digest alone, so one that is blanked later leaves the chain whole. An event `log.redacted` behind it holds the digest of
what was left of it: so a payload that was blanked otherwise is found. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from events.errors import CorruptLog
from events.record import BEFORE_FIRST, Position
from events.store import PAGE_EVENTS, EventReader, Head

GENESIS = bytes(32)
"""The hash before the first event."""

EMPTY = Head(BEFORE_FIRST, GENESIS.hex())
"""The head of a log without events."""

MEND = "Stop the studio; `qi log repair` saves what is good, `qi log adopt` puts that or a backup in its place."
"""What to do about a damaged log."""


REDACTED = "log.redacted"


class _Redaction(msgspec.Struct):
    position: int
    left: str


_redaction = msgspec.json.Decoder(_Redaction)


@dataclass(frozen=True, slots=True)
class Verified:
    """A log that was proved up to and including `position`, whose hash is `hash` (64 hex digits)."""

    events: int
    position: Position
    hash: str


def header(
    position: int, event_id: str, stream: str, version: int, kind: str, schema: int, occurred_at: int,
    recorded_at: int, meta: str,
) -> bytes:  # fmt: skip
    """The canonical header. Unambiguous, because no text in it holds a line feed (JSON escapes it in `meta`)."""
    return (
        f"{event_id}\n{stream}\n{kind}\n{meta}\n{position} {version} {schema} {occurred_at} {recorded_at}\n"
    ).encode()


def chained(previous: bytes, head: bytes, digest: bytes) -> bytes:
    """The hash of the event with this header and payload digest, after the event with the hash `previous`."""
    return sha256(previous + head + digest).digest()


def verify(
    reader: EventReader, signed: Head | None = None, told: Callable[[int], None] = lambda _: None
) -> Verified:
    """Prove every event; with a signed head also that the log holds it and was not cut off before it.

    `told` hears after each page of events up to which position all is well.
    Raises :class:`CorruptLog` with the first position that is missing or was changed.
    """
    position, previous = 0, GENESIS
    blanked = redactions(reader)
    signed_position = signed.position if signed else -1
    signed_hash = bytes.fromhex(signed.hash) if signed else b""
    digest_of = sha256
    while True:
        start = position
        try:
            for found, head, data, digest, proof in reader.links(Position(position), PAGE_EVENTS):
                position += 1
                # Inlined `chained`: a call for each of a million events costs a tenth of the whole proof.
                previous = digest_of(previous + head + digest).digest()
                if previous != proof or digest_of(data).digest() != digest or found != position:
                    is_other = blanked.get(position, digest) != digest_of(data).digest()
                    if previous != proof or found != position or is_other:
                        raise broken(position, found, is_other)
                if position == signed_position and proof != signed_hash:
                    raise other_than_signed(position)
        except TypeError as error:  # a column holds nothing at all
            raise broken(position, position, payload=False) from error
        if position == start:
            break
        told(position)
    if position < signed_position:
        raise cut_off(position, signed_position)
    if signed_position == 0 and signed_hash != GENESIS:
        raise other_than_signed(0)
    return Verified(position, Position(position), previous.hex())


def redactions(reader: EventReader) -> dict[int, bytes]:
    """Position of each event that was blanked → digest of what was left of its payload.

    Proved by no more than being read: whoever walks the chain proves these events, too.
    """
    found: dict[int, bytes] = {}
    after = BEFORE_FIRST
    while page := reader.rows(after, PAGE_EVENTS, frozenset({"log"}), ("position", "type", "data")):
        for position, kind, data in page:
            if kind == REDACTED:
                note_redaction(found, position, data)
        after = page[-1][0]
    return found


def note_redaction(found: dict[int, bytes], position: int, data: str | bytes) -> None:
    """Add what the payload of a redaction at `position` says; only of an earlier event it can say something."""
    try:
        said = _redaction.decode(data)
        if 0 < said.position < position:
            found[said.position] = bytes.fromhex(said.left)
    except (msgspec.DecodeError, ValueError):
        return


def compare(reader: EventReader, signed: Head) -> None:
    """The quick part of :func:`verify`: does the log hold the signed head? It may have grown since.

    Raises :class:`CorruptLog`.
    """
    last = reader.head()
    if last.position < signed.position:
        raise cut_off(last.position, signed.position)
    there = EMPTY.hash if signed.position == 0 else reader.at(signed.position).hash
    if there != signed.hash:
        raise other_than_signed(signed.position)


def broken(position: int, found: int, payload: bool) -> CorruptLog:
    """What to raise where event `position` should stand and `found` does; `payload`: its payload is not the one."""
    if found != position:
        what = f"event {position} is missing from the log"
    elif payload:
        what = f"the payload of event {position} is not the one that was recorded"
    else:
        what = f"event {position} does not follow from the event before it"
    return CorruptLog(what, remedy=MEND, position=position)


def cut_off(last: int, signed: int) -> CorruptLog:
    return CorruptLog(
        f"the log ends at {last}, but was signed at {signed}: its tail was cut off",
        remedy="Restore a backup with `qi log adopt`, or what is left: `qi log repair` copies it.",
        position=last + 1,
        signed=signed,
    )


def other_than_signed(position: int) -> CorruptLog:
    return CorruptLog(
        f"event {position} is not the one that was signed: the log was rewritten",
        remedy="Restore a backup with `qi log adopt`: nothing in this file can be trusted.",
        position=position,
    )
