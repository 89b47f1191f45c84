"""What benchmarks send and store: an event as a publish records it, its JSON close to 465 bytes."""

from __future__ import annotations

from typing import Any

from events.ids import new_id
from events.record import DomainEvent, NewEvent, StreamName, event

STREAMS = 997


@event("bench.noted")
class Noted(DomainEvent):
    """Of the shape that :func:`body` has."""

    project: str
    entity: str
    product: str
    version: int
    path: str
    frames: tuple[int, int]
    bytes: int
    status: str
    manifest: str
    comment: str
    user: str
    host: str


def body(number: int) -> dict[str, Any]:
    """A payload of about 465 bytes."""
    return {
        "project": "lighthouse",
        "entity": f"seq{number % 40:03d}/sh{number % 500:04d}",
        "product": "comp_beauty",
        "version": number % 40,
        "path": f"/mnt/projects/lighthouse/sh{number % 500:04d}/comp/publish/v{number % 40:03d}/main.####.exr",
        "frames": [1001, 1096],
        "bytes": 1843200 + number,
        "status": "pending_review",
        "manifest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "comment": "Tightened the matte around the lamp once more, with the new grade from the review of Monday",
        "user": "adaline.k",
        "host": "ws-0417.lighthouse.example",
    }


def new_event(number: int, streams: int = STREAMS) -> NewEvent:
    return NewEvent(StreamName(f"bench-{number % streams:06d}"), "bench.noted", body(number), id=new_id())
