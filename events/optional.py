"""Leaving out what a library takes along when it is there and is never asked for here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Iterator[None]:
    """Within the block `package` seems not to be installed, unless it was imported before. For imports at the head of
    a module, which are made while the process has one thread."""
    absent = package not in sys.modules
    if absent:
        sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules[package]
