"""What `qi history` and `qi log export` are narrowed by: the same options for both."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any

import typer

from qi.contracts.log import ReadLog

Time = Annotated[str, typer.Option(help="2h, 3d, or a date and time.")]
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _question(
    stream: Annotated[str, typer.Option(help="One stream: publish-…, bundle-…")] = "",
    kind: Annotated[str, typer.Option("--type", help="Event type, or its beginning and *.")] = "",
    user: Annotated[str, typer.Option(help="Who.")] = "",
    text: Annotated[str, typer.Option(help="Anywhere in what an event says; capitals make no difference.")] = "",
    entity: Annotated[
        str, typer.Option(help="About what: PROJECT, PROJECT/SEQ/SHOT, a bundle, an addon, a publish.")
    ] = "",
    since: Time = "",
    until: Time = "",
) -> ReadLog:
    return ReadLog(
        stream=stream, type=kind, user=user, text=text, entity=entity, since=when(since), until=when(until)
    )  # fmt: skip


FILTERS = tuple(inspect.signature(_question, eval_str=True).parameters.values())


def filtered(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb with these options ahead of its own; its first parameter is the question that they make."""
    _, *own = inspect.signature(verb, eval_str=True).parameters.values()

    @wraps(verb)
    def run(**given: Any) -> None:
        asked = _question(**{one.name: given.pop(one.name) for one in FILTERS})
        verb(asked, **given)

    # Typer reads the options off the signature.
    run.__dict__["__signature__"] = inspect.Signature([*FILTERS, *own])
    run.__annotations__ = {one.name: one.annotation for one in (*FILTERS, *own)}
    return run


def when(text: str) -> int:
    """Microseconds since the epoch of `2h` ago, or of a date and time."""
    if not text:
        return 0
    if text[:-1].isdecimal() and text[-1] in UNITS:
        return int((datetime.now() - timedelta(**{UNITS[text[-1]]: int(text[:-1])})).timestamp() * 1e6)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1e6)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is neither like 2h or 3d nor a date and time") from error
