"""One studio, one server and one browser for all tests of the pages; `root` is an admin, `ada` an artist."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from qi.testing.fixtures import frames, plugins, qi, shot
from qi.testing.server import PASSWORD, RunningServer, start_server
from qi.testing.studio import RunningStudio, start_studio

__all__ = ["frames", "plugins", "qi", "shot"]

BUILT = Path(__file__).resolve().parents[2] / "qi" / "_ui" / "index.html"
LIMIT_MS = 30_000
expect.set_options(timeout=LIMIT_MS)


PANELS = """
name = "panels"
version = "1.0.0"
title = "Panels"
[[slots]]
slot = "home.widget"
title = "Weather"
element = "panels-weather"
script = "weather.js"
[[slots]]
slot = "home.widget"
title = "Broken"
element = "panels-broken"
script = "broken.js"
[[commands]]
title = "Tap the barometer"
topic = "panels.tap"
[[windows]]
name = "radar"
title = "Radar"
element = "panels-dailies"
script = "weather.js"
width = 500
height = 400
[[slots]]
slot = "nav"
title = "Dailies"
element = "panels-dailies"
script = "weather.js"
"""
MARKED = ("context.action", "publish.panel", "version.action", "admin.page", "user.menu", "palette")
PANELS += "".join(
    f'[[slots]]\nslot = "{one}"\ntitle = "Mark"\nelement = "panels-mark"\nscript = "weather.js"\n' for one in MARKED
)
WEATHER = """
class Weather extends HTMLElement {
    async connectedCallback() {
        const told = await window.qi.request("db.project.list", { limit: 5 });
        this.textContent = `${this.localName}: ${told.items.length > 0}, ${window.qi.theme}, ${window.qi.context.user}`;
    }
}
customElements.define("panels-weather", Weather);
customElements.define("panels-dailies", class extends Weather {});
customElements.define("panels-mark", class extends HTMLElement {
    set about(told) { this.textContent = `mark: ${Object.keys(told).sort()}`; }
});
"""
TAP = """
from qi.actor import handles
from qi.addon import Addon
from qi.jobs import job
from qi.messages import Request, message

@message
class Tapped:
    text: str

@message
class Tap(Request[Tapped], topic="panels.tap", needs="read"):
    pass

class Panels(Addon):
    @handles(Tap)
    def tap(self, _: Tap) -> Tapped:
        self.note("The barometer was tapped")
        return Tapped(text=f"It rises, {self.caller.user}")

    @job("read_off")
    def read_off(self, job):
        job.steps(1)
        job.step("looked")
        return {"rises": job.arguments["by"] * 2}
"""
SETTINGS = """
from qi.settings import Named, SettingsModel, setting

class Preset(SettingsModel):
    crf: int = setting(18, title="Quality", ge=0, le=51)
    codec: str = setting("h264")

class Settings(SettingsModel):
    presets: Named[Preset] = setting({"web": Preset(), "archive": Preset(crf=0)}, title="Presets")
    limit: int | list[int] = setting(3, title="Limit")
    steps: list[Preset] = setting([], title="Steps")
    slots: dict[str, int] = setting({"day": 4}, title="Slots")
"""
BROKEN = """
customElements.define("panels-broken", class extends HTMLElement {
    connectedCallback() { throw new Error("the barometer fell down"); }
});
"""


def given_panels(folder: Path) -> None:
    """An addon with a command, a window, a page, an element that works, and one that throws."""
    pages = folder / "panels" / "ui_dist"
    pages.mkdir(parents=True)
    (folder / "panels" / "addon.toml").write_text(PANELS, "utf-8")
    (folder / "panels" / "addon.py").write_text(TAP, "utf-8")
    (folder / "panels" / "settings.py").write_text(SETTINGS, "utf-8")
    (pages / "weather.js").write_text(WEATHER, "utf-8")
    (pages / "broken.js").write_text(BROKEN, "utf-8")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("addons")
    given_panels(folder)
    home = tmp_path_factory.mktemp("pages") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(folder)}) as running:
        yield running


@pytest.fixture(scope="session")
def server(studio: RunningStudio) -> Iterator[RunningServer]:
    if not BUILT.is_file():
        pytest.skip("the pages are not built here: uv sync --reinstall-package qi-pipeline")
    with start_server(studio, {"root": "admin", "ada": "artist"}) as running:
        yield running


BROWSER = pytest.StashKey[Browser]()


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Browser:
    """One for this folder. Its driver's event loop is this thread's own while it is there, so it goes with the last
    test here, where what a session shares would stay for tests of other folders."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium here")
    folder = request.node.parent
    if BROWSER not in folder.stash:
        driver = sync_playwright().start()
        folder.addfinalizer(driver.stop)
        # Chromium's sandbox does not work for root, as in a container.
        flags = ["--no-sandbox"] if os.getuid() == 0 else []
        made = driver.chromium.launch(executable_path=chromium, args=flags)
        folder.addfinalizer(made.close)
        folder.stash[BROWSER] = made
    return folder.stash[BROWSER]


class Window:
    """A page of somebody who is logged in, and what its console complained of."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(LIMIT_MS)
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # Nobody being logged in yet is no fault, and browsers report every 401. Not by the number alone: a port or an
        # id in a stack may have it, too.
        if message.type in ("error", "warning") and "responded with a status of 401" not in message.text:
            self.complaints.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page and wait until its wire is up."""
        self.page.goto(self.url + path)
        self.page.get_by_test_id("wire").get_by_text("Live").wait_for()
        return self.page

    def rewrite(self, editor: Locator, text: str) -> None:
        """As people do it: what `fill` leaves in an editor carries styles of its own, which the policy blocks."""
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def log_in(self, user: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()


@pytest.fixture
def window(browser: Browser, server: RunningServer) -> Iterator[Callable[..., Window]]:
    """Opens windows, each of a browser of its own; with a user somebody is logged in."""
    made: list[BrowserContext] = []

    def open_(user: str = "") -> Window:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        made.append(context)
        one = Window(context, server.url)
        if user:
            # With the cookies of a log-in from an address of its own: only so many may log in from one within a minute.
            with server.client(user) as entered:
                kept = [(one.name, one.value or "", one.path) for one in entered.http.cookies.jar]
            context.add_cookies([{"name": n, "value": v, "domain": "127.0.0.1", "path": path} for n, v, path in kept])
            one.page.goto(server.url)
            one.page.get_by_role("navigation", name="Pages").wait_for()
        return one

    yield open_
    for context in made:
        context.close()
