"""Quitting names what still goes on, and whoever quits decides."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from painting import EASEL

from events.ids import new_id
from qi.app.desktop.backend import Backend
from qi.app.desktop.leaving import what_goes_on
from qi.checked import Checked
from qi.contracts.applications import StartProgram
from qi.contracts.publish import CancelPublish
from qi.errors import DeadlineExceeded
from qi.home import Home
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.processes import children
from qi.testing.studio import RunningStudio

pytestmark = [
    pytest.mark.xdist_group("desktop"),
    pytest.mark.skipif(not importlib.util.find_spec("webview"), reason="pip install 'qi-pipeline[desktop]'"),
]

LIMIT_S = 60.0
WAITS = """
    import time
    import pyblish.api

    class Waits(pyblish.api.ContextPlugin):
        order = pyblish.api.ExtractorOrder

        def process(self, context):
            time.sleep(300)
"""


class Screen:
    """What people see of it: a question, and no windows any more."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.gone = 0
        self.fronts = 0
        """How often the main window came to the front."""

    def ask(self, title: str, question: str, *_: str) -> bool:
        self.asked.append(f"{title} {question}")
        return self.answers.pop(0)

    def open(self, *_: object) -> None:
        self.fronts += 1

    def destroy_all(self) -> None:
        self.gone += 1


def test_quitting_names_running_publishes_and_what_was_started_and_somebody_decides(
    studio: RunningStudio, tmp_path: Path
) -> None:
    from qi.app.desktop.run import Sitting

    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "waits.py").write_text(textwrap.dedent(WAITS), "utf-8")
    (tmp_path / "note.txt").write_text("hold the last frame", "utf-8")
    desktop, connection = studio.join(kind="desktop"), studio.home.connection()
    assert connection is not None
    child = Participant(connection.credentials, kind="dcc", parent=desktop.session, codec=Checked(), home=studio.home)
    child.host = child.bus.host = "nextdoor"
    child.join()
    screen = Screen(False, True)
    sitting = Sitting(studio.home, desktop, Backend("qt"), {})
    sitting._screen = cast(Any, screen)
    easel = StartProgram(label="easel", title="Easel", programs=(sys.executable,), arguments=("-c", EASEL))
    shot = studio.given_project()
    publish = studio.publish(
        shot, [str(tmp_path / "note.txt")], product="sky", environment={"PYBLISHPLUGINPATH": str(tmp_path / "plugins")}
    )
    try:
        sitting._programs.start(easel)
        sitting.quit()
        (question,) = screen.asked
        for named in (f"publish of sky ({shot.project} {shot.entity})", "dcc on nextdoor", "Easel"):
            assert f"• {named}" in question
        assert screen.gone == 0  # somebody said no
        sitting.quit()
        sitting._limit.cancel()  # no window here takes its time
        assert (len(screen.asked), screen.gone) == (2, 1)
        sitting.quit()
        assert (len(screen.asked), screen.gone) == (2, 1)
        # What was asked about goes on.
        assert not studio.shown(publish).finished_at
        assert sitting._programs.running() == ["Easel"]

        studio.bus.request(CancelPublish(publish=publish, reason="enough", command=new_id()))
        studio.finished(publish)
        child.leave()
        for one in started():
            one.kill()
        eventually(lambda: not sitting._programs.running(), LIMIT_S, "no easel")
        # Nothing goes on any more: nobody is asked.
        quiet = Screen()
        last = Sitting(studio.home, desktop, Backend("qt"), {})
        last._screen = cast(Any, quiet)
        last.quit()
        last._limit.cancel()
        assert (quiet.asked, quiet.gone) == ([], 1)
    finally:
        for one in started():
            one.kill()
        desktop.leave()
        child.leave()


def test_of_a_studio_that_does_not_answer_nobody_knows_what_goes_on() -> None:
    class Silent:
        def request(self, *_: object, **__: object) -> None:
            raise DeadlineExceeded("no answer in time")

    (said,) = what_goes_on(cast(Any, Silent()), "a session")
    assert "the studio does not answer" in said


def test_who_is_asked_already_is_not_asked_again_and_who_ends_the_desktop_from_outside_waits_for_no_answer(
    tmp_path: Path,
) -> None:
    from qi.app.desktop.run import Sitting

    asked, answered = threading.Event(), threading.Event()

    class Asking(Screen):
        def ask(self, title: str, question: str, *_: str) -> bool:
            self.asked.append(question)
            asked.set()
            return answered.wait(LIMIT_S)

    class Silent:
        session = "one"
        bus = SimpleNamespace(request=lambda *_, **__: fail())

    def fail() -> None:
        raise DeadlineExceeded("no answer in time")

    screen = Asking()
    sitting = Sitting(Home(tmp_path), cast(Any, Silent()), Backend("qt"), {})
    sitting._screen = cast(Any, screen)
    by_hand = threading.Thread(target=sitting.quit)
    by_hand.start()
    assert asked.wait(LIMIT_S)
    # Who quits once more is shown the question that is open.
    sitting.quit()
    assert (len(screen.asked), screen.fronts, screen.gone) == (1, 1, 0)
    sitting.quit(asks=False)
    sitting._limit.cancel()
    assert screen.gone == 1
    answered.set()
    by_hand.join()
    assert screen.gone == 1


STUCK = """
    import sys, threading, time
    from pathlib import Path
    from types import SimpleNamespace
    from qi.app.desktop import run
    from qi.app.desktop.backend import Backend
    from qi.home import Home

    class Stuck:
        def run(self, begun, **_):
            print("shown", flush=True)
            while True:
                time.sleep(60)

        def destroy_all(self):
            threading.Event().wait()

    run.QUIT_LIMIT_S = 0.3
    sitting = run.Sitting(Home(Path(sys.argv[1])), SimpleNamespace(session="one", bus=None), Backend("qt"), {})
    sitting._screen = Stuck()
    sitting.run("/")
"""


def test_a_toolkit_that_does_not_give_its_windows_back_does_not_keep_the_desktop_alive(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(STUCK), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "shown\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 1


def started() -> list[psutil.Process]:
    return children(os.getpid(), EASEL)
