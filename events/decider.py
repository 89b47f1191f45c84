"""How every domain decides, as plain functions.

A domain module has three things:

* `evolve(state, fact) -> state` folds one stream; `None` is the state of a stream that does not exist;
* `FOLDS` names the categories it needs, each with its `evolve`;
* `decide(view, command) -> list[Change]` says what a command leads to, or raises one of the error family.

A decision learns everything through its :class:`View`, which writes down what was looked at. So a decision can not
forget a stream it depended on: :func:`decision` returns the versions of all of them, for the append to expect. On a
conflict the caller follows the log to its head and decides again. Actor thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from events.catalog import Decoders, misfit
from events.errors import CorruptLog, Invalid, QiError
from events.record import (
    BEFORE_FIRST,
    NO_STREAM,
    Change,
    DomainEvent,
    Event,
    Meta,
    Micros,
    Position,
    StreamName,
    Version,
    category_of,
)
from events.store import NOBODY, decode_meta, encode_meta

S = TypeVar("S")
C = TypeVar("C")

UNKNOWN_TIME = Micros(0)
COLUMNS = ("position", "id", "stream", "version", "type", "schema", "occurred_at", "meta", "data")
"""What a :class:`Fact` is made of."""


# A Struct, because one is made for every event of a log: a frozen dataclass takes ten times as long.
class Fact(msgspec.Struct, frozen=True, gc=False):
    """A domain event and its place in the log: what `evolve` folds."""

    stream: StreamName
    version: Version
    event: DomainEvent
    position: Position = BEFORE_FIRST
    """0 while a decision only assumes it."""
    id: str = ""
    at: Micros = UNKNOWN_TIME
    """When it happened."""
    said: str = ""
    """Who and what caused it, as it is stored: few folds look at it, and decoding it costs as much as folding."""

    @property
    def meta(self) -> Meta:
        """Who and what caused it."""
        return decode_meta(self.said) if self.said else NOBODY


Folds = Mapping[str, Callable[[Any, Fact], Any]]
"""Category → the function that folds its streams."""


def fact(record: Event, event: DomainEvent) -> Fact:
    """The fact that `record` holds, `event` being its decoded payload."""
    said = encode_meta(record.meta)
    return Fact(record.stream, record.version, event, record.position, record.id, record.occurred_at, said)


def unexpected(fact: Fact) -> CorruptLog:
    """To be raised by an `evolve` that meets an event which has no place in its stream."""
    return CorruptLog(f"'{fact.event.event_type}' does not belong into {fact.stream}", position=int(fact.position))


class _Stream:
    """One stream as it is known."""

    __slots__ = ("evolve", "state", "version")

    def __init__(self, evolve: Callable[[Any, Fact], Any]) -> None:
        self.evolve = evolve
        self.state: Any = None
        self.version = NO_STREAM


class Known:
    """Some categories of the log, folded: each stream's state and version. One thread."""

    def __init__(self, folds: Folds) -> None:
        self._folds = folds
        self._streams: dict[StreamName, _Stream] = {}
        self.position = BEFORE_FIRST
        """Of the last fact followed."""

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(self._folds)

    def follow(self, fact: Fact) -> None:
        """Fold one fact. One that is known already changes nothing. Raises :class:`CorruptLog` after a gap."""
        name, version = fact.stream, fact.version
        stream = self._streams.get(name)
        if stream is None:
            stream = _Stream(self._folds[category_of(name)])
        if version != stream.version + 1:
            if version <= stream.version:
                return
            raise CorruptLog(f"{name} jumps from version {stream.version} to {version}", position=int(fact.position))
        stream.state = stream.evolve(stream.state, fact)
        if version == 1:
            self._streams[name] = stream
        stream.version = version
        if fact.position > self.position:
            self.position = fact.position

    def follow_rows(self, rows: Iterable[tuple[Any, ...]], decoders: Decoders) -> None:
        """:meth:`follow` for rows with exactly :data:`COLUMNS`.

        Raises as that, :class:`NotFound` for a type that is not known and :class:`Invalid` for a payload that does not
        fit; the data of each names the `position`, and everything before it is followed.
        """
        streams, position, kind = self._streams, self.position, ""
        try:
            for position, event_id, name, version, kind, schema, at, said, data in rows:
                fact = Fact(name, version, decoders[kind, schema](data), position, event_id, at, said)
                stream = streams.get(name)
                if stream is None or version != stream.version + 1:
                    self.follow(fact)
                else:
                    # Inlined from `follow`: a call for each of a million events costs a tenth of a whole rebuild.
                    stream.state = stream.evolve(stream.state, fact)
                    stream.version = version
                    self.position = position
        except msgspec.DecodeError as error:
            wrong = misfit(kind, error)
            wrong.data["position"] = position
            raise wrong from error
        except QiError as error:
            error.data.setdefault("position", position)
            raise

    def get(self, kind: type[S], stream: StreamName) -> S | None:
        """The state of a stream; `None` when the stream does not exist."""
        found = self._streams.get(stream)
        return _typed(kind, stream, found.state if found else None)

    def version(self, stream: StreamName) -> Version:
        found = self._streams.get(stream)
        return found.version if found else NO_STREAM

    def all(self, kind: type[S]) -> Iterator[S]:
        """Every state of that kind, oldest stream first."""
        return (state for _, state in self.streams(kind))

    def streams(self, kind: type[S]) -> Iterator[tuple[StreamName, S]]:
        """Every stream with a state of that kind, the oldest first."""
        return ((name, stream.state) for name, stream in self._streams.items() if isinstance(stream.state, kind))


