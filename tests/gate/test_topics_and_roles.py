"""The table of topics and roles, proved whole: by the broker, and by the services for whoever came past it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.sessions import ADDON_PERMISSIONS
from events.users import PERMISSIONS
from qi import context
from qi.app.catalogue import topics
from qi.app.studio import Studio
from qi.bus import Bus
from qi.contracts.auth import LoggedIn
from qi.messages import PUBLIC, STUDIO_ONLY, TOPICS
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.wire import Message

NOT_JSON = b"{not json"
"""Whoever may ask is told that this is no message; whoever may not never gets as far. So nothing is carried out."""


def outcomes(bus: Bus, session: str, asked: list[str]) -> dict[str, str]:
    """Topic → what came back when `session` asked it through `bus`: a code, or `broker` when it did not get through."""
    found: dict[str, str] = {}

    def answered(msg: Message) -> None:
        found[asked[int(msg.subject.rpartition(".")[2])]] = msg.headers.get("Nats-Service-Error-Code", "ok")

    entry = bus.subscribe(f"{bus.inbox}.of.*", answered)
    for number, topic in enumerate(asked):
        headers = context.Context(trace="a" * 32).headers()
        bus.publish(f"qi.rpc.{session}.{topic}", NOT_JSON, reply=f"{bus.inbox}.of.{number}", headers=headers)
    bus.flush()

    def all_known() -> bool:
        for problem in bus.problems:
            for topic in asked:
                if f'to "qi.rpc.{session}.{topic}"'.lower() in problem.lower():
                    found.setdefault(topic, "broker")
        return len(found) == len(asked)

    try:
        eventually(all_known, what=f"an outcome of {set(asked) - set(found)}")
    finally:
        bus.unsubscribe(entry)
    return found


CORE = [row.topic for row in topics() if row.actor not in ("addon", "every actor", "desktop")]


@pytest.mark.parametrize("role", PERMISSIONS)
def test_a_role_may_ask_exactly_what_the_table_says(
    running: Studio, join: Callable[..., Participant], log_in: Callable[..., LoggedIn], role: str
) -> None:
    mine = join(log_in(role).token)
    allowed = {t for t in CORE if TOPICS[t].needs == PUBLIC or TOPICS[t].needs in PERMISSIONS[role]}
    by_broker: dict[str, str] = {}
    for begin in range(0, len(CORE), 20):  # the bus keeps the last fifty complaints
        by_broker |= outcomes(mine.bus, mine.session, CORE[begin : begin + 20])
    assert {topic for topic, outcome in by_broker.items() if outcome == "400"} == allowed
    assert {topic for topic, outcome in by_broker.items() if outcome == "broker"} == set(CORE) - allowed

    # The services refuse the same to a program that got past the broker in that session's name.
    assert running._bus is not None
    by_service = outcomes(running._bus, mine.session, CORE)
    assert {topic for topic, outcome in by_service.items() if outcome == "400"} == allowed
    assert {topic for topic, outcome in by_service.items() if outcome == "403"} == set(CORE) - allowed


def test_every_permission_is_in_the_table() -> None:
    granted = frozenset().union(*PERMISSIONS.values()) | ADDON_PERMISSIONS | {PUBLIC, STUDIO_ONLY}
    assert {TOPICS[topic].needs for topic in CORE} <= granted
