"""`qi history --follow` shows every event once, also what nobody told it of."""

from __future__ import annotations

import threading

import pytest

from events.ids import new_id
from events.record import Event
from qi import context
from qi.app.cli import history
from qi.bus import Bus
from qi.contracts.log import EventPage, ReadLog
from qi.contracts.settings import PatchSettings, Setting
from qi.errors import DeadlineExceeded
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio

TIMEOUT = "qi.publish.plugin_timeout_s"


class Enough(Exception):
    """Ends the command, which goes on for ever."""


class Deaf(Bus):
    """Hears no announcement, and is without an answer once."""

    asked = 0

    def subscribe(self, *_: object, **__: object):  # type: ignore[override,no-untyped-def]
        return None

    def request(self, message, **more):  # type: ignore[override,no-untyped-def]
        Deaf.asked += 1
        if Deaf.asked == 2:
            raise DeadlineExceeded("no answer in time: the broker does not answer")
        return super().request(message, **more)


def test_what_was_never_announced_is_shown_and_a_studio_that_is_away_is_waited_for(
    studio: RunningStudio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = studio.bus
    asked = ReadLog(type="settings.changed", limit=2, newest=True)
    page: EventPage = bus.request(asked)
    deaf = object.__new__(Deaf)
    deaf.__dict__ = bus.__dict__
    monkeypatch.setattr(history, "LOOK_EVERY_S", 0.05)
    shown: list[int] = []

    def gist(event: Event) -> str:
        shown.append(event.data["new"])
        if len(shown) == len(page.events) + 5:
            raise Enough
        return ""

    monkeypatch.setattr(history, "gist", gist)

    def follow() -> None:
        with context.use(context.Context(trace=new_id())), pytest.raises(Enough):
            history._follow(deaf, asked, page, as_json=False)

    following = threading.Thread(target=follow)
    following.start()
    eventually(lambda: Deaf.asked >= 3)
    for value in range(201, 206):  # more than one page
        change = PatchSettings(scope="user", settings=(Setting(path=TIMEOUT, value=value),), command=new_id())
        bus.request(change)
    following.join(60)
    assert not following.is_alive()
    assert shown[-5:] == [201, 202, 203, 204, 205]
    assert "waiting for the studio: no answer in time" in capsys.readouterr().err
