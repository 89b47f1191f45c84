"""`python scripts/tour.py [PICTURE…]`: the pictures of docs/tour.md, of a studio in a scratch home, in Chromium.

The frames are the demo's own.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from rich.console import Console
from tour_window import missing, picture, window

from events.ids import new_id
from qi.app.demo import render
from qi.contracts.bundles import CreateBundle, PromoteBundle
from qi.contracts.db import AddNote, ChangeTask, ChangeVersion, CreateEntity, ListEntities, ListTasks, ListVersions
from qi.contracts.jobs import GetJob, StartJob
from qi.contracts.secrets import StoreSecret
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.mesh import eventually
from qi.testing.server import PASSWORD, start_server
from qi.testing.studio import RunningStudio, Shot, start_studio

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "tour"
SIZE = (1440, 900)
MOST_BYTES = 150_000
COLOURS, PLAIN = 256, 160
"""Of a picture, and those of them that are kept as they are."""
LIMIT_MS = 20_000
PROJECT = "Lighthouse"
SHOTS = ("seq010/sh0100", "seq010/sh0110", "seq010/sh0120", "seq020/sh0200", "seq020/sh0210")
FOLDERS = [f"{{root[projects]}}/{{project[name]}}/{folder}" for folder in ("editorial", "reference")]
DESKTOP = "desktop"
SHOT = f"/?project={PROJECT}&entity=seq010/sh0100"


@dataclass(frozen=True, slots=True)
class Stop:
    """One picture: a page, and what is done on it first."""

    picture: str
    path: str
    do: Callable[[Page], None] = lambda page: None
    light: bool = False
    logged_in: bool = True


def _publish(page: Page) -> None:
    frames = sorted(Path(os.environ["QI_TOUR_FRAMES"]).glob("lighthouse.*.exr"))[:8]
    page.get_by_label("Files to publish").set_input_files(frames)
    page.get_by_label("Shot or asset").fill(SHOTS[1])
    page.get_by_label("Product").fill("beauty")
    expect(page.get_by_role("list", name="What was recognised")).to_contain_text("8 frames")


def _failed(page: Page) -> None:
    page.get_by_text("failed", exact=True).first.click()
    page.locator("section[aria-label=Publish]").wait_for()


def _event(page: Page) -> None:
    page.get_by_role("button", name=re.compile("publish.registered")).first.click()
    page.get_by_role("region", name="What the event says").wait_for()


def _change(page: Page) -> None:
    page.get_by_role("button", name=re.compile("settings.changed .*qi.paths")).first.click()
    page.get_by_role("list", name="Before and after").wait_for()


def _typed(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Go to, do, find…").type("beau", delay=80)
    page.get_by_role("dialog").get_by_role("option").nth(2).wait_for()


def _job(page: Page) -> None:
    page.get_by_role("button", name="Sheet of seq010").click()


STOPS = (
    Stop("login", "/", logged_in=False),
    Stop("home", f"/?project={PROJECT}"),
    Stop("shot", SHOT),
    Stop("publish", "/publish", _publish),
    Stop("publishes", "/publishes"),
    Stop("failed", "/publishes", _failed),
    Stop("history", "/history"),
    Stop("event", "/history?type=publish.*", _event),
    Stop("change", "/history?type=settings.changed", _change),
    Stop("settings", "/settings?addon=media&scope=user"),
    Stop("bundles", "/bundles"),
    Stop("addons", "/addons"),
    Stop("jobs", "/jobs", _job),
    Stop("mesh", "/mesh"),
    Stop("admin", "/admin"),
    Stop("log", "/admin/log"),
    Stop("logs", "/admin/logs"),
    Stop("palette", "/", _typed),
    Stop("shot-light", SHOT, light=True),
    Stop("failed-light", "/publishes", _failed, light=True),
)


MANIFEST = """
name = "sheets"
version = "1.2.0"
title = "Contact sheets"
[[applications]]
name = "viewer"
title = "Viewer"
programs = ['{}']
arguments = ['{}', '{}']
"""
SHEETS = """
from qi.addon import Addon
from qi.jobs import job

