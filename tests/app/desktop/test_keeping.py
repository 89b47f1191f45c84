"""Under a desktop that started it a studio that dies is there again, and nothing is left when the desktop quits."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from given_desktop import LIMIT_S, desktop, needs_qt, page_of
from playwright.sync_api import Playwright

from events.ids import new_id
from qi.app.join import running
from qi.app.launch import LaunchConfig
from qi.contracts.db import CreateProject
from qi.home import Home
from qi.testing.mesh import eventually

pytestmark = [pytest.mark.xdist_group("desktop"), needs_qt]


def studio_of(home: Home, besides: int = 0) -> psutil.Process:
    """The one that runs, once it is another than before."""

    def look() -> int:
        connection = home.connection()
        return connection.pid if connection and connection.pid != besides else 0

    return psutil.Process(eventually(look, LIMIT_S, "a studio"))


def test_a_studio_that_dies_under_the_desktop_that_started_it_is_started_again_and_ends_with_it(
    playwright: Playwright, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    with desktop(home.root, tmp_path / "log") as (process, port):
        page = page_of(playwright, port)
        live = page.get_by_test_id("wire")
        live.filter(has_text="Live").wait_for()
        first = studio_of(home)
        first.kill()
        second = studio_of(home, besides=first.pid)
        with running(LaunchConfig(home=home.root)) as somebody:
            somebody.bus.request(CreateProject(name="Lighthouse", command=new_id()))
        page.get_by_role("option", name="Lighthouse").wait_for(state="attached")
        live.filter(has_text="Live").wait_for()
        family = [*psutil.Process(process.pid).children(recursive=True), *second.children(recursive=True), second]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
        _, left = psutil.wait_procs(family, LIMIT_S)
        assert left == []
    assert not home.connection_file.exists()
