"""The NATS service protocol (ADR-32) for the actors of one process: `nats micro ls` shows them, with their figures.

The library's own service class counts the time its callback took; an actor's callback only fills a mailbox, so Qi
answers `$SRV` itself, with the actor's figures. Bus thread, except :meth:`Services.add` and :meth:`Services.remove`.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qi.wire import Message

if TYPE_CHECKING:
    from qi.actor import Actor
    from qi.bus import Bus, Subscription

VERBS = ("PING", "INFO", "STATS")
PREFIX = "io.nats.micro.v1"


QUIET_S = 0.15
LONGEST_S = 2.0


def gather(bus: Bus) -> list[dict[str, Any]]:
    """Every actor's own figures, whichever process it is in. Waits until nobody says anything more: any thread but an
    actor's and the bus thread. What is no answer of the service protocol is left out."""
    answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    found: list[dict[str, Any]] = []
    inbox = f"{bus.inbox}.stats"
    entry = bus.subscribe(inbox, lambda msg: answers.put(msg.data))
    try:
        bus.publish("$SRV.STATS", b"", reply=inbox)
        until = time.monotonic() + LONGEST_S
        # Nobody knows how many will answer: a scatter is over when it has been quiet for a moment.
        with contextlib.suppress(queue.Empty):
            while time.monotonic() < until:
                data = answers.get(timeout=QUIET_S)
                with contextlib.suppress(ValueError):
                    found.append(json.loads(data))
    finally:
        bus.unsubscribe(entry)
    whole = (one for one in found if isinstance(one, dict) and "endpoints" in one)
    return sorted(whole, key=lambda one: str(one["name"]))


class Services:
    """Answers for every actor that this process added."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._actors: dict[str, tuple[Actor, str]] = {}
        self._lock = threading.Lock()
        self._listening = threading.Lock()
        self._subscribed: list[Subscription] = []

    def add(self, actor: Actor) -> None:
        """Any thread but the bus thread. Raises :class:`Unavailable` when the broker does not answer."""
        with self._listening:
            if not self._subscribed:
                self._subscribed = [
                    self._bus.subscribe(subject, self._asked)
                    for verb in VERBS
                    for subject in (f"$SRV.{verb}", f"$SRV.{verb}.>")
                ]
        with self._lock:
            self._actors[actor._id] = (actor, datetime.now(UTC).isoformat())

    def remove(self, actor: Actor) -> None:
        with self._lock:
            self._actors.pop(actor._id, None)

    def _asked(self, msg: Message) -> None:
        _, verb, *filters = msg.subject.split(".")
        with self._lock:
            actors = list(self._actors.values())
        for actor, started in actors:
            if msg.reply and filters == [actor.name, actor._id][: len(filters)]:
                answer = {"name": actor.name, "id": actor._id, "version": actor.version, "metadata": {}}
                answer |= {"type": f"{PREFIX}.{verb.lower()}_response", **_body(actor, verb, started)}
                self._bus.publish(msg.reply, json.dumps(answer).encode(), lossy=True)


def _body(actor: Actor, verb: str, started: str) -> dict[str, Any]:
    if verb == "PING":
        return {}
    endpoints = [
        {
            "name": e.kind.topic.replace(".", "_"),
            "subject": actor.subject_of(e),
            "queue_group": actor.name,
            "metadata": {},
        }
        for e in actor.endpoints()
    ]
    if verb == "INFO":
        return {"description": (type(actor).__doc__ or "").strip().partition("\n")[0], "endpoints": endpoints}
    stats = actor._stats
    # Qi measures an actor, not each of its endpoints: the figures stand at the first one, the rest are zero.
    total = {
        "num_requests": stats.requests,
        "num_errors": stats.errors,
        "last_error": stats.last_error,
        "processing_time": int(stats.total_s * 1e9),
        "average_processing_time": int(stats.total_s / stats.requests * 1e9) if stats.requests else 0,
    }
    empty = {k: "" if isinstance(v, str) else 0 for k, v in total.items()}
    data = {
        "mailbox": actor.mailbox.qsize(),
        "mailbox_deepest": actor.mailbox.deepest,
        "mailbox_bytes": actor.mailbox.waiting_bytes,
        "p50_ms": round(stats.percentile_ms(0.5), 3),
        "p99_ms": round(stats.percentile_ms(0.99), 3),
        "dropped": stats.dropped,
        "topics": stats.topics(),
        **actor.figures(),
    }
    return {
        "started": started,
        "endpoints": [{**e, **(total if at == 0 else empty)} for at, e in enumerate(endpoints)],
        "data": data,
    }
