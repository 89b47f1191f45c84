"""Reactions: an addon does something because of an event, once for each, whatever was down in between.

A reaction has a name and a checkpoint in its addon's state file, begins at the head of the log, and reads it in pages;
an announcement only wakes it, so a lost one is made up for by the next, or by a look every few seconds. Rebuilding a
projection triggers none. A kill between doing and checkpointing repeats one event: its effect must be idempotent.
Actor thread.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from events.catalog import CORE, Catalog
from events.decider import fact
from events.record import Event, Position
from events.state import StateDb
from events.store import EventReader
from qi import context
from qi.errors import QiError
from qi.home import Home
from qi.reading import open_reader

log = logging.getLogger("qi.reactions")

PAGE_EVENTS = 200
TRIES = 3
PARKED = "parked"
PARKED_SHOWN = 10


class NotNow(QiError):
    """Raised by a reaction that cannot be called at the moment: the event waits for it, and it for nothing else."""


M = TypeVar("M", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Reaction:
    """One of an addon's reactions, as :func:`reacts` declared it."""

    name: str
    """Its identity: a renamed reaction begins anew at the head."""
    categories: frozenset[str]
    method: str


def reacts(name: str, *categories: str) -> Callable[[M], M]:
    """The method is called with the :class:`~events.decider.Fact` of every event of these categories."""

    def mark(method: M) -> M:
        method.__dict__["_qi_reaction"] = Reaction(name, frozenset(categories), method.__name__)
        return method

    return mark


class Reactions:
    """The reactions of one addon, their reader and their checkpoints."""

    def __init__(
        self,
        addon: str,
        home: Home,
        reactions: list[Reaction],
        call: Callable[[str, Any], None],
        is_due: Callable[[EventReader], bool],
        catalog: Catalog = CORE,
    ) -> None:
        """`call` runs the method of that name with a fact; `is_due` tells whether it is this process's turn at all;
        `catalog` knows the event types."""
        self._catalog = catalog
        self._reactions = reactions
        self._call = call
        self._is_due = is_due
        self._state = StateDb(home.addon_state(addon))
        self._reader: EventReader = open_reader(home)
        self._tries: dict[str, int] = {}
        self.parked: deque[str] = deque(maxlen=PARKED_SHOWN)
        """The last ones that were put aside since the start, a sentence each."""
        head = self._reader.head().position
        for reaction in reactions:
            if not self._state.checkpoint(reaction.name):
                self._state.save_checkpoint(reaction.name, head)

    def close(self) -> None:
        self._reader.close()
        self._state.close()

    def run(self) -> None:
        """Handle everything that was committed since the last time."""
        if not self._is_due(self._reader):
            return
        for reaction in self._reactions:
            while self._page(reaction):
                pass

    def _page(self, reaction: Reaction) -> bool:
        key = reaction.name
        page = self._reader.read(self._state.checkpoint(key), PAGE_EVENTS, reaction.categories)
        for event in page:
            if not self._handled(reaction, event):
                return False
            self._state.save_checkpoint(key, Position(event.position))
        return len(page) == PAGE_EVENTS

    def _handled(self, reaction: Reaction, event: Event) -> bool:
        """Whether to go on behind `event`: it was handled, or it failed so often that it is put aside."""
        key = f"{reaction.name}:{event.position}"
        with context.use(context.Context(event.meta.trace, cause=event.id, user=event.meta.user)):
            try:
                self._call(reaction.method, fact(event, self._catalog.decode(event)))
            except NotNow:
                return False
            except (Exception, SystemExit) as error:
                self._tries[key] = self._tries.get(key, 0) + 1
                log.error("reaction '%s' failed at %d", reaction.name, event.position, exc_info=error)
                if self._tries[key] < TRIES:
                    return False
                message = error.message if isinstance(error, QiError) else f"{type(error).__name__}: {error}"
                self._state.put(PARKED, key, {"position": event.position, "event": event.id, "error": message})
                self.parked.append(f"'{reaction.name}' gave up event {event.position}: {message}")
        self._tries.pop(key, None)
        return True
