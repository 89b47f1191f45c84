"""Typed domain events to stored JSON and back, through every schema a type ever had. Any thread.

An event is decoded to the newest shape of its type: :func:`upcaster` functions lift older payloads, one schema a step.
Qi's own types are known to the whole process (:data:`CORE`); an addon has a :class:`Catalog` of its own, so two
versions of it may know different shapes of one type side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import msgspec

from events.errors import Invalid, NotFound
from events.record import TYPES, Change, Event, NewEvent, domain_event

Payload = dict[str, Any]
Upcaster = Callable[[Payload], Payload]
Decode = Callable[[str | bytes], Any]

E = TypeVar("E")

_upcasters: dict[tuple[str, int], Upcaster] = {}


class Catalog:
    """The event types of one addon, by its name: every type of it begins with that and a dot.

    ::

        MINE = Catalog("review")

        @MINE.event("review.approved")
        class Approved(DomainEvent):
            by: str

        @MINE.upcaster("review.approved", 1)
        def with_a_reason(data): return {"reason": "", **data}

    It decodes Qi's own types as well.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.types: dict[str, type[Any]] = {}
        """The newest shape of each type."""
        self.lifts: dict[tuple[str, int], Upcaster] = {}
        self.decoders = Decoders(self)

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def event(self, name: str, *, schema: int = 1, erasable: tuple[str, ...] = ()) -> Callable[[type[E]], type[E]]:
        """As :func:`events.record.event`. Raises :class:`Invalid` for a name that is not this addon's."""
        if not name.startswith(f"{self.owner}."):
            raise Invalid(f"'{name}' is no event type of '{self.owner}': those begin with '{self.owner}.'", type=name)

        def register(cls: type[E]) -> type[E]:
            if name in self.types:
                raise RuntimeError(f"two classes claim the event type {name}")
            self.types[name] = made = domain_event(cls, name, schema, erasable)
            return made

        return register

    def upcaster(self, kind: str, from_schema: int) -> Callable[[Upcaster], Upcaster]:
        """As :func:`upcaster`."""
        return _registering(self.lifts, kind, from_schema)

    def decode(self, event: Event) -> Any:
        """The domain event of a record, in its newest shape. Raises as :func:`decoder` and what that returns."""
        cls, lifts = _path(event.type, event.schema, self)
        return _converted(cls, event.type, _lifted(event.data, lifts) if lifts else event.data)

    def of(self, kind: str) -> Catalog:
        """The catalog that should know a type."""
        return self if kind.startswith(f"{self.owner}.") else CORE


def upcaster(kind: str, from_schema: int) -> Callable[[Upcaster], Upcaster]:
    """Register a pure function that lifts a payload of `kind` from one schema to the next."""
    return _registering(_upcasters, kind, from_schema)


def _registering(lifts: dict[tuple[str, int], Upcaster], kind: str, from_schema: int) -> Callable[[Upcaster], Upcaster]:
    def register(lift: Upcaster) -> Upcaster:
        known = lifts.setdefault((kind, from_schema), lift)
        if known.__qualname__ != lift.__qualname__:
            raise RuntimeError(f"two upcasters claim {kind} from schema {from_schema}")
        lifts[kind, from_schema] = lift
        return lift

    return register


def encode_change(change: Change) -> NewEvent:
    """The record of a domain event that happened now. Raises :class:`Invalid` for a value that JSON cannot hold."""
    event = change.event
    try:
        payload: Payload = msgspec.to_builtins(event, str_keys=True)
    except (TypeError, ValueError) as error:
        raise Invalid(f"'{event.event_type}' is not JSON-ready: {error}", type=event.event_type) from error
    return NewEvent(change.stream, event.event_type, payload, event.event_schema)


def decode_event(event: Event) -> Any:
    """:meth:`Catalog.decode` of Qi's own types."""
    return CORE.decode(event)


def decode_payload(kind: str, payload: Payload) -> Any:
    """The domain event that a payload in the newest shape of its type describes. Raises as :func:`decode`."""
    cls, _ = _path(kind, TYPES[kind].event_schema if kind in TYPES else 1, CORE)
    return _converted(cls, kind, payload)


def decoder(kind: str, schema: int) -> Decode:
    """How the stored payloads of a type and schema are decoded: the fast path of :func:`decode_event`.

    Raises :class:`NotFound` for a type this process does not know, or a schema newer than it knows; the function
    returned raises :class:`Invalid` for a payload that does not fit.
    """
    fast = _decoder(kind, schema, CORE)

    def read(data: str | bytes) -> Any:
        try:
            return fast(data)
        except msgspec.DecodeError as error:
            raise misfit(kind, error) from error

    return read


class Decoders(dict[tuple[str, int], Decode]):
    """`decoders[type, schema](payload)`: :func:`decoder`, made once for each pair and without a layer of Python.

    Without a catalog: of Qi's own types. What a payload that does not fit raises may be a :class:`msgspec.DecodeError`:
    make it :func:`misfit`.
    """

    def __init__(self, catalog: Catalog | None = None) -> None:
        super().__init__()
        self._catalog = catalog

    def __missing__(self, key: tuple[str, int]) -> Decode:
        self[key] = made = _decoder(*key, self._catalog or CORE)
        return made


def _decoder(kind: str, schema: int, catalog: Catalog) -> Decode:
    cls, lifts = _path(kind, schema, catalog)
    if not lifts:
        return msgspec.json.Decoder(cls).decode
    parse = msgspec.json.Decoder(Payload).decode
    return lambda data: _converted(cls, kind, _lifted(parse(data), lifts))


def _path(kind: str, schema: int, catalog: Catalog) -> tuple[type[Any], list[Upcaster]]:
    catalog = catalog.of(kind)
    cls = catalog.types.get(kind)
    newest = cls.event_schema if cls else 0
    if cls is None or schema > newest:
        what = f"schema {schema} of the event type '{kind}'" if cls else f"the event type '{kind}'"
        raise NotFound(
            f"{what} is not known here",
            remedy=f"A newer version of '{catalog.owner}' recorded it: go on with that one."
            if catalog.owner
            else "Update Qi, or load the addon that defines it.",
            type=kind,
            schema=schema,
        )
    steps = range(schema, newest)
    if missing := [step for step in steps if (kind, step) not in catalog.lifts]:
        raise NotFound(f"'{kind}' has no upcaster from schema {missing[0]}", type=kind, schema=missing[0])
    return cls, [catalog.lifts[kind, step] for step in steps]


def _lifted(payload: Payload, lifts: list[Upcaster]) -> Payload:
    for lift in lifts:
        payload = lift(payload)
    return payload


def _converted(cls: type[Any], kind: str, payload: Payload) -> Any:
    try:
        return msgspec.convert(payload, cls)
    except msgspec.ValidationError as error:
        raise misfit(kind, error) from error


def misfit(kind: str, error: Exception) -> Invalid:
    """What is raised for a payload that does not fit its type."""
    return Invalid(f"a payload of '{kind}' does not fit its type: {error}", type=kind)


def _core() -> Catalog:
    made = Catalog("")
    made.types, made.lifts = TYPES, _upcasters
    return made


CORE = _core()
"""Qi's own types: what :func:`events.record.event` and :func:`upcaster` register."""
