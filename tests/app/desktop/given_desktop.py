"""The real desktop, in a process of its own, with a port by which its pages are driven."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright

from qi.testing.mesh import eventually
from qi.testing.ports import free_port

COMMAND = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())"]
LIMIT_S = 60.0

needs_qt = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("webview", "PySide6", "qtpy"))),
    reason="the window is shown by pywebview with Qt: pip install 'qi-pipeline[desktop]'",
)


needs_screen = pytest.mark.skipif(
    not all(map(shutil.which, ("Xvfb", "dbus-daemon"))), reason="a screen and a bus: apt install xvfb dbus-daemon"
)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def desktop(home: Path, log: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`qi` without a verb, offscreen unless `more` names another platform; its process and its debugging port."""
    port = free_port()
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QI_DESKTOP_DEBUG_PORT": str(port), **more}
    with log.open("wb") as said:
        process = subprocess.Popen([*COMMAND, "--home", str(home)], env=environment, stdout=said, stderr=said)
        try:
            eventually(lambda: answers(port) or process.poll() is not None, LIMIT_S, "a window")
            assert process.poll() is None, log.read_text("utf-8", "replace")[-2000:]
            yield process, port
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(LIMIT_S)


def page_of(playwright: Playwright, port: int) -> Page:
    """The page of the window that is open, once it shows the Command Center."""
    (page,) = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True).contexts[0].pages
    page.set_default_timeout(LIMIT_S * 1000)
    page.wait_for_selector("nav")
    page.wait_for_function("document.documentElement.dataset.desktop === 'frameless'")
    return page


def bridge(page: Any, name: str, *given: Any) -> Any:
    """Call a function of the window's bridge from its page, and wait for what it answers."""
    return page.evaluate("([name, given]) => window.pywebview.api[name](...given)", [name, list(given)])
