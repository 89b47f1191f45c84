"""Folding the log: into a state in memory here, into tables in :mod:`events.views`.

Both read rows in pages and decode only what they fold, so that a million events take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from events.catalog import Decoders
from events.errors import QiError
from events.record import BEFORE_FIRST, Position, StreamName
from events.store import EventReader

FOLD_PAGE_EVENTS = 2_000

_COLUMNS = ("position", "stream", "type", "schema", "data")

S = TypeVar("S")


@dataclass(slots=True)
class Folded(Generic[S]):
    """A state, and up to where it was folded: enough to go on."""

    state: S
    position: Position = BEFORE_FIRST
    """The state holds every event of its categories up to here."""


def fold(
    reader: EventReader,
    evolve: Callable[[S, Any, StreamName], S],
    folded: Folded[S],
    categories: frozenset[str],
    upto: Position | None = None,
) -> Folded[S]:
    """Go on to the head, or to `upto`: `state = evolve(state, event, stream)` for each event of the categories.

    Returns the same object. When it raises, `folded` stands before the event at fault, and the error's data names its
    `position`: :class:`NotFound` for an unknown type, :class:`Invalid` for a payload that does not fit.
    """
    end = reader.head().position if upto is None else upto
    decoders = Decoders()
    state = folded.state
    while page := reader.rows(folded.position, FOLD_PAGE_EVENTS, categories, _COLUMNS):
        position = folded.position
        try:
            for at, stream, kind, schema, data in page:
                if at > end:
                    break
                state = evolve(state, decoders[kind, schema](data), stream)
                position = at
        except QiError as error:
            error.data.setdefault("position", at)
            raise
        finally:
            folded.state, folded.position = state, position
        if page[-1][0] >= end:
            break
    folded.position = Position(max(folded.position, end))
    return folded
