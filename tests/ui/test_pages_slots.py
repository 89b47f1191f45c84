"""Elements of addons that fail, in a real browser: each where it stands, and nothing else with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from events.ids import new_id
from qi.contracts.bundles import CreateBundle
from qi.testing.images import write_sequence
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

THROWN = "the vane came off"
SCRIPT = """
const fall = () => {{ throw new Error("{thrown}"); }};
class Failing extends HTMLElement {{ {body} }}
customElements.define("panels-mark", Failing);
customElements.define("panels-dailies", class extends Failing {{}});
customElements.define("panels-weather", class extends HTMLElement {{
    connectedCallback() {{ this.textContent = "fair"; }}
}});
"""
REFUSED = 'async connectedCallback() { await window.qi.request("panels.none", {}, { addon: "panels" }); }'
NEVER_LOADS = ""
WAYS = {
    "in its constructor": ("constructor() { super(); fall(); }", THROWN),
    "when told what it is about": ("set about(_) { fall(); }", THROWN),
    "when it comes": ("connectedCallback() { fall(); }", THROWN),
    "a while after it came": ("async connectedCallback() { await null; fall(); }", THROWN),
    "because the studio refuses": (REFUSED, "panels.none"),
    "because its script does not load": (NEVER_LOADS, "Failed to fetch"),
}
LEAVING = ("disconnectedCallback() { fall(); }", "async disconnectedCallback() { await null; fall(); }")
EXPECTED = re.compile(rf"{THROWN}|panels\.none|Failed to (fetch|load)|the barometer fell down")
"""What the console may say: the failure itself, and the panels' own broken element."""


def given_script(one: Any, body: str) -> None:
    """Of the panels, whose failing elements have `body`; without one the browser gets none."""

    def answer(route: Route) -> None:
        if body == NEVER_LOADS:
            route.fulfill(status=404)
        else:
            route.fulfill(content_type="text/javascript", body=SCRIPT.format(thrown=THROWN, body=body))

    one.context.route("**/panels/weather.js", answer)


def complaints_beside(one: Any) -> list[str]:
    """What came of a failure and should not have."""
    return [told for told in one.complaints if not EXPECTED.search(told)]


def frame(at: Page | Locator, slot: str) -> Locator:
    return at.locator(f"[data-slot='{slot}'][data-addon=panels]")


@pytest.fixture(scope="module")
def versions(studio: RunningStudio, tmp_path_factory: pytest.TempPathFactory) -> Shot:
    """A shot with a version of each of two products."""
    shot, folder = studio.given_project(), tmp_path_factory.mktemp("frames")
    write_sequence(folder, "beauty", 1001, 1002, size=(32, 18))
    for product in ("beauty", "matte"):
        publish = studio.publish(shot, [str(folder / "beauty.####.exr")], product=product)
        assert studio.finished(publish).state == "succeeded"
    return shot


