"""What every store does with a group of requests before it writes: check, decide, chain.

Pure functions; the stores differ only in where they keep the rows. Any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec

from events.chain import chained, header
from events.errors import Conflict, Invalid, QiError
from events.record import NewEvent, Position, StreamName, Version
from events.store import EVENT_DATA_MAX_BYTES, Append, Appended, Head, StoredRow, decode_meta

_ID = r"[0-9a-zA-Z_-]{1,64}"
_STREAM = r"[a-z][a-z0-9_]{0,39}-[0-9a-zA-Z_]{1,128}"
_TYPE = r"[a-z0-9_]+(?:\.[a-z0-9_]+)+"
# One match instead of three, since every event passes here.
_NAMES = re.compile(f"{_ID}\n{_STREAM}\n{_TYPE}")

_INTEGER_END = 1 << 63

_canonical = msgspec.json.Encoder(order="sorted").encode


class _StoredMeta(msgspec.Struct, omit_defaults=True):
    """A :class:`events.record.Meta` as it is stored: what is unknown is left out."""

    user: str = ""
    session: str = ""
    host: str = ""
    trace: str = ""
    cause: str = ""
    command: str = ""


class Prepared(msgspec.Struct, frozen=True):
    """A request that keeps the rules, with all that does not depend on the log already worked out."""

    request: Append
    meta: str
    payloads: list[bytes]
    digests: list[bytes]
    """SHA-256 of each payload."""
    digest: bytes
    """What makes a repeat of the command the same: 32 bytes; empty without a command."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that the log knows about what a group names. :func:`decide` adds what the group itself appends."""

    head: Head
    versions: dict[StreamName, Version]
    """Of each stream named, 0 for one that does not exist."""
    ids: set[str]
    """Those event ids of the group that are taken."""
    commands: dict[str, tuple[bytes, Appended]]
    """Those commands of the group that were carried out: digest and first answer."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a group comes to: an answer to each request, and what must be written in one transaction for that."""

    answers: list[Appended | QiError]
    rows: list[StoredRow]
    commands: dict[str, tuple[bytes, Appended]]


def prepare(request: Append) -> Prepared | Invalid:
    """Check one request; what is wrong with it is returned, as the answer to it alone."""
    try:
        meta = _meta_of(request)
        payloads = [_payload(event) for event in request.events]
        digests = [sha256(payload).digest() for payload in payloads]
        return Prepared(request, meta, payloads, digests, _digest(request, digests) if request.command else b"")
    except Invalid as error:
        return error


def decide(group: Iterable[Prepared | Invalid], known: Known, recorded_at: int) -> Decided:
    """Decide the requests one after the other; each sees what those before it appended.

    A request is decided as a whole before any of it counts, so one that fails leaves nothing behind.
    """
    answers: list[Appended | QiError] = []
    rows: list[StoredRow] = []
    commands: dict[str, tuple[bytes, Appended]] = {}
    position, previous = known.head.position, bytes.fromhex(known.head.hash)
    for prepared in group:
        if isinstance(prepared, Invalid):
            answers.append(prepared)
            continue
        request = prepared.request
        try:
            repeated = _repeated(prepared, known)
            if repeated is None:
                _check_expected(request.expected, known.versions)
                _check_ids(request, known.ids)
        except Conflict as error:
            answers.append(error)
            continue
        if repeated is not None or not request.events:
            answers.append(repeated or Appended(position, position, {}))
            continue
        sealed = seal(prepared, known.versions, position, previous, recorded_at)
        rows += sealed
        position, previous = Position(sealed[-1][0]), sealed[-1][11]
        versions = {StreamName(row[2]): Version(row[3]) for row in sealed}
        known.versions.update(versions)
        known.ids.update([row[1] for row in sealed])
        result = Appended(Position(sealed[0][0]), position, versions)
        if request.command:
            known.commands[request.command] = commands[request.command] = (prepared.digest, result)
        answers.append(result)
    return Decided(answers, rows, commands)


def seal(
    prepared: Prepared, actual: Mapping[StreamName, Version], position: int, previous: bytes, recorded_at: int
) -> list[StoredRow]:
    """The rows that follow event `position` with the hash `previous`; `actual` holds the streams' versions."""
    rows: list[StoredRow] = []
    versions: dict[StreamName, int] = {}
    meta = prepared.meta
    for event, payload, digest in zip(prepared.request.events, prepared.payloads, prepared.digests, strict=True):
        stream = event.stream
        position += 1
        version = versions[stream] = (versions.get(stream) or actual[stream]) + 1
        head = header(
            position, event.id, stream, version, event.type, event.schema, event.occurred_at, recorded_at, meta
        )
        previous = chained(previous, head, digest)
        rows.append((
            position, event.id, stream, version, event.type, event.schema, event.occurred_at, recorded_at,
            meta, payload.decode(), digest, previous,
        ))  # fmt: skip
    return rows


