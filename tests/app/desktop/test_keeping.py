"""What becomes of the studio below a desktop when one of them dies, and when the desktop quits."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from given_desktop import LIMIT_S, desktop, needs_qt, page_of
from playwright.sync_api import Playwright

from events.ids import new_id
from qi.app.desktop import keeping
from qi.app.join import running
from qi.app.launch import LaunchConfig
from qi.contracts.db import CreateProject
from qi.contracts.studio import GetStatus
from qi.home import Connection, Home
from qi.testing.mesh import eventually

pytestmark = pytest.mark.xdist_group("desktop")


def studio_of(home: Home, besides: int = 0) -> psutil.Process:
    """The one that runs, once it is another than before."""

    def look() -> int:
        connection = home.connection()
        return connection.pid if connection and connection.pid != besides else 0

    return psutil.Process(eventually(look, LIMIT_S, "a studio"))


@needs_qt
def test_a_studio_that_dies_under_the_desktop_that_started_it_is_started_again_and_ends_with_it(
    playwright: Playwright, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    with desktop(home.root, tmp_path / "log") as (process, port):
        page = page_of(playwright, port)
        live = page.get_by_test_id("wire")
        live.filter(has_text="Live").wait_for()
        first = studio_of(home)
        first.kill()
        second = studio_of(home, besides=first.pid)
        with running(LaunchConfig(home=home.root)) as somebody:
            somebody.bus.request(CreateProject(name="Lighthouse", command=new_id()))
        page.get_by_role("option", name="Lighthouse").wait_for(state="attached")
        live.filter(has_text="Live").wait_for()
        family = [*psutil.Process(process.pid).children(recursive=True), *second.children(recursive=True), second]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
        _, left = psutil.wait_procs(family, LIMIT_S)
        assert left == []
    assert not home.connection_file.exists()


@needs_qt
def test_of_a_desktop_that_is_killed_nothing_is_left_and_the_next_one_shows_a_window(
    playwright: Playwright, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    with desktop(home.root, tmp_path / "log") as (process, port):
        page_of(playwright, port)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait(LIMIT_S)
        with desktop(home.root, tmp_path / "log") as (another, other_port):
            page_of(playwright, other_port)
            family += psutil.Process(another.pid).children(recursive=True)
            another.kill()
            another.wait(LIMIT_S)
        _, left = psutil.wait_procs(set(family), LIMIT_S)
        assert left == []
    assert not home.connection_file.exists()


@pytest.mark.parametrize(
    ("lives", "is_there", "started"), [("embedded", True, 1), ("served", True, 0), ("embedded", False, 0)]
)
def test_only_a_studio_that_a_command_started_and_nobody_stopped_is_started_again(
    lives: str, is_there: bool, started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(LIMIT_S)
    home, begun = Home(tmp_path), []
    if is_there:
        home.announce(Connection("nats://127.0.0.1:1", "token", gone.pid, socket.gethostname()))
    me = SimpleNamespace(id="me", state="open")

    def request(message: object) -> object:
        if isinstance(message, GetStatus):
            return SimpleNamespace(lives=lives, pid=gone.pid)
        return SimpleNamespace(sessions=[me])

    participant = SimpleNamespace(session="me", detached=False, bus=SimpleNamespace(request=request))

    @contextlib.contextmanager
    def session(*_: object, **__: object) -> Iterator[object]:
        begun.append(1)
        yield participant

    monkeypatch.setattr(keeping, "session", session)
    made = keeping._Keeping(home, LaunchConfig(home=tmp_path), cast(Any, participant), threading.Event())
    made.learn()
    made._look()
    assert len(begun) == started
