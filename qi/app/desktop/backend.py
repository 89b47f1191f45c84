"""Which toolkit can show a window here, and why none can. Any thread; imports no toolkit."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import Literal

from qi.errors import Unavailable

Toolkit = Literal["qt", "gtk", "native"]


@dataclass(frozen=True, slots=True)
class Backend:
    """What pywebview is told to use."""

    toolkit: Toolkit
    """`native` is the system's own, on Windows and macOS."""

    @property
    def name(self) -> str | None:
        """As `webview.start(gui=…)` takes it."""
        return None if self.toolkit == "native" else self.toolkit


def choose() -> Backend:
    """The toolkit to use. Raises :class:`Unavailable` with the reason when there is none.

    Looked at before a toolkit is imported: without a display Qt ends the whole process.
    """
    if importlib.util.find_spec("webview") is None:
        raise Unavailable(
            "no window can be shown: pywebview is not installed",
            remedy="pip install 'qi-pipeline[desktop]' brings it",
        )
    if sys.platform in ("win32", "darwin"):
        return Backend("native")
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise Unavailable("no window can be shown: there is no display", remedy="log in to a desktop, or set DISPLAY")
    asked = os.environ.get("PYWEBVIEW_GUI", "")
    if asked != "gtk" and importlib.util.find_spec("PySide6") and importlib.util.find_spec("qtpy"):
        return Backend("qt")
    if importlib.util.find_spec("gi"):
        return Backend("gtk")
    raise Unavailable(
        "no window can be shown: neither Qt nor GTK is installed for this Python",
        remedy="pip install 'qi-pipeline[desktop]' brings Qt",
    )