@pytest.mark.parametrize("way", WAYS)
def test_an_element_that_fails_says_so_where_it_stands_and_the_page_around_it_goes_on(
    window: Callable[..., Any], versions: Shot, way: str
) -> None:
    body, said = WAYS[way]
    one = window("root")
    given_script(one, body)

    # Beside each version; its neighbour of the same script, which is well, is left alone.
    page = one.go(f"/?project={versions.project}&entity={versions.entity}")
    rows = page.get_by_role("row")
    expect(frame(rows, "version.action").get_by_role("alert")).to_have_count(2)
    expect(frame(rows, "version.action").first).to_contain_text(said)
    if body != NEVER_LOADS:
        expect(page.locator("panels-weather")).to_have_text("fair")
    page.get_by_role("button", name="Notes of beauty v001").click()
    expect(page.get_by_role("button", name="Notes of beauty v001")).to_have_attribute("aria-expanded", "true")

    # As a page of its own.
    page.get_by_role("link", name="Dailies").click()
    expect(frame(page, "nav").get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("heading", name="Dailies")).to_be_visible()

    page.get_by_role("button", name="User menu").click()
    expect(frame(page.get_by_role("menu"), "user.menu").get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("menuitem", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")

    page.keyboard.press("Control+k")
    expect(frame(page.get_by_role("dialog"), "palette").get_by_role("alert")).to_contain_text(said)
    page.get_by_placeholder("Go to, do, find…").fill("histo")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert complaints_beside(one) == []


@pytest.mark.parametrize("body", LEAVING)
def test_an_element_that_fails_when_it_goes_is_told_of_in_the_console_and_the_page_goes_on(
    window: Callable[..., Any], versions: Shot, body: str
) -> None:
    one = window("root")
    given_script(one, body)
    page = one.go(f"/?project={versions.project}&entity={versions.entity}")
    expect(frame(page.get_by_role("row"), "version.action").locator("panels-mark")).to_have_count(2)
    expect(frame(page, "context.action").locator("panels-mark")).to_be_attached()
    page.get_by_role("link", name="Dailies").click()
    expect(page.locator("panels-dailies")).to_be_attached()
    page.get_by_role("button", name="User menu").click()
    expect(page.get_by_role("menu").locator("panels-mark")).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(frame(page, "nav").get_by_role("alert")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").locator("panels-mark")).to_be_attached()
    page.get_by_placeholder("Go to, do, find…").fill("histo")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)

    def said() -> bool:
        page.evaluate("1")  # what the browser says is heard while it is asked something
        return len([told for told in one.complaints if THROWN in told]) == 6

    eventually(said, what="a failure of two versions, a context, a page, the menu and the palette")
    assert complaints_beside(one) == []


def test_of_two_elements_of_one_kind_the_one_that_fails_says_so_and_can_be_tried_again(
    window: Callable[..., Any], versions: Shot
) -> None:
    one = window("root")
    fails = 'this.about.product.name === "matte" && !window.mended'
    given_script(one, f"async connectedCallback() {{ await null; if ({fails}) fall(); }}")
    page = one.go(f"/?project={versions.project}&entity={versions.entity}")
    matte = frame(page.get_by_role("row").filter(has=page.get_by_role("link", name="matte v001")), "version.action")
    expect(matte.get_by_role("alert")).to_contain_text(THROWN)
    expect(frame(page.get_by_role("row"), "version.action").get_by_role("alert")).to_have_count(1)
    page.evaluate("window.mended = true")
    matte.get_by_role("button", name="Try again").click()
    expect(matte.get_by_role("alert")).to_have_count(0)
    expect(matte.locator("panels-mark")).to_be_attached()


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("fall();", THROWN),
        ('void window.qi.request("panels.none", {}, { addon: "panels" });', "panels.none"),
    ],
)
def test_what_fails_later_is_said_in_every_frame_of_the_script_and_takes_none_of_its_elements_away(
    window: Callable[..., Any], versions: Shot, does: str, said: str
) -> None:
    one = window("root")
    press = f"""connectedCallback() {{
        const button = document.createElement("button");
        button.textContent = "Press";
        button.addEventListener("click", () => {{ {does} }});
        this.append(button);
    }}"""
    given_script(one, press)
    page = one.go(f"/?project={versions.project}&entity={versions.entity}")
    slots = frame(page.get_by_role("row"), "version.action")
    slots.first.get_by_role("button", name="Press").click()
    expect(slots.get_by_role("alert")).to_have_count(2)
    expect(slots.first.get_by_role("alert")).to_contain_text("A script of Mark of the addon panels failed.")
    expect(slots.first.get_by_role("alert")).to_contain_text(said)
    expect(slots.first.get_by_role("button", name="Press")).to_be_visible()
    expect(page.locator("panels-weather")).to_have_text("fair")


def test_an_element_goes_on_when_something_else_of_the_addons_changes(
    window: Callable[..., Any], studio: RunningStudio
) -> None:
    one = window("root")
    with one.page.expect_websocket() as opened:
        page = one.go("/pages/panels/panels-dailies")
    shown = page.locator("panels-dailies")
    shown.evaluate("(element) => (element.dataset.typed = 'half a word')")
    asked: list[object] = []

    def asks(frame: str | bytes) -> bool:
        told = json.loads(frame)
        asked.extend([told["id"]] if told.get("topic") == "addon.status" else [])
        return bool(asked)

    # Both are listened for beforehand: on a busy machine question and answer are heard together.
    with (
        opened.value.expect_event("framereceived", lambda frame: json.loads(frame).get("id") in asked),
        opened.value.expect_event("framesent", asks),
    ):
        studio.bus.request(CreateBundle(name=f"beside_{new_id()[-8:]}", dev=True, command=new_id()))
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(shown).to_have_attribute("data-typed", "half a word")


def test_a_file_that_is_dropped_beside_where_files_go_is_not_opened(window: Callable[..., Any]) -> None:
    page = window("root").go("/publish")
    kept = """() => {
        const dropped = new DataTransfer();
        dropped.items.add(new File(["pixels"], "a.exr"));
        return ["dragover", "drop"].map((kind) => !document.body.dispatchEvent(
            new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true })));
    }"""
    assert page.evaluate(kept) == [True, True]
