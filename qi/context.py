"""What travels with every message: whose doing it is, what caused it, how long it may still take.

Two headers carry it: `traceparent` (W3C) and one packed `Qi` header, because each further header costs the NATS
client dearly. Inside a process it lives in a context variable, so that no handler passes it by hand. Any thread.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from events.ids import new_id
from qi.errors import Loop

STUDIO: Final = "studio"
"""Session id of the services; the broker lets nobody else speak under it."""

MAX_HOPS = 16

_TRACE = re.compile("[0-9a-f]{32}")

ENVIRONMENT_VARIABLE = "QI_CONTEXT"
"""By which a child process inherits the context that started it."""


# A tuple, because each message makes two: a frozen dataclass takes three times as long.
class Context(NamedTuple):
    """One hop of a tree of cause and effect."""

    trace: str
    """32 hex digits, shared by everything one command set off."""
    cause: str = ""
    """Id of the event or command that leads to what happens now."""
    command: str = ""
    """Id of the command being carried out: a retry carries the same one."""
    deadline: float | None = None
    """`time.monotonic()` of this process by which the answer must be there; travels as remaining time."""
    path: tuple[str, ...] = ()
    """Actors this request has passed."""
    session: str = ""
    """The participant whose request started all this."""
    user: str = ""
    """Its user."""
    host: str = ""
    """Its host."""

    def headers(self) -> dict[str, str]:
        remaining = "" if self.deadline is None else str(max(0, int((self.deadline - time.monotonic()) * 1000)))
        packed = ";".join(
            (
                self.cause, self.command, remaining, ">".join(self.path),
                self.session, _quoted(self.user), _quoted(self.host),
            )
        )  # fmt: skip
        return {"traceparent": f"00-{self.trace}-{self.trace[:16]}-01", "Qi": packed}

    def remaining_s(self) -> float | None:
        """Seconds left, 0.0 when none are; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self, actor: str) -> None:
        """Raises :class:`Loop` when the request came back to `actor`, or has passed too many."""
        if actor in self.path:
            raise Loop(f"the request came back to '{actor}'", path=[*self.path, actor])
        if len(self.path) >= MAX_HOPS:
            raise Loop(f"the request has passed {MAX_HOPS} actors", path=[*self.path, actor])


def from_headers(headers: Mapping[str, str], arrived: float) -> Context:
    """The context a message carries; a message without one (or with a broken one) starts a new trace.

    `arrived` (`time.monotonic()`) is when it came in: from then on its remaining time runs.
    """
    packed = headers.get("Qi", "").split(";")
    trace = headers.get("traceparent", "")[3:35]
    if not _TRACE.fullmatch(trace):
        trace = new_id()
    if len(packed) != 7:
        return Context(trace)
    cause, command, remaining, path, session, user, host = packed
    deadline = arrived + int(remaining) / 1000 if remaining.isdecimal() else None
    passed = tuple(path.split(">")) if path else ()
    return Context(trace, cause, command, deadline, passed, session, _unquoted(user), _unquoted(host))


# Every message carries them and there are few: looking them up is a third of the price of quoting them anew.
@lru_cache(1024)
def _quoted(text: str) -> str:
    return quote(text, safe="")


@lru_cache(1024)
def _unquoted(text: str) -> str:
    return unquote(text)


_current: ContextVar[Context | None] = ContextVar("qi_context", default=None)


def current() -> Context:
    """The context of the running handler, or a fresh one outside of any."""
    found = _current.get()
    return found if found is not None else Context(trace=new_id())


@contextmanager
def use(context: Context) -> Iterator[Context]:
    """Run a block under `context`."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def caused_by(event_id: str) -> None:
    """From here on the running handler acts because of `event_id`: what it asks for hangs below it in the tree."""
    _current.set(current()._replace(cause=event_id))


def enter(context: Context) -> None:
    """Make `context` the current one until the end of this thread (or process)."""
    _current.set(context)


def export(context: Context) -> dict[str, str]:
    """The environment variable by which a child process continues the tree. Its deadline does not travel."""
    headers = context._replace(deadline=None).headers()
    return {ENVIRONMENT_VARIABLE: f"{headers['traceparent']} {headers['Qi']}"}


def inherited() -> Context | None:
    """The context this process was started in, if any."""
    parent, _, packed = os.environ.get(ENVIRONMENT_VARIABLE, "").partition(" ")
    return from_headers({"traceparent": parent, "Qi": packed}, time.monotonic()) if packed else None