def _repeated(prepared: Prepared, known: Known) -> Appended | None:
    command = prepared.request.command
    if not command or command not in known.commands:
        return None
    digest, first = known.commands[command]
    if digest != prepared.digest:
        raise Conflict(
            f"the command '{command}' was already carried out with other content",
            remedy="Give a new command a new id.",
            command=command,
        )
    return msgspec.structs.replace(first, repeated=True)


def _check_expected(expected: Mapping[StreamName, Version], actual: Mapping[StreamName, Version]) -> None:
    for stream, version in expected.items():
        if actual[stream] != version:
            raise Conflict(
                f"'{stream}' is at version {actual[stream]}, not {version}",
                remedy="Read it again and decide again.",
                stream=stream,
                expected=version,
                actual=actual[stream],
            )


def _check_ids(request: Append, taken: set[str]) -> None:
    own: set[str] = set()
    for event in request.events:
        if event.id in taken or event.id in own:
            raise Conflict(f"the log already holds an event with the id '{event.id}'", id=event.id)
        own.add(event.id)


def commands_of(rows: Iterable[StoredRow]) -> Iterator[tuple[str, tuple[bytes, Appended]]]:
    """Each command that appended rows of a log, with its digest and first answer, as the log remembers it."""
    # The events of one command stand together: they were appended as one.
    for command, group in groupby(((decode_meta(row[8]), row) for row in rows), key=lambda pair: pair[0].command):
        pairs = list(group) if command else []
        if pairs:
            own = [row for _, row in pairs]
            digest = _command_digest(pairs[0][0].user, ((row[2], row[4], row[5], row[10]) for row in own))
            versions = {StreamName(row[2]): Version(row[3]) for row in own}
            yield command, (digest, Appended(Position(own[0][0]), Position(own[-1][0]), versions))


def _digest(request: Append, digests: list[bytes]) -> bytes:
    named = [(one.stream, one.type, one.schema, digest) for one, digest in zip(request.events, digests, strict=True)]
    return _command_digest(request.meta.user, named)


def _command_digest(user: str, events: Iterable[tuple[str, str, int, bytes]]) -> bytes:
    """Of a command by `user` that appends events of (stream, type, schema, payload digest)."""
    # The digests stand for the payloads, so that it can be worked out again when one of them was blanked.
    named = [f"{stream}\n{kind}\n{schema}\n{digest.hex()}" for stream, kind, schema, digest in events]
    return sha256("\n".join([user, *named]).encode()).digest()


def _meta_of(request: Append) -> str:
    meta, command = request.meta, request.command
    if command and meta.command and meta.command != command:
        raise Invalid(
            f"the request names two commands, '{command}' and '{meta.command}'",
            fields={"meta.command": "must be empty or the command's id"},
        )
    stored = _StoredMeta(meta.user, meta.session, meta.host, meta.trace, meta.cause, command or meta.command)
    return _encoded(stored, "meta").decode()


def _payload(event: NewEvent) -> bytes:
    if not (
        _NAMES.fullmatch(f"{event.id}\n{event.stream}\n{event.type}")
        and 0 < event.schema < _INTEGER_END
        and 0 <= event.occurred_at < _INTEGER_END
        and isinstance(event.data, dict)
    ):
        raise Invalid(
            f"not a valid event '{event.type}' for '{event.stream}'",
            remedy="An event has an id of up to 64 letters, digits, '-' and '_', a stream <category>-<id>, a dotted "
            "lower-case type, a schema from 1 on, a time since 1970 and a JSON object.",
            fields=_wrong(event),
        )
    payload = _encoded(event.data, "data")
    if len(payload) > EVENT_DATA_MAX_BYTES:
        raise Invalid(
            f"the payload of '{event.type}' has {len(payload)} bytes; at most {EVENT_DATA_MAX_BYTES} are allowed",
            remedy="Put it into the content store and name it by its digest.",
            fields={"data": "too large"},
        )
    return payload


def _wrong(event: NewEvent) -> dict[str, str]:
    rules = {
        "id": re.fullmatch(_ID, event.id),
        "stream": re.fullmatch(_STREAM, event.stream),
        "type": re.fullmatch(_TYPE, event.type),
        "schema": 0 < event.schema < _INTEGER_END,
        "occurred_at": 0 <= event.occurred_at < _INTEGER_END,
        "data": isinstance(event.data, dict),
    }
    return {name: "not of the right form" for name, kept in rules.items() if not kept}


def _encoded(value: dict[str, Any] | _StoredMeta, field: str) -> bytes:
    try:
        return _canonical(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"this is not JSON: {error}", fields={field: "must be JSON-ready"}) from error
