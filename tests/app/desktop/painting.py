"""An addon that brings an application which only waits, and a command with a place in the tray, that counts."""

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
MIX = """
from pathlib import Path

from qi.actor import handles
from qi.addon import Addon
from qi.messages import Request, message

@message
class Mixed:
    text: str

@message
class Mix(Request[Mixed], topic="painting.mix", needs="read"):
    pass

class Painting(Addon):
    @handles(Mix)
    def mix(self, _: Mix) -> Mixed:
        with Path({mixed!r}).open("a", encoding="utf-8") as file:
            file.write("mixed\\n")
        return Mixed(text="Green")
"""
MIXED = "mixed.txt"
"""Beside the addons: a line for each time that a colour was mixed."""
EASEL = "import time; time.sleep(300)"


def given_painting(folder: Path) -> None:
    """Written below a folder of addons."""
    (folder / "painting").mkdir()
    manifest = MANIFEST.format(python=sys.executable, easel=EASEL)
    (folder / "painting" / "addon.toml").write_text(manifest, "utf-8")
    (folder / "painting" / "addon.py").write_text(MIX.format(mixed=str(folder / MIXED)), "utf-8")
