"""How a service changes its part of the log: follow it to the head, decide, append; on a conflict, once more.

The service's state is nothing but a fold of the categories it names; this carries that fold and the loop around its
decisions. Actor thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from events.catalog import CORE, Catalog, encode_change
from events.decider import COLUMNS, Decision, Folds, Known, decision
from events.ids import new_id
from events.record import Position
from events.store import EventReader
from qi import context
from qi.contracts.log import Appended, AppendEvents
from qi.errors import Conflict

PAGE_EVENTS = 500
"""Small enough that its texts are still in the processor's cache when they are decoded."""
TRIES = 6

Append = Callable[[AppendEvents], Appended]


def follow(
    known: Known, reader: EventReader, upto: Position | None = None, *, catalog: Catalog = CORE
) -> None:
    """Fold everything that was committed since the last time, or what of it lies up to a position.

    Raises :class:`NotFound` for a type that is not known here and :class:`Invalid` for a payload that does not fit;
    their data names the `position`, and `known` stands before it.
    """
    while page := reader.rows(known.position, PAGE_EVENTS, known.categories, COLUMNS):
        if upto is not None:
            page = [row for row in page if row[0] <= upto]
        known.follow_rows(page, catalog.decoders)
        if len(page) < PAGE_EVENTS:
            return


class Ledger:
    """One service's fold, its reader, and its way into the log."""

    def __init__(self, reader: EventReader, folds: Folds, append: Append, *, catalog: Catalog = CORE) -> None:
        """`catalog` knows the types that `folds` meet."""
        self.known = Known(folds)
        self._catalog = catalog
        self._folds = folds
        self._reader = reader
        self._append = append
        self.follow()

    def follow(self) -> Position:
        """Catch up with the log; returns the position up to which this service knows everything."""
        head = self._reader.head().position
        follow(self.known, self._reader, catalog=self._catalog)
        return max(head, self.known.position)

    def carry_out(self, decide: Callable[[Any, Any], Any], *commands: Any, command: str = "") -> Appended:
        """Decide `commands` one upon the other and record what follows as one append.

        A `command` that was carried out before is answered as then; it is decided upon what was known then, and the
        journal sees whether it is the same. What this handler asks for afterwards hangs below the last event recorded.
        Raises what `decide` raises, and :class:`Conflict` when others keep changing what the decision rests on.
        """
        for tries in range(1, TRIES + 1):
            self.follow()
            made = decision(self.known_to(command), decide, *commands)
            try:
                return self.record(made, command=command)
            except Conflict as error:
                if tries == TRIES or "stream" not in error.data:
                    raise
        raise AssertionError("unreachable")

    def check(self, decide: Callable[[Any, Any], Any], *commands: Any, command: str = "") -> None:
        """Raises what `decide` would raise now; records nothing."""
        self.follow()
        decision(self.known_to(command), decide, *commands)

    def record(self, made: Decision, *, command: str = "") -> Appended:
        """Append one decision. Raises :class:`Conflict` when what it rests on has changed.

        Without a `command` it gets an id of its own: only so may it be sent again when the broker goes away before the
        answer came.
        """
        events = tuple(encode_change(change) for change in made.changes)
        expected = {str(k): int(v) for k, v in made.expected.items()}
        appended = self._append(AppendEvents(events=events, expected=expected, command=command or new_id()))
        if events and not appended.repeated:
            context.caused_by(events[-1].id)
        self.follow()
        return appended

    def known_to(self, command: str) -> Known:
        """What the decision of `command` rests on: all that is known, or for a repeated one what was known then."""
        earlier = self._reader.appended(command) if command else None
        if earlier is None:
            return self.known
        position = Position(earlier.first - bool(earlier.versions))
        return known_at(self._reader, self._folds, position, catalog=self._catalog)


def known_at(reader: EventReader, folds: Folds, position: Position, *, catalog: Catalog = CORE) -> Known:
    """The fold as it stood at `position`: the same events, the same functions, read again. Actor thread."""
    known = Known(folds)
    follow(known, reader, position, catalog=catalog)
    return known
