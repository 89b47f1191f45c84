"""Which Qi this is. Any thread."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

DISTRIBUTION = "qi-pipeline"


@cache
def release() -> str:
    """The installed release, as in "0.1.0"."""
    return version(DISTRIBUTION)
