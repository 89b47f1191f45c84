"""How a process reaches the broker. Pure standard library; any thread."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """How this process reaches the broker."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
