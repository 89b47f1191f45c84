"""Given, when, then: tests of decisions that read like the rule they prove.

::

    scenario = Scenario(bundles.FOLDS, bundles.decide)
    scenario.given(stream, BundleCreated(...)).when(FreezeBundle(...)).then(BundleFrozen(...))
    scenario.refused(Conflict, PromoteBundle(...))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from events.catalog import CORE, Catalog, encode_change
from events.decider import Decision, Fact, Folds, Known, View, decision
from events.errors import QiError
from events.ids import new_id
from events.record import Change, DomainEvent, Meta, Micros, Position, StreamName, Version
from events.store import encode_meta

S = TypeVar("S")
E = TypeVar("E", bound=QiError)


class Scenario:
    """A log in memory and one domain's decisions upon it. What a decision changes is recorded at once."""

    def __init__(
        self,
        folds: Folds,
        decide: Callable[[View, Any], list[Change]],
        *,
        user: str = "ada",
        catalog: Catalog = CORE,
    ) -> None:
        """`catalog` knows the event types."""
        self.known = Known(folds)
        self.user = user
        """Who does what happens next."""
        self.last = Decision((), {})
        self.facts: list[Fact] = []
        self._decide = decide
        self._catalog = catalog

    def given(self, stream: StreamName, *events: DomainEvent) -> Scenario:
        """Record `events` in `stream`, each as it comes back out of the log: equal, or the test fails."""
        for written in events:
            stored = encode_change(Change(stream, written))
            event = self._catalog.decoders[stored.type, stored.schema](msgspec.json.encode(stored.data))
            assert event == written, f"{written} comes back as {event}"
            position = Position(len(self.facts) + 1)
            version = Version(self.known.version(stream) + 1)
            at = Micros(1_700_000_000_000_000 + position)
            self.facts.append(Fact(stream, version, event, position, new_id(), at, encode_meta(Meta(user=self.user))))
            self.known.follow(self.facts[-1])
        return self

    def when(self, *commands: Any) -> Scenario:
        """Decide `commands` as one, and record what they change."""
        self.last = decision(self.known, self._decide, *commands)
        for change in self.last.changes:
            self.given(change.stream, change.event)
        return self

    def then(self, *events: DomainEvent) -> Scenario:
        """The last decision was to record exactly these events."""
        made = tuple(change.event for change in self.last.changes)
        assert made == events, f"decided {made}, not {events}"
        return self

    def refused(self, kind: type[E], *commands: Any) -> E:
        """The error `commands` are refused with; nothing changes."""
        try:
            made = decision(self.known, self._decide, *commands)
        except kind as error:
            return error
        raise AssertionError(f"not refused: {made.changes}")

    def state(self, kind: type[S], stream: StreamName) -> S:
        """What is known of `stream`, which must exist."""
        state = self.known.get(kind, stream)
        assert state is not None, f"{stream} does not exist"
        return state
