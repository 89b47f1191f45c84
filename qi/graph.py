"""Proof that requests cannot deadlock: the actors' declared requests form no cycle. Any thread."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from qi.actor import Actor
from qi.contracts.mesh import Ping
from qi.contracts.session import Identify
from qi.errors import QiError
from qi.messages import PUBLIC, STUDIO_ONLY


def start_order(actors: Iterable[type[Actor]], *, served_elsewhere: frozenset[str] = frozenset()) -> list[str]:
    """Names of the actors, each after those it requests from.

    Raises :class:`QiError` naming the cycle, or the topic that nobody serves or two do. `served_elsewhere` lists
    topics of addons, which sit below every core service.
    """
    classes = list(actors)
    serves: dict[str, str] = {}
    for cls in classes:
        for topic in (e.kind.topic for e in cls.endpoints() if e.kind is not Ping):
            if topic in serves:
                raise QiError(f"'{serves[topic]}' and '{cls.name}' both serve '{topic}'", topic=topic)
            serves[topic] = cls.name
    needs: dict[str, set[str]] = {}
    for cls in classes:
        asked = {kind.topic for kind in cls.requests}
        guarded = any(e.guard not in (PUBLIC, STUDIO_ONLY) for e in cls.endpoints())
        if guarded and serves.get(Identify.topic) != cls.name:
            asked.add(Identify.topic)
        missing = sorted(asked - serves.keys() - served_elsewhere)
        if missing:
            raise QiError(f"'{cls.name}' requests what nobody serves: {', '.join(missing)}", actor=cls.name)
        needs[cls.name] = {serves[topic] for topic in asked if topic in serves}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise QiError(f"requests go in a circle: {cycle}", cycle=list(error.args[1])) from error
