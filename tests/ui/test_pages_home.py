"""The pages Home, Publish and Publishes in a real browser."""

from __future__ import annotations

import re
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from events.ids import new_id
from qi.contracts.bundles import CreateBundle, FreezeBundle
from qi.contracts.db import AddNote, CreateEntity, CreateProject, ListEntities, RegisterVersion
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.fixtures import tells_and_dies
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

DROPPED = ("beauty.1001.exr", "beauty.1003.exr")
DATA_TRANSFER = """(files) => {
    const made = new DataTransfer();
    for (const [name, content] of Object.entries(files))
        made.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
    return made;
}"""


def test_a_project_and_a_shot_are_made_and_their_settings_compared(
    window: Callable[..., Any], studio: RunningStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = window("root").go("/")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name", exact=True).fill("Tidewater")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="Tidewater")).to_be_visible()
    page.get_by_role("button", name="New shot…").click()
    page.get_by_label("Path").fill("seq030/sh0300")
    page.get_by_label("Tasks").fill("comp, light")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="seq030/sh0300")).to_be_visible()
    expect(page.get_by_role("treeitem", name=re.compile("sh0300"))).to_be_visible()
    expect(page.get_by_role("combobox", name="Status of light")).to_be_visible()

    # What others do comes by itself.
    shot = studio.bus.request(ListEntities(project="Tidewater", parent=None, text="sh0300")).items[0]
    studio.bus.request(AddNote(project="Tidewater", target=shot.id, text="Too dark", command=new_id()))
    expect(page.get_by_text("Too dark")).to_be_visible()
    studio.bus.request(CreateEntity(project="Tidewater", path="seq030/sh0310", command=new_id()))
    expect(page.get_by_role("treeitem", name=re.compile("sh0310"))).to_be_visible()
    studio.bus.request(CreateProject(name="Longshore", command=new_id()))
    expect(page.get_by_role("option", name="Longshore")).to_be_attached()

    # Who works there, as the program that was launched there says.
    for name, value in (("PROJECT", "Tidewater"), ("ENTITY", "seq030/sh0300"), ("TASK", "light")):
        monkeypatch.setenv(f"QI_{name}", value)
    joined = studio.join()
    here = page.get_by_role("table", name="Sessions").get_by_role("row").filter(has_text=joined.session[-8:])
    expect(here).to_contain_text("seq030/sh0300 · light")
    joined.leave()
    expect(page.get_by_text("No session works here")).to_be_visible()

    # What can be launched there is offered; without a desktop it is said why it does not come.
    applications = page.get_by_role("group", name="Applications")
    applications.get_by_label("Task to launch in").select_option("light")
    applications.get_by_role("button", name="Terminal").click()
    expect(page.get_by_text("no desktop of root is open")).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("launch term")
    expect(page.get_by_role("option", name="Launch Terminal")).to_contain_text("sh0300 · light")
    page.keyboard.press("Escape")

    changed = (Setting(path="media.review_crf", value=14),)
    studio.bus.request(PatchSettings(scope="project", target="Tidewater", settings=changed, command=new_id()))
    page.goto(page.url.partition("/?")[0] + "/settings?addon=media")
    page.get_by_role("button", name="Compare…").click()
    sides = page.get_by_role("dialog", name="Compare the settings of media")
    expect(sides.get_by_label("Project").nth(1)).to_have_value("Tidewater")
    expect(sides.get_by_role("row").filter(has_text="media.review_crf")).to_contain_text("14")
    sides.get_by_label("Project").nth(0).select_option("Tidewater")
    expect(sides).to_contain_text("Both see the same.")


def given_version_like(studio: RunningStudio, shot: Shot, product: str) -> None:
    """A version that the tracker knows of, with the files of the shot's one publish."""
    (planned,) = studio.events(type="publish.planned", entity=f"{shot.project}/{shot.entity}")
    studio.bus.request(
        RegisterVersion(
            project=shot.project, entity=shot.entity, task=shot.task, product=product, number=1, path="/elsewhere",
            publish=planned.stream.partition("-")[2], key=new_id(), plan=planned.data["plan"], command=new_id(),
        )
    )  # fmt: skip


