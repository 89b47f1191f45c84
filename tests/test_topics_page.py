"""docs/topics.md says what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_of_topics_and_roles_is_current() -> None:
    written = (ROOT / "docs" / "topics.md").read_text("utf-8")
    assert written == runpy.run_path(str(ROOT / "scripts" / "topics.py"))["page"](), "run `python scripts/topics.py`"
