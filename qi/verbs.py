"""What the verbs of an addon are written with: files in its `cli/`, run as `qi <addon> <verb>`.

Each file holds a Typer app named `verbs`::

    import typer
    from greeter_lib.messages import Hello
    from qi.verbs import ask

    verbs = typer.Typer()

    @verbs.command()
    def hello(name: str) -> None:
        typer.echo(ask(Hello(name=name)).text)

They run in the command's own process, as whoever runs it, and ask like anybody. Main thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from qi.errors import QiError
from qi.messages import Request
from qi.session.participant import Participant

R = TypeVar("R")

_here: ContextVar[tuple[Participant, str] | None] = ContextVar("qi_verbs", default=None)


def ask(message: Request[R], *, timeout_s: float | None = None) -> R:
    """Ask the verb's own addon, as the session's bundle pins it; it is started when it does not run. Raises QiError."""
    participant, addon = _running()
    return participant.ask(message, addon, timeout_s=timeout_s)


def ask_studio(message: Request[R], *, timeout_s: float | None = None) -> R:
    """Ask a service of the studio. Raises QiError."""
    return _running()[0].bus.request(message, timeout_s=timeout_s)


@contextmanager
def speaking(participant: Participant, addon: str) -> Iterator[None]:
    """For the length of a block :func:`ask` asks through this participant; for whoever runs verbs, and for tests."""
    token = _here.set((participant, addon))
    try:
        yield
    finally:
        _here.reset(token)


def _running() -> tuple[Participant, str]:
    found = _here.get()
    if found is None:
        raise QiError("a verb asks while it runs, not while it is imported")
    return found
