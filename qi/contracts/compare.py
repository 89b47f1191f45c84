"""Two runs of a publish side by side: what came out differently, and what they were made with differently."""

from __future__ import annotations

from qi.limits import Token
from qi.messages import Request, message


@message
class Difference:
    """Something that came out differently."""

    what: str
    """`instance`, `step` or `output`."""
    name: str
    """`plate.frameEnd`, `ValidateReadable:plate`, `plate_thumbnail.jpg`."""
    was: str
    """As JSON; empty when the first run had no such thing."""
    now: str
    """As JSON; empty when the second run has no such thing."""


@message
class Cause:
    """Something the runs were made with differently."""

    what: str
    """`bundle`, `addon`, `setting`, `environment`, `plugin` or `input`."""
    name: str
    was: str
    """Empty when the first run did not have it."""
    now: str
    """Empty when the second run does not have it."""


@message
class Comparison:
    first: str
    second: str
    same: bool
    """Whether instances, steps and outputs are equal."""
    differences: tuple[Difference, ...]
    causes: tuple[Cause, ...]
    cut: bool = False
    """There is more than one reply can hold."""


@message
class ComparePublishes(Request[Comparison], topic="publish.compare", needs="read", timeout_s=30.0):
    """Compare two publishes step by step; usually a publish and its what-if."""

    first: Token
    second: Token
