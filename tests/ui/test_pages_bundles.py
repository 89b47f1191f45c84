"""The pages Bundles and Addons in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from events.ids import new_id
from qi.addon_package import pack
from qi.contracts.bundles import ArchiveBundle, CreateBundle, EditBundle, GetBundle, PinBundle
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

THROWN = "the barometer fell down"


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
