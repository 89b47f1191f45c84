"""The pages History and Log in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from events.ids import new_id
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")


def test_a_window_of_the_history_is_whole_also_when_its_replies_are_cut(window: Callable[..., Any]) -> None:
    one = window("root")

    def short(route: Any) -> None:
        server = route.connect_to_server()
        route.on_message(lambda text: server.send(re.sub(r'("topic":"log.read".*"limit":)\d+', r"\g<1>3", text)))

    one.page.route_web_socket(re.compile("/ws"), short)
    page = one.go("/history")
    rows = page.get_by_role("grid", name="Events").get_by_role("row")
    expect(rows.get_by_role("button").nth(8)).to_be_visible()
    expect(rows.filter(has_not=page.get_by_role("button"))).to_have_count(0)


def test_what_was_recorded_by_a_clock_that_is_ahead_of_the_browsers_was_just_now(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    one = window("root")
    one.page.add_init_script("Date.now = ((now) => () => now() - 60_000)(Date.now)")
    setting = Setting(path="media.review_crf", value=20)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(setting,), command=new_id()))
    page = one.go(f"/settings?addon=media&scope=project&project={shot.project}")
    page.get_by_role("button", name="Where media.review_crf comes from").click()
    layers = page.get_by_role("dialog").get_by_role("listitem")
    expect(layers.filter(has_text="project")).to_contain_text(re.compile("20.* · just now"))


def test_the_whole_log_is_searched_exported_shown_as_it_was_and_backed_up(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot, tmp_path: Path
) -> None:
    reason = f"because {new_id()}"

    def changed(value: int) -> int:
        setting = Setting(path="media.review_crf", value=value)
        return studio.bus.request(
            PatchSettings(scope="project", target=shot.project, settings=(setting,), reason=reason, command=new_id())
        ).position

    first, _ = changed(31), changed(32)
    page = window("root").go(f"/history?entity={shot.project}")
    page.get_by_label("Text", exact=True).fill(reason.upper())
    found = page.get_by_test_id("found")
    expect(found).to_contain_text("2 events · the whole log was looked at")
    changed(33)
    expect(found).to_contain_text("3 events")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    lines = download.value.path().read_text("utf-8").splitlines()
    assert [json.loads(line)["data"]["new"] for line in lines] == [31, 32, 33]

    # An event says what it changed, and what it differs in from the last of its kind.
    page.get_by_role("button", name=re.compile("media.review_crf: 31 → 32")).click()
    told = page.get_by_role("region", name="What the event says")
    before_and_after = told.get_by_role("list", name="Before and after")
    expect(before_and_after.get_by_role("deletion")).to_have_text("31")
    expect(before_and_after.get_by_role("insertion")).to_have_text("32")
    page.reload()  # the address names what is open
    told.get_by_role("button", name=f"Compare with #{first}").click()
    expect(before_and_after.last.get_by_role("listitem").filter(has_text="was_set")).to_contain_text(
        re.compile("false.*true", re.DOTALL)
    )
    for folders in (["editorial", "reference"], ["editorial", "reference", "turnover"]):
        setting = Setting(path="qi.paths.folders.project", value=folders)
        studio.bus.request(
            PatchSettings(scope="project", target=shot.project, settings=(setting,), reason=reason, command=new_id())
        )
    page.get_by_role("button", name=re.compile(f"qi.paths.folders.project: .*turnover.* · {shot.project}")).click()
    expect(before_and_after).to_contain_text("reference")
    expect(before_and_after.get_by_role("deletion")).to_have_count(0)
    expect(before_and_after.get_by_role("insertion")).to_have_text("turnover")

    page.keyboard.press("Escape")
    page.get_by_role("button", name="As it was").click()
    page.goto(page.url.partition("?")[0] + f"?at={first}")
    page.get_by_label("Project of the settings").select_option(shot.project)
    row = page.get_by_role("table", name="Settings then").get_by_role("row").filter(has_text="media.review_crf")
    expect(row.get_by_role("cell")).to_have_text(["media.review_crf", "31", re.compile("^project"), "33"])
    expect(page.get_by_role("table", name="Bundles then")).to_contain_text("production")
    page.get_by_role("button", name="To the change after").click()
    expect(row.get_by_role("cell").nth(1)).to_have_text("32")
    page.get_by_label("Position in the log").press("ArrowLeft")
    expect(row.get_by_role("cell").nth(1)).to_have_text("31")
    page.get_by_role("button", name=re.compile("Where media.review_crf")).click()
    expect(page.get_by_role("listitem").filter(has_text="default")).to_contain_text("18")

    page.goto(page.url.partition("/history")[0] + "/admin/log")
    counted = page.get_by_role("table", name="Events by type").get_by_role("row").filter(has_text="settings.changed")
    before = int(counted.get_by_role("cell").nth(1).inner_text())
    changed(34)
    expect(counted.get_by_role("cell").nth(1)).to_have_text(str(before + 1))
    page.get_by_role("button", name="Verify chain").click()
    expect(page.get_by_text("Chain holds")).to_be_visible()
    for _ in range(2):
        page.get_by_label("New file on the studio's machine").fill(str(tmp_path / "copy.db"))
        page.get_by_role("button", name="Back up").click()
        expect(page.get_by_text("copied and proved").or_(page.get_by_role("alert"))).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("exists already")
    assert (tmp_path / "copy.db").stat().st_size
