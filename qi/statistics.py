"""An actor's figures, as `$SRV.STATS` and `qi status` show them. Written by the actor thread, read by any."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

KEPT_DURATIONS = 512
KEPT_OF_A_TOPIC = 128


class TopicStatistics:
    """What one topic took, from the arrival of a request to its answer: the wait in the mailbox is part of it."""

    __slots__ = ("durations", "requests", "total_s")

    def __init__(self) -> None:
        self.requests = 0
        self.total_s = 0.0
        self.durations: deque[float] = deque(maxlen=KEPT_OF_A_TOPIC)


class Statistics:
    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.dropped = 0
        self.last_error = ""
        self.total_s = 0.0
        self._durations: deque[float] = deque(maxlen=KEPT_DURATIONS)
        self._topics: dict[str, TopicStatistics] = {}
        self._lock = threading.Lock()

    def record(self, seconds: float) -> None:
        self.requests += 1
        self.total_s += seconds
        self._durations.append(seconds)

    def answered(self, topic: str, seconds: float) -> None:
        """Any thread: what is answered later is answered on another one."""
        with self._lock:
            known = self._topics.get(topic)
            if known is None:
                known = self._topics[topic] = TopicStatistics()
            known.requests += 1
            known.total_s += seconds
            known.durations.append(seconds)

    def failed(self, why: str) -> None:
        self.errors += 1
        self.last_error = why

    def percentile_ms(self, share: float) -> float:
        """Over the last 512 requests; 0.0 before the first."""
        return _percentile_ms(self._durations, share)

    def topics(self) -> dict[str, dict[str, float]]:
        """Topic → requests, and mean, p50 and p99 (of the last 128) in milliseconds; JSON-ready."""
        with self._lock:
            known = [(topic, one.requests, one.total_s, list(one.durations)) for topic, one in self._topics.items()]
        return {
            topic: {
                "requests": requests,
                "mean_ms": round(total_s / requests * 1000, 3),
                "p50_ms": round(_percentile_ms(durations, 0.5), 3),
                "p99_ms": round(_percentile_ms(durations, 0.99), 3),
            }
            for topic, requests, total_s, durations in known
        }


def _percentile_ms(durations: Iterable[float], share: float) -> float:
    rising = sorted(durations)
    return rising[min(len(rising) - 1, int(share * len(rising)))] * 1000 if rising else 0.0
