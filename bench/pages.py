"""`python -m bench.pages`: the Command Center in Chromium, over a studio with a long log.

Studio, server, browser and this process are processes of their own. A figure ends when the browser has painted: at the
first task after the frame that shows what was waited for.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.__main__ import MARK, RESULTS, machine
from bench.services import FIELDS, given_log, write_addon
from events.ids import new_id
from qi.app.server.pages import BUILT
from qi.contracts.bundles import CreateBundle
from qi.home import Home
from qi.testing.server import PASSWORD, start_server
from qi.testing.studio import RunningStudio, start_studio

BEGIN, END = "<!-- pages: written by `python -m bench.pages --write` -->", "<!-- pages: end -->"
EVENTS_TO_SCREEN, GAP_S = 200, 0.02
JUMPS = 40
TYPED = "light"
CREATED = "bundle.created"
LIMIT_MS = 30_000

PAINTED = """
window.painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now());
    port2.postMessage(0);
}));
window.shown = (look) => new Promise((done, failed) => {
    setTimeout(() => failed(new Error(`never shown: ${look}`)), 30_000);
    const seen = () => look() && (watch.disconnect(), done(window.painted()), true);
    const watch = new MutationObserver(seen);
    if (!seen()) watch.observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
});
"""
"""`painted`: when the next frame is on screen; `shown`: when one that fits is. Milliseconds since the page began."""

FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((told) => told.getEntries()
    .filter((one) => one.name === "first-contentful-paint").forEach((one) => done(one.startTime))
).observe({ type: "paint", buffered: true }))"""

KEY = """() => { window.took = new Promise((done) => addEventListener("keydown",
    (key) => painted().then((now) => done(now - key.timeStamp)), { once: true, capture: true })) }"""

COST = """() => { window.took = new Promise((done) => addEventListener("keydown", () => {
    const began = performance.now();
    addEventListener("input", () => {
        const handled = performance.now() - began;
        requestAnimationFrame(() => {
            const frame = performance.now(), { port1, port2 } = new MessageChannel();
            port1.onmessage = () => done(handled + performance.now() - frame);
            port2.postMessage(0);
        });
    }, { once: true });
}, { once: true, capture: true })) }"""
"""What the page's thread spends on a key: on handling it (the window hears of an input last) and on the frame that
shows it, without the wait between."""

JUMP = """async (share) => {
    const box = document.querySelector('[role=grid][aria-label=Events]');
    const began = performance.now();
    box.scrollTop = share * box.scrollHeight;
    await painted();
    const rows = () => [...box.querySelectorAll('[role=row]')];
    return await shown(() => rows().length > 5 && rows().every((row) => row.querySelector('button'))) - began;
}"""

WATCH = """() => {
    window.seen = {};
    const look = () => {
        const fresh = [...document.querySelectorAll('[role=grid] [role=row]')]
            .map((row) => /shown-(\\d+)-/.exec(row.textContent)?.[1]).filter((one) => one && !(one in seen));
        for (const one of fresh) seen[one] = 0;
        if (fresh.length) painted().then((now) => fresh.forEach((one) => (seen[one] = performance.timeOrigin + now)));
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
}"""


@dataclass
class Figures:
    """Milliseconds, by what was measured; bytes of the built pages."""

    times: dict[str, list[float]] = field(default_factory=dict)
    first: tuple[int, int] = (0, 0)
    """JavaScript and CSS that log-in and home load, and the same gzipped."""
    whole: tuple[int, int] = (0, 0)


def sizes(files: Iterable[Path]) -> tuple[int, int]:
    """Bytes of the scripts and style sheets among `files`, as they are and gzipped each by itself."""
    texts = [file.read_bytes() for file in files if file.suffix in (".js", ".css")]
    return sum(map(len, texts)), sum(len(gzip.compress(text, 6)) for text in texts)


def whole(built: Path = BUILT) -> list[Path]:
    return [file for file in built.rglob("*") if file.is_file()]


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        flags = ["--no-sandbox"] if os.getuid() == 0 else []
        made = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield made
        made.close()


def _window(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(LIMIT_MS)
    context.add_init_script(PAINTED)
    return context


def _log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("User").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_test_id("wire").get_by_text("Live").wait_for()


def _opened(page: Page, url: str, look: str) -> tuple[float, float]:
    """First contentful paint, and when what `look` finds is there."""
    page.goto(url, wait_until="commit")
    ready = page.evaluate(f"() => shown(() => {look})")
    return float(page.evaluate(FIRST_PAINT)), float(ready)


def starts(browser: Browser, url: str, rounds: int, figures: Figures) -> None:
    """Log-in and home, with nothing in the cache and with everything; what they load."""
    form, home = "document.querySelector('input[type=password]')", "document.querySelector('main td')"
    loaded: set[str] = set()
    for _ in range(rounds):
        context = _window(browser)
        page = context.new_page()
        for kind, where, look in (("log-in, cold", url, form), ("log-in, warm", url, form)):
            _note(figures, kind, _opened(page, where, look))
        _log_in(page, url)
        _note(figures, "home, warm", _opened(page, url, home))
        loaded |= set(page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.name)"))
        state = context.storage_state()
        context.close()
        context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=state)
        context.add_init_script(PAINTED)
        _note(figures, "home, cold", _opened(context.new_page(), url, home))
        context.close()
    files = [BUILT / urlsplit(one).path.lstrip("/") for one in loaded]
    figures.first, figures.whole = sizes(file for file in files if file.is_file()), sizes(whole())


def _say(what: str) -> None:
    print(f"measuring {what} …", file=sys.stderr, flush=True)


