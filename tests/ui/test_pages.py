"""The Command Center's pages in a real browser, over a real studio and its server."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from events.ids import new_id
from qi.addon_package import pack
from qi.app import front
from qi.app.front import ServerFile
from qi.app.server.doors import REQUESTS_A_CLIENT
from qi.contracts.addons import ListAddons
from qi.contracts.auth import EndLogins
from qi.contracts.bundles import ArchiveBundle, CreateBundle, EditBundle, GetBundle, PinBundle
from qi.contracts.db import AddNote, CreateEntity, CreateProject, ListEntities, RegisterVersion
from qi.contracts.folders import MakeFolders
from qi.contracts.settings import GetSettings, PatchSettings, Setting
from qi.errors import NotFound
from qi.testing.server import PASSWORD, RunningServer
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

LIMIT_MS = 15_000
THROWN = "the barometer fell down"
PAGES = [
    "/", "/publish", "/publishes", "/history?at=9", "/settings?addon=panels", "/bundles", "/addons", "/jobs", "/mesh",
    "/admin", "/admin/log", "/admin/logs",
]  # fmt: skip
CRF = '[data-setting="media.review_crf"]'
GRAVE = ("serious", "critical")


LARGEST = "Math.max(...performance.getEntriesByType('resource').map((one) => one.decodedBodySize))"
MOVED = """
window.moved = 0;
new PerformanceObserver((told) => {
    for (const one of told.getEntries()) if (!one.hadRecentInput) window.moved += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
"""How much of the page moved by itself, as browsers count it: the share of the window times how far."""
MOST_MOVED = 0.005
DROPPED = ("beauty.1001.exr", "beauty.1003.exr")
DATA_TRANSFER = """(files) => {
    const made = new DataTransfer();
    for (const [name, content] of Object.entries(files))
        made.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
    return made;
}"""


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


def test_a_setting_changed_elsewhere_appears_without_a_reload_and_a_conflict_is_decided(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    path = f"/settings?addon=media&scope=project&project={shot.project}"
    first, second = window("root").go(path), window("root").go(path)
    expect(first.locator(f"{CRF} input")).to_have_value("18")
    setting = Setting(path="media.review_crf", value=20)
    studio.bus.request(
        PatchSettings(scope="project", target=shot.project, settings=(setting,), reason="elsewhere", command=new_id())
    )
    for page in (first, second):
        expect(page.locator(f"{CRF} input")).to_have_value("20")
        expect(page.locator(CRF)).to_have_attribute("data-status", "overridden")

    first.locator(f"{CRF} input").fill("25")
    second.locator(f"{CRF} input").fill("30")
    second.get_by_role("button", name="Save").click()
    expect(second.locator(CRF)).to_have_attribute("data-status", "overridden")
    first.get_by_role("button", name="Save").click()
    dialog = first.get_by_role("dialog")
    expect(dialog).to_contain_text("30")
    expect(dialog).to_contain_text("25")
    dialog.get_by_role("button", name="Use mine").click()
    expect(second.locator(f"{CRF} input")).to_have_value("25")


def test_a_project_and_a_shot_are_made_and_their_settings_compared(
    window: Callable[..., Any], studio: RunningStudio
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


def test_items_of_lists_and_maps_are_added_renamed_moved_and_taken_away_by_keyboard(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    one = window("root")
    first_paint = one.page.evaluate(LARGEST)  # the editor's code comes with the first editor
    page = one.go(f"/settings?addon=panels&scope=project&project={shot.project}")
    press, save = page.keyboard.press, page.get_by_role("button", name="Save")
    presets = page.locator('[data-setting="panels.presets"]')
    presets.get_by_label("Name of a new item of Presets").fill("a.b")
    expect(presets.get_by_role("alert")).to_contain_text("no dot")
    presets.get_by_label("Name of a new item of Presets").fill("phone")
    press("Enter")
    page.locator('[data-setting="panels.presets.phone.crf"] input').fill("30")
    presets.get_by_role("button", name="phone", exact=True).focus()
    press("Alt+ArrowUp")
    press("Alt+ArrowUp")
    press("F2")
    page.keyboard.type("mobile")
    press("Enter")
    presets.get_by_role("button", name="archive", exact=True).focus()
    press("Delete")
    expect(presets.get_by_role("listitem")).to_have_text([re.compile("^mobile"), re.compile("^web")])

    steps = page.locator('[data-setting="panels.steps"]')
    steps.get_by_role("button", name="Add an item").click()
    steps.get_by_role("button", name="Add an item").click()
    steps.get_by_label("Quality").first.fill("99")
    expect(steps).to_contain_text("At most 51.")
    expect(save).to_be_disabled()
    steps.get_by_label("Quality").first.fill("7")
    steps.get_by_role("button", name="Move 1 down").click()
    slots = page.locator('[data-setting="panels.slots"]')
    slots.get_by_label("Name of a new key of Slots").fill("night")
    press("Enter")
    slots.get_by_label("Slots, night").fill("9")
    slots.get_by_role("button", name="Take day away").click()
    limit = page.locator('[data-setting="panels.limit"]')
    limit.get_by_role("textbox", name="Limit").fill("[1, 2")
    expect(limit.get_by_role("alert")).to_contain_text("This is no JSON.")
    limit.get_by_role("textbox", name="Limit").fill("[1, 2]")
    save.click()
    expect(presets).to_have_attribute("data-status", "overridden")

    held = studio.bus.request(GetSettings(addon="panels", project=shot.project)).values["panels"]
    assert held["presets"] == {
        "mobile": {"crf": 30, "codec": "h264"}, "web": {"crf": 18, "codec": "h264"}, "archive": None,
        "@order": ["mobile", "web"],
    }  # fmt: skip
    assert [step["crf"] for step in held["steps"]] == [18, 7]
    assert (held["slots"], held["limit"]) == ({"night": 9}, [1, 2])

    # Carried as text.
    page.get_by_role("button", name="Export, import").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="json").click()
    dialog.get_by_label("all values as they hold").check()
    expect(dialog.get_by_role("textbox", name="Settings as text")).to_contain_text('"media"')
    with page.expect_download() as download:
        dialog.get_by_role("button", name=re.compile("Save as all-values")).click()
    said = json.loads(download.value.path().read_text("utf-8"))
    values = studio.bus.request(GetSettings(project=shot.project)).values
    assert said == {addon: some for addon, some in values.items() if some}
    expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
    dialog.get_by_label("all values as they hold").uncheck()
    dialog.get_by_role("radio", name="toml").click()
    expect(dialog.get_by_role("alert")).to_contain_text("panels.presets.archive. Use JSON")
    dialog.get_by_role("radio", name="json").click()
    editor = dialog.get_by_label("Settings as text")
    expect(editor).to_contain_text('"night": 9')
    editor.fill('{"panels": {"slots": {"night": 9, "late": 2}}')
    dialog.get_by_role("button", name="Compare").click()
    expect(dialog.get_by_role("alert")).to_contain_text("JSON")
    editor.fill('{"panels": {"slots": {"night": 9, "late": 2}}}')
    dialog.get_by_role("button", name="Compare").click()
    expect(dialog.get_by_role("table", name="What would change")).to_contain_text('"late":2')
    assert studio.bus.request(GetSettings(addon="panels", project=shot.project)).values["panels"] == held
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog).to_be_hidden()
    expect(slots.get_by_label("Slots, late")).to_have_value("2")
    assert one.page.evaluate(LARGEST) > 300_000 > first_paint
    assert [said for said in one.complaints if THROWN not in said] == []

    # With a bundle whose addon has another schema, a value does not count: it is listed, and told before a freeze.
    found = studio.bus.request(ListAddons()).addons
    file = Path(next(addon.folder for addon in found if addon.name == "panels")) / "settings.py"
    source, name = file.read_text("utf-8"), f"narrow {new_id()[-8:]}"
    file.write_text(source.replace("int | list[int]", "int"), "utf-8")
    try:
        studio.bus.request(CreateBundle(name=name, dev=True, reason="one limit", command=new_id()))
        page.goto(page.url.partition("/settings")[0] + f"/settings?addon=panels&bundle={name}")
        page.get_by_role("button", name="1 does not count").click()
        row = dialog.get_by_role("row").filter(has_text="panels.limit")
        expect(row).to_contain_text(shot.project)
        row.get_by_role("link").click()
        expect(page.get_by_role("combobox", name="Project", exact=True)).to_have_value(shot.project)
        expect(limit).to_be_in_viewport()
        expect(limit).to_have_attribute("data-status", "invalid")  # as the bundle that was asked about has it
        expect(limit).to_contain_text("project says [1,2], which does not count")
        page.get_by_role("button", name="Look at it with the bundle of this window").click()
        expect(limit).to_have_attribute("data-status", "overridden")
        page.goto(page.url.partition("/settings")[0] + f"/bundles?bundle={name}")
        page.get_by_role("button", name="Freeze").click()
        expect(dialog).to_contain_text("panels.limit = [1,2]")
        dialog.get_by_role("button", name="Freeze").click()
        expect(dialog.get_by_role("alert")).to_contain_text("would get lost")
    finally:
        file.write_text(source, "utf-8")


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


def test_a_bundle_is_promoted_and_reverted_pinned_and_unpinned_gated_and_deleted(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    name = f"next {new_id()[-8:]}"
    page = window("root").go("/bundles")
    studio.bus.request(CreateBundle(name=name, reason="to try it", command=new_id()))
    page.get_by_role("button", name=name).click()
    production = page.locator("[data-pointer=production]")
    page.get_by_role("button", name="Promote…").click()
    page.get_by_label("Why").fill("it was checked")
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(production).to_contain_text(name)
    page.get_by_role("button", name="Revert production").click()
    page.get_by_label("Why").fill("it was too early")
    page.get_by_role("dialog").get_by_role("button", name="Revert").click()
    expect(production).not_to_contain_text(name)
    expect(production).to_contain_text("held")
    page.keyboard.press("Escape")  # closes what is open beside the board, and leads back to its row
    expect(page.get_by_role("button", name="Close the bundle")).to_have_count(0)
    expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")

    def told(verb: str) -> None:
        page.get_by_label("Why").fill("it was asked for")
        page.get_by_role("dialog").get_by_role("button", name=verb).click()

    page.get_by_role("button", name="Ask for a check before staging").click()
    told("Ask for checks")
    expect(page.locator("[data-pointer=staging]")).to_contain_text("only checked bundles")
    page.get_by_role("button", name="Drop the gate of staging").click()
    told("Drop it")
    expect(page.locator("[data-pointer=staging]")).not_to_contain_text("only checked bundles")

    page.get_by_role("button", name="Pin…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Project").select_option(shot.project)
    dialog.get_by_label("Only this sequence").fill("no such shot")
    expect(dialog).to_contain_text(f"Nothing in {shot.project} is called that.")
    told("Pin it")
    expect(dialog.get_by_role("alert")).to_contain_text("There is no 'no such shot'")
    dialog.get_by_label("Only this sequence").fill(shot.entity)
    expect(dialog).to_contain_text("It uses production now.")
    dialog.get_by_role("button", name="Pin it").click()
    expect(dialog).to_be_hidden()
    label = f"{shot.project}/{shot.entity}"
    pins = page.get_by_role("table", name="Pins").first
    expect(pins.get_by_role("row").filter(has_text=label)).to_contain_text(name)
    (pin,) = studio.bus.request(GetBundle(bundle=name)).pinned_by
    unpin = PinBundle(of=pin.of, target=pin.target, label=pin.label, reason="elsewhere", command=new_id())
    studio.bus.request(unpin)
    expect(page.get_by_role("link", name=label)).to_have_count(0)

    studio.bus.request(ArchiveBundle(bundle=name, reason="nobody needs it", command=new_id()))
    page.get_by_role("button", name="Delete…").click()
    told("Delete")
    expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_an_addon_is_disabled_in_a_dev_bundle_and_what_somebody_did_meanwhile_is_told(
    window: Callable[..., Any], studio: RunningStudio
) -> None:
    name = f"try {new_id()[-8:]}"
    studio.bus.request(CreateBundle(name=name, dev=True, reason="to try it", command=new_id()))
    page = window("root").go("/addons")
    page.get_by_role("button", name="Enable or disable media").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Dev bundle").select_option(name)
    dialog.get_by_label("Why").fill("a day without media")
    expect(dialog).to_contain_text(f"{name} pins 0.1.0")
    studio.bus.request(EditBundle(bundle=name, remove=("panels",), reason="too loud", command=new_id()))
    dialog.get_by_role("button", name="Disable").click()
    expect(dialog.get_by_role("alert")).to_contain_text(f"took 'panels' away in '{name}' meanwhile, “too loud”")
    dialog.get_by_role("button", name="Disable").click()
    expect(dialog).to_be_hidden()
    pinned = {addon.name for addon in studio.bus.request(GetBundle(bundle=name)).addons}
    assert "local" in pinned
    assert not pinned & {"media", "panels"}

    page.goto(page.url.partition("/addons")[0] + f"/bundles?bundle={name}")
    page.get_by_role("button", name="Edit…").click()
    dialog.get_by_label("media", exact=True).check()
    dialog.get_by_role("button", name="Add a variable").click()
    page.keyboard.type("OCIO")
    page.keyboard.press("Tab")
    page.keyboard.type("/studio/aces.ocio")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("region", name="What it holds")).to_contain_text("/studio/aces.ocio")
    made = studio.bus.request(GetBundle(bundle=name))
    assert made.environment == {"OCIO": "/studio/aces.ocio"}
    assert {"local", "media"} <= {addon.name for addon in made.addons}


def test_a_package_is_installed_and_removed(window: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "addon.toml").write_text('name = "extra"\nversion = "1.0.0"\ntitle = "Extra"\n')
    package = pack(tmp_path / "extra", tmp_path).file
    page = window("root").go("/addons")
    page.get_by_role("button", name="Install…").click()
    page.get_by_label("File").fill(str(package))
    page.get_by_role("button", name="Install", exact=True).click()
    page.get_by_role("button", name="Remove extra 1.0.0").click()
    page.get_by_label("Why").fill("only tried")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("button", name="Remove extra 1.0.0")).to_have_count(0)


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
    expect(page.get_by_label("Files on the studio's machine")).to_have_value(re.compile(r"beauty\.####\.exr$"))
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_role("list", name="What was recognised")).to_contain_text(re.compile("1001.1003 .* 2 frames"))
    expect(preview).to_contain_text("1 missing: 1002")
    expect(preview).to_contain_text(re.compile(r"plate v001.*a preview.*plate/v001", re.DOTALL))
    page.locator("form").get_by_role("button", name="Publish").click()
    run = page.locator("section[aria-label=Publish]")
    expect(run.locator("header")).to_contain_text("failed", timeout=60_000)
    run.get_by_role("button", name="Hold the frame before each gap").click()
    expect(run.locator("header")).to_contain_text("succeeded", timeout=60_000)
    expect(run).to_contain_text("ValidateFrameRange.repair")
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
    page.get_by_role("button", name=re.compile("publish.registered")).first.click()
    causes = page.get_by_role("region", name="What the event says").get_by_role("listitem")
    expect(causes.filter(has_text="publish.repair_asked").last).to_be_visible()


def test_an_addons_elements_get_the_client_and_a_broken_one_breaks_its_own_frame_only(
    window: Callable[..., Any], shot: Shot
) -> None:
    page = window("root").go(f"/?project={shot.project}")
    expect(page.locator("panels-weather")).to_have_text("panels-weather: true, dark, root")
    expect(page.locator("[data-slot='home.widget']").filter(has_text="Broken")).to_contain_text(THROWN)
    expect(page.get_by_role("heading", name=shot.project)).to_be_visible()
    page.get_by_role("link", name="Dailies").click()
    expect(page.locator("panels-dailies")).to_have_text("panels-dailies: true, dark, root")

    # Each of the other slots, where it stands, told what it is about; `version.action` stands beside a version.
    here, mark = page.url.partition("/pages")[0], page.locator("panels-mark")
    page.get_by_role("button", name="User menu").click()
    expect(page.get_by_role("menu").locator("[data-slot='user.menu']")).to_have_text("mark: ")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").fill("whatever")
    expect(page.get_by_role("dialog").locator("[data-slot='palette']")).to_have_text("mark: text")
    for path, told in (
        (f"/?project={shot.project}&entity={shot.entity}", "entity,project"),
        ("/publish", "entity,product,project,sources,task"),
        ("/admin", ""),
    ):
        page.goto(here + path)
        expect(mark.first).to_have_text(f"mark: {told}")


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
    dialog.get_by_role("combobox", name=re.compile("^Addon")).select_option("panels")
    expect(dialog.get_by_role("combobox", name="Job")).to_have_value("read_off")
    arguments = dialog.get_by_role("textbox", name="Arguments")
    arguments.fill('["by"]')
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a JSON object")
    arguments.fill('{"by": 4}')
    dialog.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="read_off of panels", exact=True).click()
    expect(page.get_by_role("table", name="Jobs")).to_contain_text('"rises": 8')


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


def test_a_killed_server_is_told_and_its_pages_go_on_by_themselves_with_what_was_typed(
    window: Callable[..., Any], studio: RunningStudio, server: RunningServer
) -> None:
    one = window("root")
    page, typed = one.go("/bundles"), one.context.new_page()
    typed.goto(one.url + "/settings?addon=media")
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
    expect(page.get_by_role("button", name=name)).to_be_visible(timeout=30_000)
    expect(typed.get_by_test_id("wire")).to_contain_text("Live", timeout=30_000)
    expect(typed.locator(f"{CRF} input")).to_have_value("34")
    typed.get_by_role("button", name="Save").click()
    expect(typed.locator(CRF)).to_have_attribute("data-status", "overridden")
