"""The actors' own figures, as they answer `$SRV.STATS`, in the shape of the mesh. Pure: any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qi.contracts.studio import ActorFigures, TopicFigures

ACTORS_MOST = 300
TOPICS_MOST = 40
NAME_LONGEST = 200
COMPLAINT_LONGEST = 400


def figures_of(answers: Iterable[Mapping[str, Any]], complain: Callable[[str], None]) -> tuple[ActorFigures, ...]:
    """What is said by whoever answers is checked like anything from outside: an answer of another shape is left out,
    and `complain` is told whose and why."""
    made: list[ActorFigures] = []
    for answer in answers:
        try:
            made.append(_figures(answer))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            name = str(answer.get("name"))[:NAME_LONGEST]
            complain(f"the figures of '{name}' cannot be read: {type(error).__name__}: {error}"[:COMPLAINT_LONGEST])
    return tuple(made[:ACTORS_MOST])


def _figures(answer: Mapping[str, Any]) -> ActorFigures:
    data, first = answer["data"], answer["endpoints"][0]
    busiest = sorted(data["topics"].items(), key=lambda item: -int(item[1]["requests"]))
    return ActorFigures(
        name=str(answer["name"])[:NAME_LONGEST],
        requests=int(first["num_requests"]),
        errors=int(first["num_errors"]),
        waiting=int(data["mailbox"]),
        deepest=int(data["mailbox_deepest"]),
        waiting_bytes=int(data["mailbox_bytes"]),
        dropped=int(data["dropped"]),
        p50_ms=float(data["p50_ms"]),
        p99_ms=float(data["p99_ms"]),
        topics=tuple(
            TopicFigures(
                topic=str(topic)[:NAME_LONGEST], requests=int(one["requests"]), mean_ms=float(one["mean_ms"]),
                p50_ms=float(one["p50_ms"]), p99_ms=float(one["p99_ms"]),
            )
            for topic, one in busiest[:TOPICS_MOST]
        ),
    )  # fmt: skip
