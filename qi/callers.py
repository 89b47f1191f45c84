"""Who may ask what: the identities an actor has looked up, the guard of a topic, and the admission of a request.
Default deny."""

from __future__ import annotations

import time
from collections.abc import Callable

from events.ids import new_id
from qi import context
from qi.codec import Codec
from qi.context import STUDIO
from qi.endpoints import Asked, Call
from qi.errors import DeadlineExceeded, Forbidden, Unauthenticated
from qi.identity import STUDIO_IDENTITY, Identity, studio_for
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

    def admit(self, call: Call, codec: Codec) -> Asked:
        """Deadline, loop, caller, permission, payload: in that order, the cheapest first; actor thread.

        Raises :class:`DeadlineExceeded`, :class:`Loop`, :class:`Forbidden`, :class:`Unauthenticated`, what the look-up
        raises, and what the payload's type does.
        """
        said = context.from_headers(call.msg.headers, call.arrived)
        if said.deadline is not None and time.monotonic() >= said.deadline:
            raise DeadlineExceeded("the request waited past its deadline", actor=self._actor)
        said.check(self._actor)
        caller = self._identity(call.caller, call.endpoint.guard, said.deadline)
        message = codec.decode(call.endpoint.kind, call.msg.data)
        if not caller.is_studio:
            session, user, host = caller.session, caller.user, caller.host
        else:
            # The studio speaks for the participant its context names.
            session, user, host = said.session, said.user, said.host
            if session:
                caller = studio_for(user or STUDIO)
        command = getattr(message, "command", "")
        cause, path = said.cause or command, (*said.path, self._actor)
        carried = context.Context(said.trace, cause, command or said.command, said.deadline, path, session, user, host)
        return Asked(message, carried, caller)

    def _identity(self, session: str, guard: str, deadline: float | None) -> Identity:
        """Who is behind `session`, if it passes the guard."""
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
                raise Unauthenticated("nobody has logged in here", remedy="log in (`qi login`)", session=session)
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
