"""One line of the table of budgets: what Qi does, beside the peer it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: everything in the table of results, next to nothing in a test that it can be."""

    rounds: int = 9
    share: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """This size's share of `count`, `least` of them at least."""
        return max(least, int(count * self.share))


@dataclass(frozen=True, slots=True)
class Samples:
    """One figure a round; interleaved in one run, so that what else the machine does meets both alike."""

    qi: list[float]
    peer: list[float]


@dataclass(frozen=True, slots=True)
class Row:
    """`measure` leaves nothing behind. `budget` and `goal` are ratios of Qi to its peer."""

    key: str
    name: str
    peer: str
    unit: str
    budget: float
    goal: float
    better: Literal["more", "less"]
    measure: Callable[[Size], Samples]
