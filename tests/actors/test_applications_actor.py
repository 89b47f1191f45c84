"""Applications are launched on the desktop of whoever asks, with what the bundle of the context says, and recorded."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from events.ids import new_id
from qi.actor import handles
from qi.app.desktop import programs as programs_
from qi.app.desktop.programs import Programs
from qi.bus import Bus
from qi.contracts.applications import Launch, ListApplications, RecentLaunches, Started, StartProgram
from qi.contracts.auth import AddUser
from qi.contracts.bundles import CreateBundle, PinBundle
from qi.contracts.db import GetProject
from qi.contracts.folders import MakeFolders
from qi.contracts.log import ReadLog
from qi.errors import BadRequest, Forbidden, NotFound, Unavailable
from qi.session.actor import SessionActor
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, Shot, start_studio

LIMIT_S = 20.0
TELLS = (
    "import json, os, sys; file = open(sys.argv[1] + '.part', 'w'); "
    "json.dump([sys.argv[1:], dict(os.environ), os.getcwd()], file); file.close(); "
    "os.replace(file.name, sys.argv[1])"
)
ADDON = """
name = "painting"
version = "1.0.0"
title = "Painting"
[[applications]]
name = "easel"
title = "Easel"
programs = ["there-is-no-such-program", "{python}"]
arguments = ["-c", "{code}", "{told}"]
environment = {{ EASEL = "oak", SHARED = "of the application" }}
[[applications]]
name = "broken"
title = "Broken"
programs = ["{python}"]
arguments = ["-c", "import sys; sys.exit('the canvas is torn')"]
[[applications]]
name = "nowhere"
title = "Nowhere"
programs = ["there-is-no-such-program"]
"""


class Desktop(SessionActor):
    """Starts programs, and has no window."""

    name = "desktop"

    def __init__(self, bus: Bus, *, programs: Programs) -> None:
        super().__init__(bus)
        self._programs = programs

    @handles(StartProgram)
    def start_program(self, message: StartProgram) -> Started:
        return self._programs.start(message)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the easel writes what it was started with."""
    return tmp_path_factory.mktemp("told") / "easel.json"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, told: Path) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("addons")
    (folder / "painting").mkdir()
    said = ADDON.format(python=sys.executable, code=TELLS, told=told)
    (folder / "painting" / "addon.toml").write_text(said, "utf-8")
    home = tmp_path_factory.mktemp("studio") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(folder)}) as studio:
        yield studio


@pytest.fixture(scope="module")
def shot(running: RunningStudio) -> Shot:
    return running.given_project()


@contextmanager
def desktop(studio: RunningStudio, token: str = "") -> Iterator[Participant]:
    participant = studio.join(token, kind="desktop")
    actor = Desktop(participant.bus, programs=Programs(studio.home.logs, {"QI_HOME": str(studio.home.root)}))
    actor.begin_serving(LIMIT_S)
    try:
        yield participant
    finally:
        actor.actor_ref.stop()
        participant.leave()


def test_an_application_starts_in_its_context_with_the_environment_of_the_contexts_bundle_and_is_recorded(
    running: RunningStudio, shot: Shot, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of these end by themselves, how soon is the machine's.
    monkeypatch.setattr(programs_, "FAILS_WITHIN_S", 8.0)
    ask = running.bus.request
    ask(CreateBundle(name="oils", environment={"SHARED": "of the bundle", "OILS": "yes"}, reason="", command=new_id()))
    project = ask(GetProject(project=shot.project))
    ask(MakeFolders(project=shot.project))
    pin = PinBundle(of="project", target=project.id, label=project.name, bundle="oils", reason="to paint")
    ask(replace(pin, command=new_id()))
    listed = ask(ListApplications(project=shot.project, entity=shot.entity))
    assert listed.bundle == "oils"
    assert ask(ListApplications(project=shot.project, entity=shot.entity.upper())) == listed
    assert {(one.addon, one.name) for one in listed.applications} == {
        ("painting", "easel"), ("painting", "broken"), ("painting", "nowhere"), ("terminal", "terminal"),
    }  # fmt: skip
    launch = Launch(addon="painting", name="easel", project=shot.project, entity=shot.entity, task=shot.task)
    with pytest.raises(NotFound, match="no desktop"):
        ask(launch)
    with desktop(running) as mine:
        made = ask(launch)
        arguments, environment, folder = json.loads(
            eventually(lambda: told.is_file() and told.read_text("utf-8"), LIMIT_S)
        )
        assert (made.title, made.program, made.entity) == ("Easel", sys.executable, shot.entity)
        assert arguments == [str(told)]
        expected = {
            "EASEL": "oak", "SHARED": "of the application", "OILS": "yes", "PATH": os.environ["PATH"],
            "QI_PROJECT": shot.project, "QI_ENTITY": shot.entity, "QI_TASK": shot.task, "QI_BUNDLE": "oils",
            "QI_HOME": str(running.home.root), "QI_LAUNCH": made.launch,
        }  # fmt: skip
        assert {name: environment[name] for name in expected} == expected
        assert folder == str(Path(project.root) / shot.project)

        # What fails says why, to whoever asked and to the log.
        with pytest.raises(Unavailable, match="the canvas is torn"):
            ask(replace(launch, name="broken"))
        with pytest.raises(NotFound, match="no there-is-no-such-program"):
            ask(replace(launch, name="nowhere"))
        events = ask(ReadLog(category="launch")).events
        assert [one.type for one in events] == [
            "launch.requested", "launch.started", "launch.requested", "launch.failed", "launch.requested",
            "launch.failed",
        ]  # fmt: skip
        assert events[0].data["desktop"] == mine.session
        assert "torn" in events[3].data["message"]

        # What was launched last comes first, each once; what failed is not among it.
        ask(replace(launch, entity="", task=""))
        ask(launch)
        recent = ask(RecentLaunches()).launches
        assert [(one.entity, one.task) for one in recent] == [(shot.entity, shot.task), ("", "")]
        assert len(ask(RecentLaunches(limit=1)).launches) == 1


def test_nobody_launches_in_a_context_that_is_not_there_or_on_anothers_desktop(
    running: RunningStudio, shot: Shot
) -> None:
    running.bus.request(AddUser(name="ada", password="correct horse", roles=("artist",), command=new_id()))
    running.bus.request(AddUser(name="gus", password="correct horse", roles=("guest",), command=new_id()))
    ada, gus = running.join(), running.join()
    ada.log_in("ada", "correct horse")
    gus.log_in("gus", "correct horse")
    launch = Launch(addon="painting", name="easel", project=shot.project, entity=shot.entity)
    with desktop(running) as owners:
        with pytest.raises(NotFound, match="no desktop of ada"):
            ada.bus.request(replace(launch, desktop=owners.session))
        with pytest.raises(Forbidden):
            gus.bus.request(launch)
        with pytest.raises(NotFound, match="no task 'paint'"):
            running.bus.request(replace(launch, task="paint"))
        with pytest.raises(NotFound, match="seq999"):
            running.bus.request(replace(launch, entity="seq999"))
        with pytest.raises(BadRequest):
            running.bus.request(replace(launch, entity="", task="comp"))
        with pytest.raises(NotFound, match="no application 'chisel'"):
            running.bus.request(replace(launch, name="chisel"))
    assert ada.bus.request(RecentLaunches()).launches == ()
    ada.leave()
    gus.leave()
