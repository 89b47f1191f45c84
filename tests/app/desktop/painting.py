"""An addon that brings an application which only waits, and a command with a place in the tray."""

from __future__ import annotations

import sys
from pathlib import Path

MANIFEST = """
name = "painting"
version = "1.0.0"
[[applications]]
name = "easel"
title = "Easel"
programs = ["{python}"]
arguments = ["-c", "{easel}"]
[[commands]]
title = "Mix a colour"
topic = "painting.mix"
tray = true
"""
EASEL = "import time; time.sleep(300)"


def given_painting(folder: Path) -> None:
    """Written below a folder of addons."""
    (folder / "painting").mkdir()
    manifest = MANIFEST.format(python=sys.executable, easel=EASEL)
    (folder / "painting" / "addon.toml").write_text(manifest, "utf-8")
