"""The page Settings in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from events.ids import new_id
from qi.contracts.addons import ListAddons
from qi.contracts.bundles import CreateBundle
from qi.contracts.settings import GetSettings, PatchSettings, Setting
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

THROWN = "the barometer fell down"
CRF = '[data-setting="media.review_crf"]'
LARGEST = "Math.max(...performance.getEntriesByType('resource').map((one) => one.decodedBodySize))"


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

    # Each layer with who, when and why; the changes so far, and back.
    second.get_by_role("button", name="Where media.review_crf comes from").click()
    layers = second.get_by_role("dialog").get_by_role("listitem")
    expect(layers.filter(has_text="project")).to_contain_text(re.compile("25.*root · (just now|.* ago)"))
    expect(layers.filter(has_text="default")).to_contain_text("18")
    second.keyboard.press("Escape")
    second.get_by_role("button", name="Changes").click()
    changes = second.get_by_role("region", name="Changes")
    expect(changes.get_by_role("listitem").first).to_contain_text(f"project {shot.project}")
    expect(changes.get_by_role("listitem").filter(has_text="elsewhere")).to_contain_text("→ 20")
    changes.get_by_role("button", name="Undo").first.click()
    second.get_by_label("Why", exact=True).last.fill("as it was")
    second.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect(first.locator(f"{CRF} input")).to_have_value("30")
    second.get_by_label("Find a setting").fill("review qual")
    expect(second.locator("[data-setting]")).to_have_count(1)

    # What is not saved yet is there again, whatever was looked at meanwhile, and says so from outside.
    field, addons = first.locator(f"{CRF} input"), first.get_by_role("navigation", name="Addons")
    field.fill("99")
    first.get_by_role("button", name="1 not valid").click()
    expect(field).to_be_focused()
    field.fill("21")
    first.get_by_role("radio", name="User").click()
    expect(field).not_to_have_value("21")
    first.get_by_role("navigation", name="Pages").get_by_role("link", name="Bundles").click()
    expect(first.get_by_role("heading", name="Bundles")).to_be_visible()
    first.go_back()
    addons.get_by_role("button", name="media changed").click()
    first.get_by_role("radio", name="Project changed").click()
    expect(field).to_have_value("21")
    first.get_by_role("button", name="Discard").click()
    expect(addons).not_to_contain_text("changed")

    # As it was then is explained by the layers of then.
    changed = studio.events(type="settings.changed", entity=shot.project)
    (change,) = [one for one in changed if one.data["new"] == 20]
    then = window("root").go(f"{path}&at={change.position}")
    then.get_by_role("button", name="Where media.review_crf comes from").click()
    layers = then.get_by_role("dialog").get_by_role("listitem")
    expect(layers.filter(has_text="project")).to_contain_text(re.compile("20.*root"))
    then.keyboard.press("Escape")
    then.get_by_role("button", name="Now").click()
    expect(then.locator(f"{CRF} input")).to_have_value("30")


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
    one.rewrite(limit.get_by_role("textbox", name="Limit"), "[1, 2")
    expect(limit.get_by_role("alert")).to_contain_text("This is no JSON.")
    one.rewrite(limit.get_by_role("textbox", name="Limit"), "[1, 2]")
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
    assert said == {addon: one for addon, one in values.items() if one}
    expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
    dialog.get_by_label("all values as they hold").uncheck()
    dialog.get_by_role("radio", name="toml").click()
    expect(dialog.get_by_role("alert")).to_contain_text("panels.presets.archive. Use JSON")
    dialog.get_by_role("radio", name="json").click()
    editor = dialog.get_by_label("Settings as text")
    expect(editor).to_contain_text('"night": 9')
    one.rewrite(editor, '{"panels": {"slots": {"night": 9, "late": 2}}')
    dialog.get_by_role("button", name="Compare").click()
    expect(dialog.get_by_role("alert")).to_contain_text("JSON")
    one.rewrite(editor, '{"panels": {"slots": {"night": 9, "late": 2}}}')
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
