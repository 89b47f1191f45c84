"""One line of the table of budgets: what Qi does, beside the peer it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Samples:
    """Interleaved in one run, so that what else the machine does meets both alike."""

    qi: list[float]
    peer: list[float]
    peer_name: str


@dataclass(frozen=True, slots=True)
class Row:
    """`measure` runs for a few seconds and leaves nothing behind."""

    name: str
    unit: str
    budget: str
    goal: str
    higher_is_better: bool
    measure: Callable[[], Samples]
