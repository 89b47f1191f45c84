"""The colours of the pages: whatever is written, it can be read on whatever it stands on, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[1] / "ui" / "src" / "lib" / "tokens.css"
WRITTEN = (
    "text", "muted", "faint", "accent", "accent-strong", "running", "ok", "failed", "blocked", "stale",
)  # fmt: skip
GROUNDS = ("bg", "surface", "raised", "hover", "accent-soft", "failed-soft", "blocked-soft", "ok-soft")
LEAST = 4.5
"""What WCAG 2 asks of text at level AA."""


def _light(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_light(one), _light(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_and_states_can_be_read_on_every_ground(theme: str) -> None:
    block = re.search(rf"\[data-theme='{theme}'\] \{{(.*?)\}}", TOKENS.read_text("utf-8"), re.DOTALL)
    assert block is not None
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block[1]))
    pairs = [(text, ground) for text in WRITTEN for ground in GROUNDS] + [("on-accent", "accent")]
    found = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: round(contrast, 2) for pair, contrast in found.items() if contrast < LEAST} == {}