def _note(figures: Figures, what: str, opened: tuple[float, float]) -> None:
    for name, value in zip(("first paint", "ready"), opened, strict=True):
        figures.times.setdefault(f"{what}: {name}", []).append(value)


def keystrokes(page: Page, rounds: int) -> list[float]:
    """From each key to the frame with its results."""
    took = []
    for _ in range(rounds):
        page.keyboard.press("Control+k")
        page.get_by_placeholder("Go to, do, find…").wait_for()
        for letter in TYPED:
            page.evaluate(KEY)
            page.keyboard.press(letter)
            took.append(float(page.evaluate("() => took")))
        page.keyboard.press("Escape")
        page.get_by_placeholder("Go to, do, find…").wait_for(state="hidden")
    return took


def typed_settings(page: Page, url: str, rounds: int) -> list[float]:
    """What each key costs in a form of many settings."""
    page.goto(f"{url}/settings?addon=fields")
    fields = page.get_by_role("main").locator("input[type=text], input:not([type])")
    page.get_by_text("field19").last.wait_for()
    assert fields.count() >= FIELDS
    took = []
    for number in range(rounds):
        fields.nth(number * 13 + 1).click()
        for letter in TYPED:
            page.evaluate(COST)
            page.keyboard.press(letter)
            took.append(float(page.evaluate("() => took")))
    return took


def jumps(page: Page, count: int) -> list[float]:
    """From a move of the scroll bar, anywhere in the log, to its events on the screen."""
    return [float(page.evaluate(JUMP, random.Random(number).random())) for number in range(count)]


def to_screen(page: Page, studio: RunningStudio, count: int) -> list[float]:
    """From the record of an event, which a command on the mesh caused, to the frame that shows it."""
    page.evaluate("() => (document.querySelector('[role=grid][aria-label=Events]').scrollTop = 0)")
    page.evaluate(WATCH)
    for number in range(count):
        studio.bus.request(CreateBundle(name=f"shown-{number}-", command=new_id()))
        time.sleep(GAP_S)
    page.wait_for_function(f"() => Object.values(seen).filter(Boolean).length >= {count}")
    seen = page.evaluate("() => seen")
    recorded = {event.data["name"].split("-")[1]: event.recorded_at / 1000 for event in studio.events(type=CREATED)
                if event.data["name"].startswith("shown-")}  # fmt: skip
    return [float(seen[number]) - at for number, at in recorded.items()]


def measure(events: int, rounds: int) -> Figures:
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="qi-pages-") as folder:
        home = Home(Path(folder, "home"))
        given_log(home, events)
        write_addon(Path(folder, "addons", "fields"))
        served = start_studio(home.root, environment={"QI_ADDON_PATHS": str(Path(folder, "addons"))})
        with served as studio, start_server(studio, {"root": "admin"}) as server, chromium() as browser:
            studio.given_project("Lighthouse")
            _say("starts")
            starts(browser, server.url, rounds, figures)
            page = _window(browser).new_page()
            _log_in(page, server.url)
            _say("the palette")
            figures.times["palette: a key"] = keystrokes(page, rounds * 2)
            _say("settings")
            figures.times[f"settings: a key, {FIELDS} fields"] = typed_settings(page, server.url, rounds * 2)
            _say("history")
            page.goto(f"{server.url}/history")
            page.get_by_role("row").get_by_role("button").first.wait_for()
            figures.times["history: a jump"] = jumps(page, min(JUMPS, rounds * 8))
            figures.times["event to screen"] = to_screen(page, studio, min(EVENTS_TO_SCREEN, rounds * 40))
    return figures


def written(figures: Figures, events: int) -> str:
    """The section of the results."""
    about = machine()
    kib = {name: f"{raw / 1024:,.0f} KiB, gzipped {small / 1024:,.0f} KiB" for name, (raw, small) in
           (("first", figures.first), ("whole", figures.whole))}  # fmt: skip
    rows = "\n".join(f"| {name} | {BUDGETS.get(name, '-')} | {_figure(some)} |" for name, some in figures.times.items())
    return f"""## The Command Center

By `uv run python -m bench.pages`, {about["date"]}: Chromium without a window, 1440 x 900, over a log of {events:,}
events; {about["cores"]} cores that studio, broker, server and browser share, load {about["load"]} at the end. A figure
ends with the painted frame; `ready` is when the page has what it is about. A jump holds the 50 ms for which the list
waits until the scroll bar rests. A key in the settings is what the page's own thread spends on it. `event to screen`
begins with the record's time, and ends on the history page.

| what | budget | p50 | p99 | worst | of |
| --- | --- | --- | --- | --- | --- |
{rows}

Scripts and styles that log-in and home load: {kib["first"]}; of all pages: {kib["whole"]}.
"""


BUDGETS = {"palette: a key": "50 ms", f"settings: a key, {FIELDS} fields": "16 ms"}


def _figure(some: list[float]) -> str:
    ordered = sorted(some)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{statistics.median(ordered):.0f} ms | {high:.0f} ms | {ordered[-1]:.0f} ms | {len(ordered)}"


def keep(section: str) -> None:
    """Replace the section, or put it before the measured table."""
    text = RESULTS.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        before, _, below = text.partition(MARK)
        rest = f"{END}\n\n{MARK}{below}"
    RESULTS.write_text(f"{before}{BEGIN}\n\n{section}\n{END}{rest.partition(END)[2]}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"also keep the figures in {RESULTS.name}")
    given = parser.parse_args()
    section = written(measure(given.events, given.rounds), given.events)
    print(section)
    if given.write:
        keep(section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
