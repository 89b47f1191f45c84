"""What a word means, for whoever looks for everything about a thing: all the names and ids that events may call it by.

Bundles are known from the log, projects and contexts from the tracker. Actor thread, unless a method says more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol, TypeVar

from events.names import claim_stream, fold_name
from events.record import NO_STREAM, StreamName
from events.search import Sought
from events.sqlite import SqliteReader
from qi.contracts.db import GetProject, ListEntities
from qi.errors import NotFound
from qi.messages import Request

R = TypeVar("R")

KEPT_S = 30.0
"""A search in many steps asks the tracker once."""
KEPT_MOST = 50
TRACKER_LIMIT_S = 3.0
OWN_IDS = ("publish", "bundle", "rehearsal")
"""Categories of streams whose ids nobody but the log knows."""


class Ask(Protocol):
    """:meth:`qi.actor.Actor.request`."""

    def __call__(self, message: Request[R], *, timeout_s: float | None = None) -> R: ...


class Entities:
    """Looks words up, as whoever asks: what the tracker does not show them is a mere word."""

    def __init__(self, reader: SqliteReader, ask: Ask) -> None:
        self._reader = reader
        self._ask = ask
        self._kept: dict[tuple[str, str, str], tuple[float, Sought]] = {}

    def sought(self, text: str, entity: str, user: str) -> Sought | None:
        """None when nothing is looked for; and when only the tracker can say what `entity` means: see
        :meth:`of_tracker`."""
        recent = self._recent(text, entity, user)
        if recent is not None or (not text and not entity):
            return recent
        if entity and not self._is_own(entity):
            return None
        names = {entity, *self._bundle_called(entity)} if entity else ()
        return self._keep((text, entity, user), names)

    def settle(self, text: str, entity: str, user: str, names: Iterable[str]) -> Sought:
        """With what :meth:`of_tracker` said, which is remembered for a while."""
        return self._keep((text, entity, user), {entity, *self._bundle_named(entity), *names})

    def _recent(self, text: str, entity: str, user: str) -> Sought | None:
        kept = self._kept.get((text, entity, user))
        return kept[1] if kept is not None and time.monotonic() - kept[0] < KEPT_S else None

    def _keep(self, key: tuple[str, str, str], names: Iterable[str]) -> Sought:
        made = Sought(key[0], frozenset(names), self._reader.said_first)
        while len(self._kept) >= KEPT_MOST:
            del self._kept[next(iter(self._kept))]
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic(), made
        return made

    def _is_own(self, entity: str) -> bool:
        return any(self._has(StreamName(f"{category}-{entity}")) for category in OWN_IDS)

    def _has(self, stream: StreamName) -> bool:
        return self._reader.versions([stream])[stream] != NO_STREAM

    def _bundle_called(self, id_: str) -> list[str]:
        """The name of a bundle, by its id."""
        first = self._reader.read_stream(StreamName(f"bundle-{id_}"), NO_STREAM, 1)
        return [str(event.data["name"]) for event in first if "name" in event.data]

    def _bundle_named(self, name: str) -> list[str]:
        """Every bundle that bore the name: when one is deleted, another may take it."""
        claims = self._reader.read_stream(claim_stream("bundle", name), NO_STREAM, 100)
        return [str(event.data[key]) for event in claims for key in ("name", "owner")]

    def of_tracker(self, path: str) -> list[str]:
        """Ids of a project, or of what is worked on in one, which the tracker is asked for; any thread.

        Raises Unavailable and DeadlineExceeded when it does not answer.
        """
        project, _, inside = path.strip("/").partition("/")
        try:
            found = self._ask(GetProject(project=project), timeout_s=TRACKER_LIMIT_S)
        except NotFound:
            return []
        if not inside:
            return [found.id, found.name]
        above, _, name = inside.rpartition("/")
        listed = ListEntities(project=found.id, parent=above, text=name, limit=1000)
        try:
            below = self._ask(listed, timeout_s=TRACKER_LIMIT_S).items
        except NotFound:
            return []
        return [one.id for one in below if fold_name(one.path) == fold_name(inside)]
