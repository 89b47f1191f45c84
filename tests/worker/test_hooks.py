"""Hooks of a studio's addons: asked before a publish, told after it, none missed and none in another's way."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.ids import new_id
from qi.contracts.bundles import CreateBundle, FreezeBundle, PromoteBundle
from qi.contracts.hosting import GetAddons
from qi.contracts.studio import GetStatus
from qi.publish_view import steps_of
from qi.testing.images import write_sequence
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio

ASKED = """
    import time
    from qi.plugin import Hook, LifeEvent

    class Ask(Hook):
        order = ORDER
        events = frozenset({LifeEvent.BEFORE_PUBLISH})

        def run(self, event, data):
            said = data["comment"]
            data["asked"] = [*data.get("asked", []), "NAME"]
            if "refuse NAME" in said:
                raise ValueError("not on a Friday, says NAME")
            if "rename NAME" in said:
                data["product"] = "other"
            if "swap" in said:
                data["sources"] = [source.replace("draft", "render") for source in data["sources"]]
"""
SEES = """
    import pyblish.api

    class SeeWhatWasAsked(pyblish.api.ContextPlugin):
        order = pyblish.api.ValidatorOrder

        def process(self, context):
            self.log.info("asked by %s", context.data["asked"])
            assert context.data["asked"] == ["first", "second"], context.data["asked"]
            for instance in context:
                assert all("/render/" in file for file in instance.data["inputs"])
"""
TOLD = """
    import json
    import os
    from pathlib import Path
    from qi.plugin import Hook, LifeEvent

    class Tell(Hook):
        events = frozenset({
            LifeEvent.AFTER_PUBLISH, LifeEvent.PUBLISH_FAILED, LifeEvent.PROJECT_CREATED, LifeEvent.BUNDLE_PROMOTED,
            LifeEvent.SESSION_STARTED, LifeEvent.SESSION_ENDED,
        })

        def run(self, event, data):
            with (Path("FOLDER") / "told.jsonl").open("a") as file:
                file.write(json.dumps({"life": str(event), "in": os.getpid(), **data}) + "\\n")
"""
RAISES = """
    from qi.plugin import Hook, LifeEvent

    class Bad(Hook):
        order = -5
        events = frozenset({LifeEvent.AFTER_PUBLISH, LifeEvent.PROJECT_CREATED})

        def run(self, event, data):
            raise SystemExit(3)
