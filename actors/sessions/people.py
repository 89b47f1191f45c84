"""What the log says of users and of the bundles they work with, as it is at each question. Actor thread."""

from __future__ import annotations

from events import bundles, users
from events.bundles import Bundle, Pointer, find_known, pointer_stream
from events.decider import Known
from events.sqlite import SqliteReader
from qi.contracts.session import NewerBundle
from qi.deciding import follow


class LogOfPeople:
    """Follows the log with the folds of users and bundles."""

    def __init__(self, reader: SqliteReader) -> None:
        self._reader = reader
        self._known = Known({**users.FOLDS, **bundles.FOLDS})

    def roles(self, user: str) -> set[str]:
        """None for a user that the log does not know."""
        follow(self._known, self._reader)
        found = users.find_user(self._known, user)
        return set(found.roles) if found is not None else set()

    def bundle(self, wanted: str) -> str:
        """Id of the bundle that a session begins with. Raises :class:`NotFound` for a name that leads nowhere."""
        follow(self._known, self._reader)
        if not wanted and self._known.get(Pointer, pointer_stream("production")) is None:
            return ""  # a new home that has none yet
        return find_known(self._known, wanted or "production").id

    def production(self) -> NewerBundle | None:
        """Where production points, and who moved it there. None in a new home."""
        follow(self._known, self._reader)
        pointer = self._known.get(Pointer, pointer_stream("production"))
        bundle = self._known.get(Bundle, bundles.bundle_stream(pointer.bundle)) if pointer else None
        if pointer is None or bundle is None:
            return None
        return NewerBundle(
            bundle=bundle.id, name=bundle.name, digest=bundle.digest, by=pointer.moved_by, reason=pointer.reason
        )  # fmt: skip
