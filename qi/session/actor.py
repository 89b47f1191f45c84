"""An actor inside a participant: a desktop or an application that the studio asks for something.

It is reached as `qi.session.<id>.<topic>`, where the broker lets nobody publish but the studio; so it need not ask who
asks, and it does not show among the services.
"""

from __future__ import annotations

from qi.actor import Actor, Endpoint
from qi.bus import Bus
from qi.context import STUDIO
from qi.messages import to_session


class SessionActor(Actor):
    """Base of such actors; `bus` is the participant's."""

    is_service = False

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._address = to_session(bus.session)

    def subject_of(self, endpoint: Endpoint) -> str:
        return self._address.subject(STUDIO, endpoint.kind.topic)
