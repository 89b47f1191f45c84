"""What an actor serves, listens to and does again and again: the marks on its methods, and what the mailbox carries.

A mark is read once, when the actor starts; nothing is registered anywhere else. Any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qi import context
from qi.identity import Identity
from qi.messages import Request
from qi.wire import Message

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One topic an actor serves."""

    kind: type[Request[Any]]
    method: str
    batch: bool = False
    guard: str = ""
    """Permission asked of the caller."""


@dataclass(slots=True)
class Call:
    """A request on its way from the bus thread to the actor's."""

    endpoint: Endpoint
    msg: Message
    arrived: float
    caller: str


@dataclass(slots=True)
class Tick:
    """A timer's call on its way to the actor's thread."""

    method: str
    waiting: bool = False


@dataclass(slots=True)
class Heard:
    """What a listener was told and has not looked at. Facts only wake it, so under a flood the oldest may go."""

    method: str
    whole: bool = False
    """Whether the method takes the message itself, not only its payload."""
    waiting: deque[Message] = field(default_factory=deque)
    scheduled: bool = False
    """Whether the actor's mailbox holds a reminder to look."""
    came: int = 0
    """Bytes that came, and of those that were dropped; bus thread."""
    dropped: int = 0
    taken: int = 0
    """Bytes that the actor thread took."""

    def put(self, msg: Message, most: int, most_bytes: int) -> int:
        """Bus thread: keep `msg`; how many older ones had to go for it."""
        gone, size = 0, len(msg.data)
        while self.waiting and (len(self.waiting) >= most or self.came - self.dropped - self.taken + size > most_bytes):
            try:
                self.dropped += len(self.waiting.popleft().data)
            except IndexError:  # the actor took the last one a moment ago
                break
            gone += 1
        self.came += size
        self.waiting.append(msg)
        return gone

    def take(self) -> Iterator[Message]:
        """Actor thread: what waits, oldest first."""
        self.scheduled = False
        for _ in range(len(self.waiting)):
            try:
                msg = self.waiting.popleft()
            except IndexError:  # the bus thread dropped it for a newer one
                return
            self.taken += len(msg.data)
            yield msg


def handles(kind: type[Request[R]]) -> Callable[[Callable[[A, Any], R | Future[R]]], Callable[[A, Any], R | Future[R]]]:
    """Serve a topic: the method takes the message and returns its reply, or a future of it."""

    def mark(method: Callable[[A, Any], Any]) -> Callable[[A, Any], Any]:
        method.__dict__["_qi_endpoint"] = Endpoint(kind, method.__name__, guard=kind.needs)
        return method

    return mark


def handles_batch(kind: type[Request[R]]) -> Callable[[Callable[[A, Any], Any]], Callable[[A, Any], Any]]:
    """Serve a topic in groups: the method takes a list of :class:`Asked` and returns a reply (or QiError) for each."""

    def mark(method: Callable[[A, Any], Any]) -> Callable[[A, Any], Any]:
        method.__dict__["_qi_endpoint"] = Endpoint(kind, method.__name__, batch=True, guard=kind.needs)
        return method

    return mark


def listens(subject: str, *, whole: bool = False) -> Callable[[Callable[[A, Any], None]], Callable[[A, Any], None]]:
    """Be told of facts: the method takes the raw payload of every message on `subject` (wildcards allowed), or with
    `whole` the :class:`~qi.wire.Message`."""

    def mark(method: Callable[[A, Any], None]) -> Callable[[A, Any], None]:
        method.__dict__["_qi_listens"] = (subject, whole)
        return method

    return mark


def every(seconds: float | str) -> Callable[[Callable[[A], None]], Callable[[A], None]]:
    """Be called again and again; a call is left out while the last one still waits in the mailbox. `seconds` may be
    the name of a class attribute."""

    def mark(method: Callable[[A], None]) -> Callable[[A], None]:
        method.__dict__["_qi_every"] = seconds
        return method

    return mark


@dataclass(slots=True)
class Asked:
    """One request of a group, with the context it came in."""

    message: Any
    context: context.Context
    caller: Identity


def members(cls: type) -> Iterable[Any]:
    """Every method of a class that can carry a mark, the most derived of each name."""
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        seen.update({k: v for k, v in vars(base).items() if callable(v) and hasattr(v, "__dict__")})
    return seen.values()
