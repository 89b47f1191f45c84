"""ui/src/lib/contracts.ts says what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_types_of_the_pages_are_current() -> None:
    written = (ROOT / "ui" / "src" / "lib" / "contracts.ts").read_text("utf-8")
    now = runpy.run_path(str(ROOT / "scripts" / "ui_types.py"))["page"]()
    assert written == now, "run `python scripts/ui_types.py`"
