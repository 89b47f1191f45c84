"""The typed messages, one file a service. A message type is its topic."""

from __future__ import annotations

import importlib
import pkgutil


def import_all() -> None:
    """Make every message type known to this process; any thread."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")

