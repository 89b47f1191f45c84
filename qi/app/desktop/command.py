"""A command of an addon, as the tray offers it and a page runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    addon: str
    topic: str
    title: str