class View:
    """The window of one decision upon :class:`Known`; remembers what was looked at."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._assumed: dict[StreamName, tuple[Version, Any]] = {}
        self.expected: dict[StreamName, Version] = {}
        """Every stream looked at so far, with its version in the log."""

    def get(self, kind: type[S], stream: StreamName) -> S | None:
        """The state of a stream; `None` when the stream does not exist."""
        self.expected.setdefault(stream, self._known.version(stream))
        if stream in self._assumed:
            return _typed(kind, stream, self._assumed[stream][1])
        return self._known.get(kind, stream)

    def version(self, stream: StreamName) -> Version:
        """The version of a stream, with what was assumed on top."""
        version = self.expected.setdefault(stream, self._known.version(stream))
        return self._assumed[stream][0] if stream in self._assumed else version

    def find(self, kind: type[S], stream_of: Callable[[S], StreamName], wanted: Callable[[S], bool]) -> S | None:
        """The first state that is wanted. Only that one counts as looked at, so only its change is a conflict."""
        for candidate in self._known.all(kind):
            if wanted(candidate):
                found = self.get(kind, stream_of(candidate))
                if found is not None and wanted(found):
                    return found
        return None

    def assume(self, changes: list[Change]) -> None:
        """Let what follows in this decision see `changes` as if they were recorded."""
        for change in changes:
            version = Version(self.version(change.stream) + 1)
            state = self.get(object, change.stream)
            evolve = self._known._folds[category_of(change.stream)]
            self._assumed[change.stream] = version, evolve(state, Fact(change.stream, version, change.event))


@dataclass(frozen=True, slots=True)
class Decision:
    """What to append, and what it rests on."""

    changes: tuple[Change, ...]
    """Empty when the command asks for what is so already."""
    expected: dict[StreamName, Version]
    """The version of every stream that was read or is written."""


def decision(known: Known, decide: Callable[[View, C], list[Change]], *commands: C) -> Decision:
    """Decide `commands` one upon the other, as one append. Raises what `decide` raises. Actor thread."""
    view = View(known)
    made: list[Change] = []
    for command in commands:
        changes = decide(view, command)
        view.assume(changes)
        made += changes
    return Decision(tuple(made), view.expected)


def need_reason(reason: str) -> str:
    """`reason` without blanks around it. Raises :class:`Invalid` when nothing is left."""
    if not reason.strip():
        raise Invalid("this needs a reason", remedy="Say why: it stays in the history.", fields={"reason": "is empty"})
    return reason.strip()


def _typed(kind: type[S], stream: StreamName, state: Any) -> S | None:
    if state is not None and not isinstance(state, kind):
        raise TypeError(f"{stream} holds a {type(state).__name__}, not a {kind.__name__}")
    return state
