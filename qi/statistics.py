"""An actor's figures, as `$SRV.STATS` and `qi status` show them. Written by the actor thread, read by any."""

from __future__ import annotations

from collections import deque

KEPT_DURATIONS = 512


class Statistics:
    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.dropped = 0
        self.last_error = ""
        self.total_s = 0.0
        self._durations: deque[float] = deque(maxlen=KEPT_DURATIONS)

    def record(self, seconds: float) -> None:
        self.requests += 1
        self.total_s += seconds
        self._durations.append(seconds)

    def failed(self, why: str) -> None:
        self.errors += 1
        self.last_error = why

    def percentile_ms(self, share: float) -> float:
        """Over the last 512 requests; 0.0 before the first."""
        durations = sorted(self._durations)
        return durations[min(len(durations) - 1, int(share * len(durations)))] * 1000 if durations else 0.0
