"""The command palette in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import WebSocket, expect

from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")


def test_the_palette_opens_a_page_by_keyboard(window: Callable[..., Any]) -> None:
    page = window("root").go("/")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("histo")
    expect(page.get_by_role("option", name=re.compile("History"))).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/history")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/mesh")


# What the list shows before anybody else has had a turn: nothing was asked of the studio for it.
AT_ONCE = """(typed) => {
    const input = document.querySelector("[role=dialog] input");
    input.value = typed;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    return Promise.resolve().then(() => [...document.querySelectorAll("[role=option]")].map((one) => one.textContent));
}"""


def test_the_palette_answers_at_once_with_what_it_knows_then_with_what_the_studio_knows_and_leads_there(
    window: Callable[..., Any], studio: RunningStudio
) -> None:
    known = studio.given_project("Palette known", entity="seq077/sh7700")
    for number in range(9):
        further = studio.given_project(f"Palette {number}", entity="lostshot" if number == 8 else "seq077/sh7701")
    page = window("root").go("/")
    page.keyboard.press("Control+k")
    option = page.get_by_role("dialog").get_by_role("option", name=re.compile("^Palette known"))
    page.get_by_placeholder("Go to, do, find…").fill("palette kn")
    expect(option).to_be_visible()
    assert any(known.project in text for text in page.evaluate(AT_ONCE, "palette known"))
    page.get_by_placeholder("Go to, do, find…").fill("media.thumb")
    expect(page.get_by_role("option", name=re.compile("^media.thumb"))).to_be_visible()  # the schemas have come
    page.get_by_placeholder("Go to, do, find…").fill("")
    assert page.evaluate(AT_ONCE, "media.thumb")[0].startswith("media.thumb")
    page.get_by_placeholder("Go to, do, find…").fill("sh7700")
    page.get_by_role("option", name="sh7700").click()
    page.wait_for_url("**/?project=Palette%20known&entity=seq077%2Fsh7700")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("lostshot")
    expect(page.get_by_role("option", name=f"lostshot {further.project}")).to_be_visible()
    page.keyboard.press("Escape")

    # A setting by its path: shown on its page, and ready to be changed.
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("media.fps")
    page.keyboard.press("Enter")
    row = page.locator('[data-setting="media.fps"]')
    expect(row).to_be_in_viewport()
    expect(row.locator("#setting-media\\.fps")).to_be_focused()


def test_the_palette_runs_an_addons_command_and_opens_its_window(window: Callable[..., Any], shot: Shot) -> None:
    one = window("root")
    page = one.go("/")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("barometer")
    page.get_by_role("option", name=re.compile("Tap the barometer")).click()
    expect(page.get_by_text("It rises, root")).to_be_visible()
    page.get_by_role("button", name="Notices, 1 unread").click()
    expect(page.get_by_role("list", name="Notices")).to_contain_text("The barometer was tapped")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Notices", exact=True)).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("radar")
    with one.context.expect_page() as opened:
        page.get_by_role("option", name=re.compile("Open Radar")).click()
    radar = opened.value
    expect(radar.locator("panels-dailies")).to_have_text("panels-dailies: true, dark, root")
    expect(radar.get_by_role("navigation", name="Pages")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("start a job")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Start a job")
    # Of all addons that run, only those that do jobs.
    expect(dialog.get_by_role("combobox", name=re.compile("^Addon")).get_by_role("option")).to_have_text(["panels"])
    expect(dialog.get_by_role("combobox", name="Job")).to_have_value("read_off")
    arguments = dialog.get_by_role("textbox", name="Arguments")
    arguments.fill('["by"]')
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a JSON object")
    arguments.fill('{"by": 4}')
    dialog.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="read_off of panels", exact=True).click()
    expect(page.get_by_role("table", name="Jobs")).to_contain_text('"rises": 8')


CHOSEN = """() => {
    (window.qiChosen ??= []).push({ addon: "panels", topic: "panels.tap", title: "Tap the barometer" });
    window.dispatchEvent(new CustomEvent("qi:run"));
}"""
"""What the desktop's window does when a command is chosen in the tray."""


def test_no_address_runs_a_command_and_one_that_was_chosen_in_the_tray_runs_once(window: Callable[..., Any]) -> None:
    one = window("root")
    asked: list[str] = []

    def hear(wire: WebSocket) -> None:
        wire.on("framesent", lambda frame: asked.append(str(frame)) if "panels.tap" in str(frame) else None)

    one.page.on("websocket", hear)
    page = one.go("/?run=panels.tap")
    told = page.get_by_text("It rises, root")
    page.evaluate("window.dispatchEvent(new CustomEvent('qi:go', { detail: '/publishes?run=panels.tap' }))")
    page.wait_for_url("**/publishes?run=panels.tap")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("barometer")
    expect(page.get_by_role("option", name=re.compile("Tap the barometer"))).to_be_visible()  # the page knows of it
    page.keyboard.press("Escape")
    assert asked == []
    page.evaluate(CHOSEN)
    expect(told).to_be_visible()
    assert len(asked) == 1

    # Chosen before the page is there.
    page.add_init_script(f"({CHOSEN})()")
    page.goto(one.url + "/history")
    expect(told).to_be_visible()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert len(asked) == 2
