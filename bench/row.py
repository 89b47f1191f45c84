"""One line of the table of budgets: what Qi does, beside the peer it is measured against."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: everything in the table of results, next to nothing in a test that it can be."""

    rounds: int = 5
    """Qi and its peer take turns this often; the median of the rounds counts."""
    events: int = 1_000_000
    """In the log that is rebuilt, proved and searched."""
    share: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """This size's share of `count`, `least` of them at least."""
        return max(least, int(count * self.share))


@dataclass(frozen=True, slots=True)
class Samples:
    """One figure a round; interleaved in one run, so that what else the machine does meets both alike."""

    qi: list[float]
    peer: list[float]
    """Empty for a row whose budget is absolute."""

    @property
    def score(self) -> float:
        """What the budget is about: Qi's median over its peer's, or Qi's median alone."""
        median = statistics.median(self.qi)
        return median / statistics.median(self.peer) if self.peer else median


@dataclass(frozen=True, slots=True)
class Row:
    """`measure` leaves nothing behind. `budget` and `goal` are ratios of Qi to its peer, or in `unit` without one."""

    key: str
    """How it is asked for on the command line."""
    name: str
    peer: str
    """What the peer is and what each figure holds; without one what exactly is timed."""
    unit: str
    budget: float
    goal: float
    better: Literal["more", "less"]
    measure: Callable[[Size], Samples]

    def verdict(self, score: float) -> str:
        """`goal`, `budget` or `missed`."""
        for bound, verdict in ((self.goal, "goal"), (self.budget, "budget")):
            if (score >= bound) if self.better == "more" else (score <= bound):
                return verdict
        return "missed"
