"""The pure heart of the journal: appends groups, hands back what was committed, keeps the signed head.

No thread and no bus: the journal's actor carries it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from events.head import HeadFile
from events.record import Position
from events.store import Append, EventStore, Written

GROUP_REQUESTS = 256
"""How many requests share one commit at most. What waits beyond that waits for the next."""

SIGN_EVERY_EVENTS = 1_000


class Writer:
    """Owns the store. Actor thread.

    `keys` is an existing folder outside the log, for the signed head and its key. Raises :class:`CorruptLog` at once
    when the log is not the one that was signed.
    """

    def __init__(self, store: EventStore, keys: Path) -> None:
        self._store = store
        self._heads = HeadFile(keys)
        self._heads.require(store)
        self._written = store.head().position
        self._signed = Position(-1)
        self.sign()

    @property
    def position(self) -> Position:
        """The last position that is durable."""
        return self._written

    def append(self, requests: Sequence[Append]) -> Written:
        """Append the requests in order, one commit for each :data:`GROUP_REQUESTS`.

        Raises what :meth:`EventStore.append_batch` raises; then no request of that group was appended.
        """
        written = Written([], [])
        for start in range(0, len(requests), GROUP_REQUESTS):
            group = self._store.append_batch(requests[start : start + GROUP_REQUESTS])
            written.answers.extend(group.answers)
            written.rows.extend(group.rows)
        if written.rows:
            self._written = Position(written.rows[-1][0])
        if self._written - self._signed >= SIGN_EVERY_EVENTS:
            # All is committed, whatever becomes of the signature: a full disk is met again at the next one.
            with contextlib.suppress(OSError):
                self.sign()
        return written

    def sign(self) -> None:
        """Sign the head if it moved. Worth a call whenever the journal is idle."""
        if self._signed != self._written:
            head = self._store.head()
            self._heads.write(head)
            self._signed = head.position

    def close(self) -> None:
        """Sign and release the store, in any case."""
        try:
            self.sign()
        finally:
            self._store.close()
