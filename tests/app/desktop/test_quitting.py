"""The real question before quitting, over the real window: read and answered as a screen reader does it."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from given_desktop import LIMIT_S, bridge, desktop, needs_qt, needs_screen, page_of
from playwright.sync_api import Playwright
from screen_reader import screen_reader
from test_leaving import WAITS
from tray_host import display

from events.ids import new_id
from qi.checked import Checked
from qi.contracts.applications import Launch
from qi.contracts.publish import CancelPublish
from qi.contracts.windows import ListWindows
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio

pytestmark = [
    pytest.mark.xdist_group("desktop"),
    needs_qt,
    needs_screen,
    pytest.mark.skipif(sys.platform != "linux", reason="screen readers of other systems ask in other ways"),
]

TITLE = "Quit Qi?"


def given_waiting_publish(studio: RunningStudio, folder: Path) -> tuple[str, str]:
    """Id of a publish that runs until it is called off, and how the question names it."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "waits.py").write_text(textwrap.dedent(WAITS), "utf-8")
    (folder / "note.txt").write_text("hold the last frame", "utf-8")
    shot = studio.given_project()
    publish = studio.publish(
        shot, [str(folder / "note.txt")], product="sky", environment={"PYBLISHPLUGINPATH": str(folder / "plugins")}
    )
    return publish, f"publish of sky ({shot.project} {shot.entity})"


def test_who_closes_the_last_window_is_asked_stays_without_losing_anything_and_quits_without_leaving_anything(
    studio: RunningStudio, playwright: Playwright, tmp_path: Path
) -> None:
    publish, named = given_waiting_publish(studio, tmp_path)
    with (
        screen_reader(tmp_path) as reader,
        display() as screen,
        desktop(
            studio.home.root, tmp_path / "log", QT_QPA_PLATFORM="xcb", DISPLAY=screen, **reader.environment
        ) as (process, port),
    ):
        page = page_of(playwright, port)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        connection = studio.home.connection()
        assert connection is not None
        mother = bridge(page, "about")["desktop"]
        child = Participant(connection.credentials, kind="dcc", parent=mother, codec=Checked(), home=studio.home)
        child.host = child.bus.host = "nextdoor"
        child.join()
        easel = psutil.Process(
            studio.bus.request(Launch(addon="painting", name="easel", project=studio.given_project().project)).pid
        )
        try:
            page.get_by_role("button", name="Close", exact=True).click()
            question = reader.dialog(TITLE)
            assert question.buttons == {"Quit", "Stay"}
            for one in (named, "dcc on nextdoor", "Easel"):
                assert f"• {one}" in question.text
            question.press("Stay")
            eventually(lambda: not reader.dialogs(TITLE), LIMIT_S, "no question")
            assert [(one.name, one.shown) for one in studio.bus.request(ListWindows()).windows] == [("main", True)]
            assert page.get_by_test_id("wire").inner_text() == "Live"
            assert not studio.shown(publish).finished_at
            assert child.bus.connected
            assert process.poll() is None
            assert easel.is_running()

            family = [one for one in psutil.Process(process.pid).children(recursive=True) if one != easel]
            page.get_by_role("button", name="Close", exact=True).click()
            reader.dialog(TITLE).press("Quit")
            assert process.wait(LIMIT_S) == 0
            _, left = psutil.wait_procs(family, LIMIT_S)
            assert left == []
            # It said that these go on.
            assert not studio.shown(publish).finished_at
            assert easel.is_running()
        finally:
            easel.kill()
            child.leave()
            studio.bus.request(CancelPublish(publish=publish, reason="enough", command=new_id()))
            studio.finished(publish)
    assert not studio.home.server_file.exists()