def test_dropped_frames_are_published_and_their_history_is_read(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot, frames: str
) -> None:
    page = window("root").go(f"/?project={shot.project}&entity={shot.entity}")
    page.get_by_role("link", name="Publish here").click()
    page.get_by_label("Product").fill("plate")
    # The browser's own event, with real files; the middle frame is missing.
    content = {name: b64encode(Path(frames).with_name(name).read_bytes()).decode() for name in DROPPED}
    dropped = page.evaluate_handle(DATA_TRANSFER, content)
    page.get_by_role("group", name="Drop files here").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.get_by_role("list", name="Dropped files")).to_have_text("beauty.####.exr")
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_role("list", name="What was recognised")).to_contain_text(re.compile("1001.1003 .* 2 frames"))
    expect(preview).to_contain_text("1 missing: 1002")
    expect(preview).to_contain_text(re.compile(r"plate v001.*a preview.*plate/v001", re.DOTALL))
    page.locator("form").get_by_role("button", name="Publish", exact=True).click()
    run = page.locator("section[aria-label=Publish]")
    expect(run.locator("header")).to_contain_text("failed", timeout=60_000)
    wrong = run.get_by_role("alert")
    expect(wrong.get_by_text("Render the missing frames, then publish again.", exact=True)).to_be_visible()
    run.get_by_role("button", name="Hold the frame before each gap").click()
    expect(run.locator("header")).to_contain_text("succeeded", timeout=60_000)
    expect(run).to_contain_text("ValidateFrameRange.repair")
    # What failed before the repair is told from what counts.
    before = run.get_by_role("listitem").filter(has=page.get_by_title("It was done again below: that counts"))
    expect(before.filter(has_text="ValidateFrameRange · plate").locator("[data-state=stale]")).to_have_text("failed")
    expect(run).to_contain_text("asked for by root")
    run.get_by_role("button", name="Log of ValidateFrameRange.repair").click()
    expect(run).to_contain_text("INFO plate: the frame before each was held for 1002")
    run.get_by_role("button", name="Show").click()
    made_with = page.get_by_role("dialog", name="What it was made with")
    expect(made_with.get_by_role("textbox", name="Manifest")).to_contain_text('"bundle_digest"')
    page.keyboard.press("Escape")
    page.goto(page.url.partition("/publish")[0] + f"/?project={shot.project}&entity={shot.entity}")
    expect(page.get_by_role("link", name="plate v001")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="plate v001"))
    expect(row.locator("[data-slot='version.action'] panels-mark")).to_have_text("mark: entity,product,project,version")
    page.get_by_role("button", name="Files of plate v001").click()
    unfolded = page.get_by_role("group", name="Files and links of plate v001")
    expect(unfolded).to_contain_text(re.compile(r"/plate/v001.*3 files", re.DOTALL))
    unfolded.get_by_role("button", name="Every file…").click()
    expect(unfolded.get_by_role("grid").get_by_role("row").first).to_contain_text("1001.exr")
    given_version_like(studio, shot, "comp")
    unfolded.get_by_role("button", name="Say what plate v001 was made from").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Version").select_option("comp v001")
    dialog.get_by_role("button", name="Add it").click()
    unfolded.get_by_role("link", name="comp v001").click()
    expect(page.get_by_label("Used by").get_by_role("link", name="plate v001")).to_be_visible()
    page.get_by_role("button", name="Make folders").click()
    expect(page.get_by_role("list", name="Folders that were made")).to_contain_text(f"{shot.entity}/work")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Review plate v001").click()
    player = page.get_by_role("dialog", name="plate v001")
    seen = "(movie) => movie.readyState > 1 || new Promise((seen) => (movie.oncanplay = seen))"
    player.locator("video").evaluate(seen)
    page.keyboard.press("Escape")
    expect(player).to_have_count(0)
    page.get_by_role("cell", name="plate v001", exact=True).get_by_role("link").click()
    run.get_by_role("link", name="Its events").click()
    page.get_by_role("button", name=re.compile("publish.registered .*sh0100 plate")).first.click()
    causes = page.get_by_role("region", name="What the event says").get_by_role("listitem")
    expect(causes.filter(has_text="publish.repair_asked").last).to_be_visible()


def test_a_publish_with_another_bundle_is_run_again_from_where_its_frames_lie_now(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot, frames: str, tmp_path: Path
) -> None:
    then, now, bundle = tmp_path / "then", tmp_path / "now", f"spring_{new_id()[-8:]}"
    shutil.copytree(Path(frames).parent, then)
    studio.bus.request(CreateBundle(name=bundle, dev=True, command=new_id()))
    studio.bus.request(FreezeBundle(bundle=bundle, command=new_id()))
    page = window("root").go(f"/?project={shot.project}&entity={shot.entity}")
    page.get_by_role("link", name="Publish here").click()
    page.get_by_label("Product").fill("moved")
    page.get_by_label("Files on the studio's machine").fill(str(then / Path(frames).name))
    page.get_by_text("With another bundle").click()
    page.get_by_role("combobox", name="Bundle").select_option(bundle)
    page.locator("form").get_by_role("button", name="Publish", exact=True).click()
    run = page.locator("section[aria-label=Publish]")
    expect(run.locator("header")).to_contain_text(re.compile("v001.*succeeded"), timeout=60_000)
    expect(run.get_by_role("link", name=bundle)).to_be_visible()

    then.rename(now)
    run.get_by_role("button", name="Rerun").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Input files lie elsewhere now").click()
    dialog.get_by_label("OLD=NEW").fill(f"{then}={now}")
    dialog.get_by_role("button", name="Rerun").click()
    expect(run.locator("header")).to_contain_text(re.compile("v002.*succeeded"), timeout=60_000)
    expect(run).to_contain_text("Replay of")

    listed = page.get_by_role("region", name="All publishes")
    page.get_by_label("Find publishes").fill(f"MOVED {bundle}")
    expect(listed.get_by_role("row")).to_have_count(3)  # with the one of the headings
    page.get_by_role("combobox", name="State").select_option("Cancelled")
    expect(listed).to_contain_text("No publish fits")
    page.get_by_role("combobox", name="State").select_option("Succeeded")
    expect(listed.get_by_role("row")).to_have_count(3)
    expect(page).to_have_url(re.compile("(?=.*publish=)(?=.*state=succeeded)(?=.*text=MOVED)"))
    page.reload()
    expect(listed.get_by_role("row")).to_have_count(3)


def test_a_publish_whose_end_nobody_knows_goes_on_when_somebody_says_whether_it_took_effect(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot, frames: str, plugins: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    told = tmp_path / "told.txt"
    environment = plugins(tells_and_dies(told))
    info = studio.finished(studio.publish(shot, [frames], product="told", environment=environment))
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    page = window("root").go("/publishes")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill(info.publish[-8:])
    page.get_by_role("option", name=re.compile(f"told v001.*{info.publish[-8:]}")).click()
    run = page.locator("section[aria-label=Publish]")
    expect(run.locator("header")).to_contain_text("unknown")
    run.get_by_role("button", name="Resume").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("did it take effect?").select_option("Yes: go on after it")
    dialog.get_by_role("button", name="Resume").click()
    expect(run.locator("header")).to_contain_text("succeeded", timeout=60_000)
    assert told.read_text() == "told\n"
