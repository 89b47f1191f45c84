"""Who may ask what: the identities an actor has looked up, and the guard of a topic. Default deny."""

from __future__ import annotations

import time
from collections.abc import Callable

from events.ids import new_id
from qi import context
from qi.context import STUDIO
from qi.errors import Forbidden, Unauthenticated
from qi.identity import STUDIO_IDENTITY, Identity
from qi.messages import PUBLIC, STUDIO_ONLY

IDENTITY_KEPT_S = 3.0
IDENTITIES_MOST = 10_000


class Callers:
    """Keeps an identity for a moment; a change of it counts at the next request, because :meth:`forget` comes first."""

    def __init__(self, actor: str, look_up: Callable[[str], Identity]) -> None:
        """`look_up` asks the sessions service; `actor` stands in the path of that request."""
        self._actor = actor
        self._look_up = look_up
        self._kept: dict[str, tuple[float, Identity]] = {}
        self._age = 0

    def forget(self) -> None:
        """Bus thread, ahead of every request that comes after the change."""
        self._age += 1
        self._kept.clear()

    def admit(self, session: str, guard: str, deadline: float | None) -> Identity:
        """Who is behind `session`; actor thread.

        Raises :class:`Forbidden` and :class:`Unauthenticated`, and what the look-up raises.
        """
        if session == STUDIO:
            return STUDIO_IDENTITY
        if guard == STUDIO_ONLY:
            raise Forbidden("only the studio itself may ask this", session=session)
        if guard == PUBLIC:
            return Identity(session, "")
        kept = self._kept.get(session)
        if kept is None or kept[0] < time.monotonic():
            if len(self._kept) > IDENTITIES_MOST:
                self._kept.clear()
            age = self._age
            # Looking up who asks is no part of the tree of what is asked.
            with context.use(context.Context(trace=new_id(), path=(self._actor,), deadline=deadline)):
                found = self._look_up(session)
            if not found.user:
                # Not kept: it may log in at any moment.
                raise Unauthenticated("nobody has logged in here", remedy="log in with `qi login`", session=session)
            kept = (time.monotonic() + IDENTITY_KEPT_S, found)
            if age == self._age:
                self._kept[session] = kept
        found = kept[1]
        if not found.may(guard):
            raise Forbidden(
                f"'{found.user}' may not do this: it needs the permission '{guard}'",
                remedy="ask somebody with the role admin to grant you a role that has it",
                user=found.user,
                permission=guard,
            )
        return found