class Sheets(Addon):
    @job("contact_sheet")
    def contact_sheet(self, job):
        shots = job.arguments["shots"]
        job.steps(len(shots))
        for shot in shots:
            job.step(f"drew {shot}")
        if not shots:
            raise ValueError("there is nothing to draw")
        return {"file": "sheets/today.pdf", "shots": len(shots)}
"""


def given(studio: RunningStudio, frames: Path) -> None:
    """A studio in the middle of its work."""
    shots = [studio.given_project(PROJECT, entity=SHOTS[0])]
    for path in SHOTS[1:]:
        studio.bus.request(CreateEntity(project=PROJECT, path=path, tasks=("comp", "light"), command=new_id()))
        shots.append(Shot(PROJECT, path))
    ask = studio.bus.request
    ask(CreateBundle(name="haze", dev=True, reason="a look at the new haze", command=new_id()))
    good = str(frames / "lighthouse.####.exr")
    broken = frames.parent / "broken"
    shutil.copytree(frames, broken)
    next(broken.glob("lighthouse.1010.exr")).unlink()
    torn = str(broken / "lighthouse.####.exr")
    wanted = ((0, good, "beauty"), (1, good, "beauty"), (0, good, "plate"), (2, torn, "beauty"), (0, good, "beauty"))
    for number, sources, product in wanted:
        shot = shots[number]
        studio.finished(studio.publish(shot, [sources], product=product, comment="first look"), timeout_s=120)
    for version in ask(ListVersions(project=PROJECT)).items[:1]:
        ask(ChangeVersion(project=PROJECT, version=version.id, approval="approved", command=new_id()))
    for entity in ask(ListEntities(project=PROJECT)).items:
        if entity.path == SHOTS[0]:
            note = "The beam is lovely. A little more haze at the horizon, please."
            ask(AddNote(project=PROJECT, target=entity.id, text=note, command=new_id()))
    for task, status in zip(ask(ListTasks(project=PROJECT)).items, ("in progress", "review", "todo"), strict=False):
        ask(ChangeTask(project=PROJECT, task=task.id, status=status, assignees=("root",), command=new_id()))
    ask(StoreSecret(name="farm-key", value="not shown", command=new_id()))
    for path, value, why in (("media.review_crf", 14, "a better movie"), ("media.fps", 25.0, "television")):
        setting = Setting(path=path, value=value)
        ask(PatchSettings(scope="user", target="root", settings=(setting,), reason=why, command=new_id()))
    for folders in (FOLDERS, [*FOLDERS, "{root[projects]}/{project[name]}/turnover"]):
        setting = Setting(path="qi.paths.folders.project", value=folders)
        why = "the client sends turnovers"
        ask(PatchSettings(scope="project", target=PROJECT, settings=(setting,), reason=why, command=new_id()))
    for shots_of, title in ((["sh0100", "sh0110", "sh0120"], "Sheet of seq010"), ([], "Sheet of seq020")):
        command = new_id()
        ask(StartJob(addon="sheets", kind="contact_sheet", arguments={"shots": shots_of}, title=title, command=command))
        studio.wait_for(lambda job=command: ask(GetJob(id=job)).ended_at or None, "qi.feed.job.>")
    ask(CreateBundle(name="winter", reason="for the winter shoot", command=new_id()))
    ask(PromoteBundle(bundle="winter", pointer="staging", reason="everybody please try it", command=new_id()))


def visit(browser: Browser, url: str, stops: tuple[Stop, ...]) -> None:
    """Take the pictures."""
    context = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce")
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Password").wait_for()
    for stop in sorted(stops, key=lambda one: one.logged_in):
        if stop.logged_in and page.get_by_label("Password").count():
            page.get_by_label("User").fill("root")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.get_by_test_id("wire").get_by_text("Live").wait_for()
        page.goto(url + stop.path)
        if stop.logged_in:
            page.get_by_test_id("wire").get_by_text("Live").wait_for()
        else:
            page.get_by_label("Password").wait_for()
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", "light" if stop.light else "dark")
        page.wait_for_load_state("networkidle")
        stop.do(page)
        page.wait_for_load_state("networkidle")
        page.evaluate("() => document.fonts.ready.then(() => true)")
        page.wait_for_function("() => [...document.images].every((one) => one.complete)")
        page.evaluate("() => document.activeElement instanceof HTMLInputElement || document.activeElement.blur()")
        keep(page.screenshot(), PICTURES / f"{stop.picture}.png")
    context.close()


def visit_desktop(driver: Playwright, home: Path) -> None:
    """The picture of the window, with an application that was launched from it."""
    with window(driver, home) as (page, display):
        page.get_by_role("treeitem", name="sh0100").click()
        page.get_by_role("group", name="Applications").get_by_role("button", name="Viewer").click()
        page.get_by_text("Viewer runs in sh0100").wait_for()
        page.wait_for_load_state("networkidle")
        eventually(lambda: "shown" in (home / "logs" / "launch-sheets-viewer.log").read_text("utf-8"), what="a viewer")
        keep(picture(display), PICTURES / f"{DESKTOP}.png")


def keep(pixels: bytes, file: Path) -> None:
    """In 256 colours, so that it is small: those that most of it has, so that no plain one becomes another, and some of
    all others, for frames."""
    whole = np.asarray(Image.open(io.BytesIO(pixels)).convert("RGB"))
    colours, where, count = np.unique(whole.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    kept = colours
    if len(colours) > COLOURS:
        rank = np.argsort(count)
        rest = np.repeat(colours[rank[:-PLAIN]], count[rank[:-PLAIN]], axis=0)
        some = Image.fromarray(rest[None]).quantize(COLOURS - PLAIN, Image.Quantize.MAXCOVERAGE).getpalette()
        kept = np.concatenate([colours[rank[-PLAIN:]], np.array(some, np.uint8).reshape(-1, 3)])
    # Pillow's own search for the nearest colour is coarse: a grey becomes a blue one.
    nearest = ((colours[:, None].astype(int) - kept[None].astype(int)) ** 2).sum(2).argmin(1).astype(np.uint8)
    small = Image.fromarray(nearest[where].reshape(whole.shape[:2]), "P")
    small.putpalette(kept.tobytes())
    small.save(file, optimize=True)
    size = file.stat().st_size
    sys.stderr.write(f"{file.name}  {size // 1000} kB\n")
    if size > MOST_BYTES:
        raise SystemExit(f"{file} has {size} bytes, more than {MOST_BYTES}")


def main() -> None:
    wanted = sys.argv[1:]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="qi-tour-") as folder:
        frames = Path(folder, "frames")
        render(frames, Console(stderr=True))
        os.environ["QI_TOUR_FRAMES"] = str(frames)
        sheets = Path(folder, "addons", "sheets")
        sheets.mkdir(parents=True)
        viewer = (sys.executable, Path(__file__).with_name("tour_viewer.py"), frames / "lighthouse.1004.exr")
        (sheets / "addon.toml").write_text(MANIFEST.format(*viewer), "utf-8")
        (sheets / "addon.py").write_text(SHEETS)
        with start_studio(Path(folder, "lighthouse"), environment={"QI_ADDON_PATHS": str(sheets.parent)}) as studio:
            people = {"root": "admin", "ada": "artist", "kim": "artist", "lin": "lead"}
            with start_server(studio, people) as server, sync_playwright() as driver:
                given(studio, frames)
                flags = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
                browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
                visit(browser, server.url, tuple(stop for stop in STOPS if stop.picture in wanted or not wanted))
                browser.close()
                if not wanted or DESKTOP in wanted:
                    if lacking := missing():
                        sys.stderr.write(f"{DESKTOP}.png stays as it is: this machine has no {', no '.join(lacking)}\n")
                    else:
                        visit_desktop(driver, studio.home.root)


if __name__ == "__main__":
    main()
