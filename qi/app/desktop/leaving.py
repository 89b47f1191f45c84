"""What still goes on when somebody quits: named, so that the person decides. Any thread."""

from __future__ import annotations

import logging

from qi.bus import Bus
from qi.contracts.publish import ListPublishes
from qi.contracts.session import ListSessions
from qi.errors import QiError

log = logging.getLogger("qi.desktop")

UNKNOWN = "perhaps publishes of yours: the studio does not answer"
LOOK_LIMIT_S = 3.0
NAMED_MOST = 6


def what_goes_on(bus: Bus, session: str) -> list[str]:
    """One line each: publishes of this user that run, applications that this desktop started; or that nobody knows,
    when the studio does not answer."""
    try:
        sessions = bus.request(ListSessions(), timeout_s=LOOK_LIMIT_S).sessions
        me = next((one.user for one in sessions if one.id == session), "")
        publishes = bus.request(ListPublishes(state="running", user=me), timeout_s=LOOK_LIMIT_S).publishes
    except QiError as error:
        log.info("what goes on is not known: %s", error.message)
        return [UNKNOWN]
    children = [f"{one.kind} on {one.host}" for one in sessions if one.parent == session and one.kind != "worker"]
    running = [f"publish of {one.product} ({one.project} {one.entity})" for one in publishes]
    return [*running, *children]


def question(going_on: list[str]) -> str:
    """What to ask before the last window goes."""
    shown = going_on[:NAMED_MOST]
    more = [f"and {len(going_on) - NAMED_MOST} more"] if len(going_on) > NAMED_MOST else []
    lines = "\n".join(f"  • {line}" for line in [*shown, *more])
    return f"This still goes on:\n\n{lines}\n\nIt goes on without this window. Quit Qi?"
