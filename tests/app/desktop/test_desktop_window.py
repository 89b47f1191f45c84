"""The real window, without a screen: driven over its debugging port by what it shows."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Playwright

from qi.app import front
from qi.contracts.windows import CloseWindow, ListWindows, OpenWindow
from qi.home import Home
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio

COMMAND = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())"]
LIMIT_S = 40.0

needs_qt = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("webview", "PySide6", "qtpy"))),
    reason="the window is shown by pywebview with Qt: pip install 'qi-pipeline[desktop]'",
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def desktop(home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`qi` without a verb, offscreen; its process and its debugging port."""
    port = free_port()
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QI_DESKTOP_DEBUG_PORT": str(port)}
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


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with start_studio(tmp_path_factory.mktemp("desktop") / "home") as running:
        yield running


@needs_qt
def test_a_window_opens_logged_in_speaks_both_ways_and_leaves_nothing(
    studio: RunningStudio, playwright: Playwright, tmp_path: Path
) -> None:
    home = studio.home.root
    with desktop(home, tmp_path / "log") as (process, port):
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
        (page,) = browser.contexts[0].pages
        page.wait_for_selector("nav", timeout=LIMIT_S * 1000)
        assert page.evaluate("document.documentElement.dataset.desktop") == "frameless"
        assert "#code" not in page.url

        # From the page to the window, and back.
        about = bridge(page, "about")
        assert about["window"] == "main"
        bridge(page, "put", 40, 30, 900, 700)
        assert bridge(page, "place") == {"x": 40, "y": 30, "width": 900, "height": 700}
        bridge(page, "put", 40, 30, 1, 1)
        assert bridge(page, "place")["width"] == 640  # never so small that it could not be used

        # From anywhere to the desktop: a second window, opened and closed by messages.
        opened = studio.bus.request(OpenWindow(name="second", path="/history", title="History"))
        assert opened.desktop == about["desktop"]
        assert {one.name for one in studio.bus.request(ListWindows()).windows} == {"main", "second"}
        studio.bus.request(CloseWindow(name="second"))
        assert [one.name for one in studio.bus.request(ListWindows()).windows] == ["main"]

        # A second start shows the first.
        said = subprocess.run(
            [*COMMAND, "--home", str(home)], capture_output=True, text=True, check=True, timeout=LIMIT_S,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )  # fmt: skip
        assert "open already" in said.stdout

        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
        _, left = psutil.wait_procs(family, LIMIT_S)
        assert left == []
    assert not studio.home.server_file.exists()
    assert (home / "desktop" / "windows.json").is_file()


def bridge(page: Any, name: str, *given: Any) -> Any:
    """Call a function of the window's bridge from its page, and wait for what it answers."""
    return page.evaluate("([name, given]) => window.pywebview.api[name](...given)", [name, list(given)])


def test_where_no_window_can_be_shown_the_browser_is_asked(studio: RunningStudio, tmp_path: Path) -> None:
    # As after a power cut: the file of a server that is gone, with a number that another process has now.
    front.ServerFile("http://127.0.0.1:1", "stale", os.getpid()).write(studio.home)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n', "utf-8")
    browser.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    with (tmp_path / "log").open("wb") as said:
        process = subprocess.Popen(
            [*COMMAND, "--home", str(studio.home.root)], env={**kept, "BROWSER": str(browser)}, stdout=said, stderr=said
        )
        try:
            opened = tmp_path / "opened"
            link = eventually(lambda: opened.is_file() and opened.read_text("utf-8"), LIMIT_S)
            assert front.find(Home(studio.home.root)).url in link
            assert "#code=" in link
            assert "no window can be shown" in (tmp_path / "log").read_text("utf-8")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT_S)
    assert not studio.home.server_file.exists()
