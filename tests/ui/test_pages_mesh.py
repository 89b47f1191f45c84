"""The pages Mesh and Logs in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from qi.contracts.folders import MakeFolders
from qi.errors import NotFound
from qi.testing.studio import RunningStudio

pytestmark = pytest.mark.xdist_group("ui")

LIMIT_MS = 30_000


def test_an_actor_is_started_anew_from_the_mesh(window: Callable[..., Any], studio: RunningStudio) -> None:
    page = window("root").go("/mesh")
    page.get_by_role("button", name="Restart notices").click()
    cell = page.get_by_role("cell", name="notices")
    row = page.get_by_role("table", name="Actors").get_by_role("row").filter(has=cell)
    expect(row).to_contain_text("running")
    expect(row.locator("td").nth(3)).to_have_text("1")

    # Nobody looks for sessions now and then: they are told as they come and go.
    joined = studio.join()
    listed = page.get_by_role("table", name="Sessions").get_by_title(f"Copy {joined.session}")
    expect(listed).to_be_visible()
    joined.leave()
    expect(listed).to_have_count(0)
    of_windows = page.get_by_role("table", name="Sessions").get_by_role("cell", name=re.compile("web"))
    expect(of_windows.first).to_contain_text("└")  # below the server's

    # Figures are live: what others ask shows without a reload.
    page.get_by_role("button", name="folders", exact=True).click()
    topics = page.get_by_role("table", name="Topics of folders").get_by_role("row")
    expect(topics.filter(has_text="mesh.ping")).to_be_visible()
    row = topics.filter(has_text="folder.make")
    before = int(row.get_by_role("cell").nth(1).inner_text()) if row.count() else 0
    for _ in range(7):
        with pytest.raises(NotFound):
            studio.bus.request(MakeFolders(project="none such"))
    cells = row.get_by_role("cell")
    expect(cells.nth(1)).to_have_text(str(before + 7), timeout=LIMIT_MS)
    expect(cells.nth(3)).to_have_text(re.compile(r"^\d+(\.\d\d)?$"))
    expect(page.locator("[data-waiting=folders]")).to_have_text(re.compile(r"^\d+ \([1-9]\d*\)$"))


def test_a_log_file_is_followed_until_somebody_scrolls_up(window: Callable[..., Any], studio: RunningStudio) -> None:
    path = studio.home.logs / "desktop.jsonl"

    def say(*said: str, level: str = "info") -> None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"event": one, "level": level, "logger": "qi.test"}) + "\n" for one in said)

    say(*(f"line {number}" for number in range(3000)))
    say("\x1b[31mred\x1b[0m <b>markup</b>", "token=hunter2hunter2", level="error")
    page = window("root").go("/admin/logs?log=desktop.jsonl")
    lines = page.get_by_role("grid", name="Lines")
    expect(page.get_by_test_id("lines")).to_contain_text("3\u202f002 lines, all")
    expect(lines.get_by_text("token=••••")).to_be_visible()
    expect(lines.get_by_text("<b>markup</b>")).to_be_visible()
    expect(page.locator(".text-failed", has_text="red")).to_be_visible()
    assert lines.get_by_role("row").count() < 100
    say("one more")
    expect(lines.get_by_text("one more")).to_be_visible()
    lines.hover()
    page.mouse.wheel(0, -5000)
    page.get_by_role("button", name="Follow", exact=True).wait_for()
    expect(lines.get_by_text("one more")).to_have_count(0)
    say("and another")
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(lines.get_by_text("and another")).to_be_visible()
    page.get_by_label("Level").select_option("error")
    expect(page.get_by_test_id("lines")).to_contain_text("2 lines, all")
