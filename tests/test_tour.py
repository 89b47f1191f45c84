"""The tour shows what there is: every page of the Command Center, and no picture that is missing."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "docs" / "tour.md"


def _stops() -> dict[str, str]:
    """Picture → address of the page it is of."""
    spec = importlib.util.spec_from_file_location("tour", ROOT / "scripts" / "tour.py")
    assert spec is not None
    assert spec.loader is not None
    sys.path.insert(0, str(ROOT / "scripts"))  # as for a script that is run
    tour = importlib.util.module_from_spec(spec)
    sys.modules["tour"] = tour  # where its dataclasses look for their module
    spec.loader.exec_module(tour)
    assert TOUR.parent / "tour" == tour.PICTURES
    return {stop.picture: stop.path for stop in tour.STOPS if stop.logged_in}


def test_every_page_is_in_the_tour_with_a_picture_that_is_there() -> None:
    named = re.findall(r"!\[[^\]]+\]\((tour/[\w-]+\.png)\)", TOUR.read_text("utf-8"))
    files = {f"tour/{file.name}": file.stat().st_size for file in (TOUR.parent / "tour").iterdir()}
    assert set(named) == set(files)
    assert {name: size for name, size in files.items() if size > 150_000} == {}
    stops = _stops()
    assert {f"tour/{picture}.png" for picture in stops} | {"tour/login.png", "tour/desktop.png"} == set(named)
    pages = re.findall(r"path: '(/[a-z]*)'", (ROOT / "ui" / "src" / "lib" / "pages.ts").read_text("utf-8"))
    assert len(pages) > 5
    assert set(pages) <= {urlsplit(path).path for path in stops.values()}
