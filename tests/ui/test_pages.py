"""What holds for all pages, in a real browser over a real studio and its server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from qi.testing.studio import Shot

pytestmark = pytest.mark.xdist_group("ui")

THROWN = "the barometer fell down"
PAGES = [
    "/", "/publish", "/publishes", "/history?at=9", "/settings?addon=panels", "/bundles", "/addons", "/jobs", "/mesh",
    "/admin", "/admin/log", "/admin/logs",
]  # fmt: skip
GRAVE = ("serious", "critical")
MOVED = """
window.moved = 0;
new PerformanceObserver((told) => {
    for (const one of told.getEntries()) if (!one.hadRecentInput) window.moved += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
"""How much of the page moved by itself, as browsers count it: the share of the window times how far."""
MOST_MOVED = 0.005


def test_every_page_renders_without_a_complaint_stands_still_and_is_accessible(
    window: Callable[..., Any], shot: Shot
) -> None:
    one = window("root")
    one.page.emulate_media(reduced_motion="reduce")  # colours are there at once
    one.page.add_init_script(MOVED)
    for path in [*PAGES, f"/?project={shot.project}&entity={shot.entity}"]:
        page = one.go(path)
        expect(page.locator("h1").first).to_be_attached()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("alert").filter(has_not_text=THROWN)).to_have_count(0)
        assert page.evaluate("moved") < MOST_MOVED, path
        for theme in ("dark", "light"):
            page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
            found = Axe().run(page).response["violations"]
            grave = [(path, theme, each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in GRAVE]
            assert grave == []
    assert [said for said in one.complaints if THROWN not in said] == []


def test_an_artist_sees_no_page_and_no_button_that_is_not_theirs(window: Callable[..., Any]) -> None:
    page = window("ada").go("/bundles")
    expect(page.locator("[data-pointer=production]")).to_be_visible()
    expect(page.get_by_role("button", name="Revert production")).to_have_count(0)
    expect(page.get_by_role("button", name="Ask for a check before production")).to_have_count(0)
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    page.get_by_role("button", name="base", exact=True).click()
    expect(page.get_by_role("region", name="What it holds")).to_contain_text("local")
    expect(page.get_by_role("button", name=re.compile("Pin…|Edit…|Delete…|Freeze|Check"))).to_have_count(0)
    page.goto(page.url.partition("/bundles")[0] + "/admin/log")
    expect(page.get_by_role("table", name="Events by type")).to_contain_text("bundle.created")
    expect(page.get_by_role("heading", name="Back up")).to_have_count(0)
