"""Windows are opened by messages: on the desktop of whoever asks, and on nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from events.ids import new_id
from qi.actor import handles
from qi.contracts.auth import AddUser
from qi.contracts.windows import (
    CloseWindow,
    HideWindow,
    ListWindows,
    OpenWindow,
    ShowWindow,
    TellWindows,
    WindowInfo,
    WindowList,
)
from qi.errors import Forbidden, Invalid, NotFound, Unavailable
from qi.messages import Done, to_session
from qi.session.actor import SessionActor
from qi.session.participant import Participant
from qi.testing.studio import RunningStudio, start_studio

LIMIT_S = 60.0


class Desktop(SessionActor):
    """Shows nothing, and says it does."""

    name = "desktop"

    def setup(self) -> None:
        self.windows: dict[str, WindowInfo] = {}

    @handles(ShowWindow)
    def show(self, message: ShowWindow) -> WindowInfo:
        before = self.windows.get(message.name)
        path = message.path or (before.path if before else "/")
        self.windows[message.name] = WindowInfo(name=message.name, title=message.title, path=path, shown=True)
        return self.windows[message.name]

    @handles(HideWindow)
    def hide(self, message: HideWindow) -> Done:
        del self.windows[message.name]
        return Done()

    @handles(TellWindows)
    def tell(self, _: TellWindows) -> WindowList:
        return WindowList(windows=tuple(self.windows.values()))


@contextmanager
def desktop(studio: RunningStudio, token: str = "") -> Iterator[Participant]:
    participant = studio.join(token, kind="desktop")
    actor = Desktop(participant.bus)
    actor.begin_serving(LIMIT_S)
    try:
        yield participant
    finally:
        actor.actor_ref.stop()
        participant.leave()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with start_studio(tmp_path_factory.mktemp("studio") / "home") as studio:
        yield studio


def test_a_window_opens_on_the_callers_newest_desktop_and_closes_there(running: RunningStudio) -> None:
    ask = running.bus.request
    with pytest.raises(NotFound, match="no desktop"):
        ask(OpenWindow())
    with desktop(running) as first, desktop(running) as second:
        opened = ask(OpenWindow(name="player", path="/publishes?state=failed", title="Failed"))
        assert (opened.desktop, opened.path) == (second.session, "/publishes?state=failed")
        assert ask(OpenWindow(name="player")).path == "/publishes?state=failed"
        assert ask(OpenWindow(desktop=first.session)).desktop == first.session
        assert {(one.desktop, one.name) for one in ask(ListWindows()).windows} == {
            (first.session, "main"), (second.session, "player"),
        }  # fmt: skip
        ask(CloseWindow(name="player"))
        assert [one.name for one in ask(ListWindows()).windows] == ["main"]


def test_a_desktop_that_has_no_window_yet_is_said_to_be_opening(running: RunningStudio) -> None:
    opening = running.join(kind="desktop")
    for message in (OpenWindow(), CloseWindow(name="main")):
        with pytest.raises(Unavailable, match="just opening or closing") as told:
            running.bus.request(message)
        assert told.value.data["desktop"] == opening.session
    opening.leave()


@pytest.mark.parametrize("path", ["https://example.org/", "//example.org", "javascript:alert(1)", ""])
def test_a_window_shows_pages_of_qi_and_no_other_site(running: RunningStudio, path: str) -> None:
    with pytest.raises(Invalid):
        running.bus.request(OpenWindow(path=path))


def test_nobody_opens_a_window_on_the_desktop_of_another(running: RunningStudio) -> None:
    running.bus.request(AddUser(name="ada", password="correct horse", command=new_id()))
    guest = running.join()
    token = guest.log_in("ada", "correct horse").token
    with desktop(running) as owners, desktop(running, token) as hers:
        assert guest.bus.request(OpenWindow()).desktop == hers.session
        with pytest.raises(NotFound):
            guest.bus.request(OpenWindow(desktop=owners.session))
        show = ShowWindow(name="main", path=None, title="Qi", width=800, height=600)
        with pytest.raises(Forbidden):
            guest.bus.request(show, to=to_session(owners.session))
    guest.leave()
