"""The tour's picture of the desktop: the real window and what was launched from it, on a screen that nobody sees."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ImageGrab
from playwright.sync_api import Browser, Error, Page, Playwright

LIMIT_S = 60.0
NEEDED = ("Xvfb",)
"""Of Debian: xvfb."""


def missing() -> list[str]:
    """The programs that it takes and this machine does not have."""
    return [name for name in NEEDED if not shutil.which(name)]


@contextmanager
def window(driver: Playwright, home: Path) -> Iterator[tuple[Page, str]]:
    """The desktop of a studio that runs; its page, and the name of the screen it is on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert screen.stdout is not None
    display = f":{screen.stdout.readline().strip()}"
    command = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())", "--home"]
    desktop = subprocess.Popen(
        [*command, str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={
            **os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "QI_DESKTOP_DEBUG_PORT": port,
        },
    )  # fmt: skip
    try:
        browser = _reached(driver, f"http://127.0.0.1:{port}")
        page = browser.contexts[0].pages[0]
        page.set_default_timeout(LIMIT_S * 1000)
        page.get_by_test_id("wire").get_by_text("Live").wait_for()
        yield page, display
    finally:
        desktop.terminate()
        desktop.wait(LIMIT_S)
        screen.terminate()
        screen.wait(LIMIT_S)


def picture(display: str) -> bytes:
    """What is on the screen, without the black around it, as PNG."""
    whole = ImageGrab.grab(xdisplay=display)
    cut = io.BytesIO()
    whole.crop(whole.getbbox()).save(cut, "png")
    return cut.getvalue()


def _reached(driver: Playwright, address: str) -> Browser:
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            return driver.chromium.connect_over_cdp(address, no_defaults=True)
        except Error:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
