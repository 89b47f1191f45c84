"""Logging in and out, one-time links, and a server that is lost and comes back, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from playwright.sync_api import expect

from events.ids import new_id
from qi.app import front
from qi.app.front import ServerFile
from qi.app.server.doors import REQUESTS_A_CLIENT
from qi.contracts.auth import EndLogins
from qi.contracts.bundles import CreateBundle
from qi.testing.server import PASSWORD, RunningServer
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

CRF = '[data-setting="media.review_crf"]'


def test_a_wrong_password_is_told_and_the_right_one_opens_the_pages(window: Callable[..., Any]) -> None:
    one = window()
    one.page.goto(one.url + "/history")
    one.log_in("root", "not the password")
    expect(one.page.get_by_role("alert")).to_be_visible()
    expect(one.page.get_by_label("User")).to_have_value("root")
    one.log_in("root")
    expect(one.page.get_by_role("heading", name="History")).to_be_visible()
    expect(one.page.get_by_test_id("wire")).to_contain_text("Live")
    one.page.reload()  # the access token was in memory only; the cookie brings a new one
    expect(one.page.get_by_role("heading", name="History")).to_be_visible()
    stored = one.page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie")
    assert "eyJ" not in stored


def test_however_many_windows_open_their_pages_scripts_are_not_kept_from_them(server: RunningServer) -> None:
    with server.client() as one:
        script = re.search(r"/_app/immutable/[^\"']+\.js", one.http.get("/").text)
        assert script is not None
        asked = [one.http.get(script[0]).status_code for _ in range(REQUESTS_A_CLIENT.amount + 1)]
        assert set(asked) == {200}
        assert one.http.get("/healthz").status_code == 200


def test_a_one_time_link_opens_a_page_and_leaves_no_code_in_the_address(
    window: Callable[..., Any], server: RunningServer
) -> None:
    one = window()
    one.page.goto(server.front.link("/bundles"))
    expect(one.page.get_by_role("heading", name="Bundles")).to_be_visible()
    assert "code" not in one.page.url


def test_a_log_in_that_ends_asks_for_another_and_keeps_what_was_typed(
    window: Callable[..., Any], studio: RunningStudio
) -> None:
    one = window("ada")
    page = one.go("/settings?addon=media")
    page.locator(f"{CRF} input").fill("33")
    studio.bus.request(EndLogins(name="ada", reason="a lost machine", command=new_id()))
    expect(page.get_by_text("Log in again to go on")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("wire")).to_contain_text("Live")
    expect(page.locator(f"{CRF} input")).to_have_value("33")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(CRF)).to_have_attribute("data-status", "overridden")


def test_a_killed_server_is_told_and_its_pages_go_on_by_themselves_with_what_was_typed(
    window: Callable[..., Any], studio: RunningStudio, server: RunningServer, shot: Shot
) -> None:
    one = window("root")
    page, typed = one.go("/bundles"), one.context.new_page()
    typed.goto(one.url + f"/settings?addon=media&scope=project&project={shot.project}")
    typed.locator(f"{CRF} input").fill("34")
    address = server.url.partition("//")[2]
    running = ServerFile.read(studio.home)
    assert running is not None
    psutil.Process(running.pid).kill()
    server.front.stop()
    try:
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
        expect(page.locator("[data-pointer=production]")).to_be_visible()  # what was known stays
        name = f"meanwhile {new_id()[-8:]}"
        studio.bus.request(CreateBundle(name=name, reason="nobody was told", command=new_id()))
    finally:
        server.front = front.start(studio.home, front.Doorway(address))
    # Both windows have one refresh token between them, and nobody is asked to log in.
    expect(page.get_by_role("button", name=name)).to_be_visible(timeout=60_000)
    expect(typed.get_by_test_id("wire")).to_contain_text("Live", timeout=60_000)
    expect(typed.locator(f"{CRF} input")).to_have_value("34")
    typed.get_by_role("button", name="Save").click()
    expect(typed.locator(CRF)).to_have_attribute("data-status", "overridden")


def test_a_studio_that_gives_no_answer_is_told_though_its_server_does_and_its_pages_go_on_with_it(
    window: Callable[..., Any], studio: RunningStudio
) -> None:
    page = window("root").go("/bundles")
    expect(page.get_by_test_id("wire")).to_contain_text("Live")
    connection = studio.home.connection()
    assert connection is not None
    process = psutil.Process(connection.pid)
    process.suspend()
    try:
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached", timeout=30_000)
        expect(page.get_by_test_id("wire")).to_contain_text("Offline")
        page.reload()  # whoever comes meanwhile is told at once, and not let into what does not answer
        expect(page.get_by_test_id("wire")).to_contain_text("Offline", timeout=30_000)
    finally:
        process.resume()
    expect(page.get_by_test_id("wire")).to_contain_text("Live", timeout=30_000)
    expect(page.get_by_role("alert")).to_have_count(0)
    name = f"afterwards {new_id()[-8:]}"
    studio.bus.request(CreateBundle(name=name, reason="it answers again", command=new_id()))
    expect(page.get_by_role("button", name=name)).to_be_visible()
