"""The real window, without a screen: driven over its debugging port by what it shows."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from given_desktop import COMMAND, LIMIT_S, bridge, desktop, needs_qt, needs_screen, page_of
from painting import EASEL, MIXED
from playwright.sync_api import Error, Page, Playwright
from tray_host import display, tray_host

from qi.app import front
from qi.app.beside import USUAL_PORTS
from qi.app.desktop.places import SMALLEST, Place, Places
from qi.contracts.applications import Launch
from qi.contracts.windows import CloseWindow, ListWindows, OpenWindow
from qi.errors import Invalid
from qi.home import Home
from qi.testing.images import write_sequence
from qi.testing.mesh import eventually
from qi.testing.processes import children, zombies
from qi.testing.studio import RunningStudio

pytestmark = pytest.mark.xdist_group("desktop")


@needs_qt
def test_a_window_opens_logged_in_speaks_both_ways_and_leaves_nothing(
    studio: RunningStudio, playwright: Playwright, tmp_path: Path
) -> None:
    home = studio.home.root
    kept = home / "desktop" / "windows.json"
    Places(kept).keep("main", Place(50, 60, 800, 600))
    with desktop(home, tmp_path / "log") as (process, port):
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
        (page,) = browser.contexts[0].pages
        page.wait_for_selector("nav", timeout=LIMIT_S * 1000)
        assert page.evaluate("document.documentElement.dataset.desktop") == "frameless"
        assert "#code" not in page.url

        # From the page to the window, and back.
        about = bridge(page, "about")
        assert about["window"] == "main"
        assert bridge(page, "place") == {"x": 50, "y": 60, "width": 800, "height": 600}  # where it was
        bridge(page, "put", 40, 30, 900, 700)
        assert bridge(page, "place") == {"x": 40, "y": 30, "width": 900, "height": 700}
        bridge(page, "put", 40, 30, 1, 1)
        assert bridge(page, "place")["width"] == 640  # never so small that it could not be used

        # Its server dies: another takes its place, for the window that is open and for those to come.
        killed = front.ServerFile.read(studio.home)
        assert killed is not None
        psutil.Process(killed.pid).kill()
        live = page.get_by_test_id("wire")
        live.filter(has_not_text="Live").wait_for(timeout=LIMIT_S * 1000)
        live.filter(has_text="Live").wait_for(timeout=LIMIT_S * 1000)
        assert front.find(studio.home).url == killed.url

        # From anywhere to the desktop: a second window, opened and closed by messages.
        opened = studio.bus.request(OpenWindow(name="second", path="/history", title="History"))
        assert opened.desktop == about["desktop"]
        assert {one.name for one in studio.bus.request(ListWindows()).windows} == {"main", "second"}
        studio.bus.request(CloseWindow(name="second"))
        with pytest.raises(Invalid, match="width"):
            studio.bus.request(OpenWindow(name="second", width=100_000))
        studio.bus.request(OpenWindow(name="second", width=8000, height=8000))
        studio.bus.request(CloseWindow(name="second"))
        assert [one.name for one in studio.bus.request(ListWindows()).windows] == ["main"]

        # A second start shows the first.
        said = subprocess.run(
            [*COMMAND, "--home", str(home)], capture_output=True, text=True, check=True, timeout=LIMIT_S,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )  # fmt: skip
        assert "open already" in said.stdout

        # What is launched outlives the desktop, and nothing else does.
        project = studio.given_project().project
        easel = psutil.Process(studio.bus.request(Launch(addon="painting", name="easel", project=project)).pid)
        started = psutil.Process(process.pid).children(recursive=True)
        family = [psutil.Process(process.pid), *(one for one in started if one != easel)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
        _, left = psutil.wait_procs(family, LIMIT_S)
        assert left == []
        assert easel.is_running()
        easel.kill()
    assert not studio.home.server_file.exists()
    assert Places(kept).of("main", [Place(0, 0, 800, 600)]) == Place(40, 30, *SMALLEST)


@needs_qt
def test_a_maximized_window_stays_so_when_it_is_raised_comes_back_so_and_has_its_size_again_by_the_same_button(
    studio: RunningStudio, playwright: Playwright, tmp_path: Path
) -> None:
    small = {"x": 30, "y": 20, "width": 700, "height": 500}
    Places(studio.home.root / "desktop" / "windows.json").keep("main", Place(**small))
    with desktop(studio.home.root, tmp_path / "log") as (process, port):
        page = page_of(playwright, port)
        assert bridge(page, "place") == small
        page.get_by_label("Maximize").click()
        eventually(lambda: bridge(page, "place") != small, LIMIT_S, "a large window")
        large = bridge(page, "place")
        page.get_by_label("Minimize").click()
        bridge(page, "about")
        studio.bus.request(OpenWindow())
        assert bridge(page, "place") == large
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    with desktop(studio.home.root, tmp_path / "log") as (process, port):
        page = page_of(playwright, port)
        assert bridge(page, "place") == large
        page.get_by_label("Maximize").click()
        eventually(lambda: bridge(page, "place") == small, LIMIT_S, "the size of before")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


@needs_qt
def test_a_page_whose_process_dies_is_loaded_again_in_its_window_with_its_bridge(
    studio: RunningStudio, playwright: Playwright, tmp_path: Path
) -> None:
    with desktop(studio.home.root, tmp_path / "log") as (process, port):
        page = page_of(playwright, port)
        page.evaluate("history.pushState({}, '', '/history')")
        with page.expect_event("crash"), contextlib.suppress(Error):  # nobody is left to answer
            page.context.new_cdp_session(page).send("Page.crash")
        eventually(lambda: "is loaded again" in (studio.home.logs / "desktop.jsonl").read_text("utf-8"), LIMIT_S)
        page = eventually(lambda: reached_again(playwright, port), LIMIT_S, "the page")
        assert urlsplit(page.url).path == "/history"
        assert bridge(page, "about")["window"] == "main"
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def reached_again(playwright: Playwright, port: int) -> Page | None:
    try:
        return page_of(playwright, port)
    except Error:
        return None


def is_shown(studio: RunningStudio) -> bool:
    (main,) = studio.bus.request(ListWindows()).windows
    return main.shown


@needs_qt
@needs_screen
def test_the_tray_hides_and_brings_back_the_window_counts_what_failed_and_quits(
    studio: RunningStudio, tmp_path: Path
) -> None:
    with tray_host(tmp_path) as host, display() as screen:
        place = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": screen, "DBUS_SESSION_BUS_ADDRESS": host.address}
        with desktop(studio.home.root, tmp_path / "log", **place) as (process, _):
            icon = host.icon()
            eventually(lambda: "No publish runs" in icon.menu(), LIMIT_S, "a menu")
            assert list(icon.menu())[-3:] == ["Mix a colour", "Open Qi", "Quit"]
            quiet = icon.picture

            # Closing hides the last window, a click brings it back, and hides it again.
            studio.bus.request(CloseWindow(name="main"))
            eventually(lambda: not is_shown(studio), LIMIT_S, "a hidden window")
            icon.click()
            eventually(lambda: is_shown(studio), LIMIT_S, "the window again")
            icon.click()
            eventually(lambda: not is_shown(studio), LIMIT_S, "a hidden window")
            icon.choose("Open Qi")
            eventually(lambda: is_shown(studio), LIMIT_S, "the window again")

            shot = studio.given_project()
            write_sequence(tmp_path / "torn", "beauty", 1001, 1003, size=(32, 18))
            (tmp_path / "torn" / "beauty.1002.exr").unlink()
            publish = studio.publish(shot, [str(tmp_path / "torn" / "beauty.####.exr")])
            assert studio.finished(publish).state == "failed"
            eventually(lambda: icon.tooltip == "Qi: 1", LIMIT_S, "a number on the icon")
            assert icon.picture != quiet
            eventually(lambda: "✕ beauty · sh0100" in icon.menu(), LIMIT_S, "what failed")

            # What was launched is offered again.
            launch = Launch(addon="painting", name="easel", project=shot.project, entity=shot.entity, task=shot.task)
            studio.bus.request(launch)
            eventually(lambda: "Easel · sh0100 · comp" in icon.menu(), LIMIT_S, "what was launched last")
            icon.choose("Easel · sh0100 · comp")
            eventually(lambda: len(children(process.pid, EASEL)) == 2, LIMIT_S, "another easel")
            for easel in children(process.pid, EASEL):
                easel.kill()
            eventually(lambda: not children(process.pid, EASEL), LIMIT_S, "no easels")
            eventually(lambda: not zombies(process.pid), LIMIT_S, "no zombies")

            icon.choose("Quit")
            assert process.wait(LIMIT_S) == 0


@needs_qt
@needs_screen
def test_an_addons_command_chosen_in_the_tray_runs_once_whether_the_window_is_shown_or_hidden(
    studio: RunningStudio, addons: Path, tmp_path: Path
) -> None:
    def mixed() -> int:
        done = addons / MIXED
        return len(done.read_text("utf-8").splitlines()) if done.is_file() else 0

    with tray_host(tmp_path) as host, display() as screen:
        place = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": screen, "DBUS_SESSION_BUS_ADDRESS": host.address}
        with desktop(studio.home.root, tmp_path / "log", **place) as (process, _):
            icon = host.icon()
            eventually(lambda: "Mix a colour" in icon.menu(), LIMIT_S, "the addon's entry")
            icon.choose("Mix a colour")
            eventually(mixed, LIMIT_S, "a colour")
            studio.bus.request(CloseWindow(name="main"))
            eventually(lambda: not is_shown(studio), LIMIT_S, "a hidden window")
            icon.choose("Mix a colour")
            eventually(lambda: is_shown(studio), LIMIT_S, "the window again")
            eventually(lambda: mixed() > 1, LIMIT_S, "another colour")
            icon.choose("Quit")
            assert process.wait(LIMIT_S) == 0
    assert mixed() == 2


@needs_qt
def test_of_two_that_start_at_once_one_shows_and_without_a_tray_it_is_never_hidden(
    studio: RunningStudio, tmp_path: Path
) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with (tmp_path / "log").open("wb") as said:
        command = [*COMMAND, "--home", str(studio.home.root)]
        both = [subprocess.Popen(command, env=environment, stdout=said, stderr=said) for _ in range(2)]
        try:
            (second,) = eventually(lambda: [one for one in both if one.poll() is not None], LIMIT_S, "one that ends")
            assert second.returncode == 0, (tmp_path / "log").read_text("utf-8", "replace")[-2000:]
            assert "open already" in (tmp_path / "log").read_text("utf-8")
            (first,) = [one for one in both if one is not second]
            assert is_shown(studio)
            # What the page keeps in the window's storage is kept for this port: it is the same with every start.
            assert urlsplit(front.find(studio.home).url).port in USUAL_PORTS
            studio.bus.request(CloseWindow(name="main"))
            # Nobody could bring it back: closing it is quitting.
            assert first.wait(LIMIT_S) == 0
        finally:
            for one in both:
                if one.poll() is None:
                    one.kill()
                    one.wait(LIMIT_S)


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
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()
            process.wait(LIMIT_S)
    assert not studio.home.server_file.exists()