"""


def hooks(folder: Path, name: str, toml: str = "", **files: str) -> None:
    place = folder / name / "plugins" / "hooks"
    place.mkdir(parents=True)
    (folder / name / "addon.toml").write_text(f'name = "{name}"\nversion = "1.0.0"\n{toml}\n', "utf-8")
    for file, code in files.items():
        (place / f"{file}.py").write_text(textwrap.dedent(code), "utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hooks")


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[RunningStudio]:
    """Two addons that are asked, one that is told in a process of its own, and one whose hook fails."""
    folder = place / "addons"
    hooks(folder, "zeroth", first=ASKED.replace("NAME", "first").replace("ORDER", "1"))
    hooks(folder, "after", second=ASKED.replace("NAME", "second").replace("ORDER", "2"))
    (folder / "after" / "plugins" / "publish").mkdir()
    (folder / "after" / "plugins" / "publish" / "see.py").write_text(textwrap.dedent(SEES), "utf-8")
    said = 'isolation = "process"\nrequests = ["session.list"]\npermissions = ["read"]'
    hooks(folder, "teller", said, tell=TOLD.replace("FOLDER", str(place)), bad=RAISES)
    for render in ("render", "draft"):
        write_sequence(place / render, "beauty", 1001, 1002, size=(16, 16))
    with start_studio(place / "home", environment={"QI_ADDON_PATHS": str(folder)}) as studio:
        yield studio


@pytest.fixture
def told(place: Path) -> Callable[..., list[dict[str, Any]]]:
    """What the hook of `teller` was told, of one kind of thing and that fits."""

    def read(life: str, **fits: Any) -> list[dict[str, Any]]:
        file = place / "told.jsonl"
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
        return [one for one in lines if one["life"] == life and fits.items() <= one.items()]

    return read


def steps(studio: RunningStudio, publish: str) -> dict[str, str]:
    found = steps_of(studio.events(stream=f"publish-{publish}"))
    return {step.plugin: step.outcome for step in found}


def test_hooks_are_asked_in_their_order_and_each_is_a_step(running: RunningStudio, place: Path, told: Any) -> None:
    shot = running.given_project("Told")
    info = running.finished(running.publish(shot, [str(place / "draft" / "beauty.####.exr")], comment="swap"))
    assert info.state == "succeeded", info.error
    ran = steps(running, info.publish)
    assert list(ran)[:2] == ["zeroth.first", "after.second"]
    assert set(ran.values()) == {"ok"}
    eventually(lambda: told("after_publish", publish=info.publish))
    (said,) = told("after_publish", publish=info.publish)
    assert (said["project"], said["entity"], said["version"], said["path"]) == (
        "Told", "seq010/sh0100", info.version, info.path,
    )  # fmt: skip
    (made,) = told("project_created", name="Told")
    assert made["project"] in {event.data["project"] for event in running.events(type="project.created")}
    worker = running.events(stream=f"publish-{info.publish}", type="publish.worker_started")[0].data["session"]
    eventually(lambda: told("session_ended", session=worker))
    assert len(told("session_started", session=worker, kind="worker")) == 1


def test_one_that_refuses_ends_the_publish_before_anything_is_collected(
    running: RunningStudio, place: Path, told: Any
) -> None:
    shot, source = running.given_project(), str(place / "render" / "beauty.####.exr")
    info = running.finished(running.publish(shot, [source], comment="refuse second"))
    assert info.state == "failed"
    assert info.error is not None
    assert (info.error.step, info.error.code) == ("after.second", 422)
    assert info.error.message == "not on a Friday, says second"
    assert steps(running, info.publish) == {"zeroth.first": "ok", "after.second": "failed"}
    eventually(lambda: told("publish_failed", publish=info.publish))
    renamed = running.finished(running.publish(shot, [source], comment="rename first"))
    assert renamed.error is not None
    assert renamed.error.message == "a hook cannot change product"


def test_one_that_fails_says_so_and_stops_no_other(running: RunningStudio, told: Any) -> None:
    running.given_project("Beside")
    eventually(lambda: told("project_created", name="Beside"))

    def put_aside() -> bool:
        return any("'hook.bad' gave up event" in problem for problem in running.bus.request(GetStatus()).problems)

    eventually(put_aside, 60)


def test_what_happened_while_the_addon_was_down_is_told_once(running: RunningStudio, place: Path, told: Any) -> None:
    run = {one.name: one for one in running.bus.request(GetAddons()).addons}["teller"]
    assert (run.where, run.contributes) == ("process", ("hooks plugins",))
    shot = running.given_project("Down")
    process = eventually(lambda: told("project_created", name="Down"))[0]["in"]
    with closing(sqlite3.connect(running.home.addon_state("teller"), timeout=10, isolation_level=None)) as file:
        # As one that is stopped amid a write: it is in nobody else's way.
        file.execute("BEGIN IMMEDIATE")
        os.kill(process, signal.SIGSTOP)
        info = running.finished(running.publish(shot, [str(place / "render" / "beauty.####.exr")]))
        assert not told("after_publish", publish=info.publish)
        file.execute("ROLLBACK")
    os.kill(process, signal.SIGKILL)
    (said,) = eventually(lambda: told("after_publish", publish=info.publish))
    assert said["in"] != process
    running.given_project("Last")
    eventually(lambda: told("project_created", name="Last"))
    assert len(told("after_publish", publish=info.publish)) == 1


def test_a_promotion_is_told_by_the_version_that_runs_then(running: RunningStudio, told: Any) -> None:
    running.bus.request(CreateBundle(name="next", dev=True, command=new_id()))
    running.bus.request(FreezeBundle(bundle="next", command=new_id()))
    running.bus.request(PromoteBundle(bundle="next", reason="a new season", command=new_id()))
    eventually(lambda: told("bundle_promoted", reason="a new season", pointer="production"))
