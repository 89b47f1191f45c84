"""Where windows were, so that they come back there. Any thread."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger("qi.desktop")

SMALLEST, LARGEST = (640, 420), (8000, 8000)
STEP, STEPS = 32, 8
"""Pixels, and after how many windows it begins in the middle again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Pixels of the desktop."""

    x: int
    y: int
    width: int
    height: int
    maximized: bool = False
    """Then the rest is where it goes back to."""


def is_seen(place: Place, screens: list[Place]) -> bool:
    """Whether the middle of its title bar, by which it can be moved, lies on one of these screens."""
    middle, top = place.x + place.width // 2, place.y
    return any(s.x <= middle < s.x + s.width and s.y <= top < s.y + s.height for s in screens)


def offered(screen: Place, width: int, height: int, others: int) -> Place:
    """For a window that never had one: the middle, a step further for each other that is open, so that all are seen."""
    step = STEP * (others % STEPS)
    x, y = screen.x + (screen.width - width) // 2 + step, screen.y + (screen.height - height) // 2 + step
    return Place(max(screen.x, x), max(screen.y, y), width, height)


def _place(said: dict[str, Any]) -> Place:
    maximized = bool(said.get("maximized", False))
    return Place(**{k: int(v) for k, v in said.items() if k != "maximized"}, maximized=maximized)


class Places:
    """One file; what is wrong with it costs the places and nothing else."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._places: dict[str, Place] = {}
        try:
            said = json.loads(file.read_text("utf-8"))
            self._places = {str(name): _place(one) for name, one in said.items()}
        except FileNotFoundError:
            log.debug("no window was ever placed")
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read: windows open where they open (%s)", file, error)

    def of(self, name: str, screens: list[Place]) -> Place | None:
        """Where the window was, if it can be seen there."""
        place = self._places.get(name)
        if place is None or not (
            SMALLEST[0] <= place.width <= LARGEST[0] and SMALLEST[1] <= place.height <= LARGEST[1]
        ):
            return None
        return place if is_seen(place, screens) else None

    def keep(self, name: str, place: Place) -> None:
        """Remember, and write it down. A disk that does not take it is logged."""
        if self._places.get(name) == place:
            return
        self._places[name] = place
        temporary = self._file.with_name(f".{self._file.name}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({k: asdict(v) for k, v in self._places.items()}, indent=1), "utf-8")
            temporary.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._file, error)
