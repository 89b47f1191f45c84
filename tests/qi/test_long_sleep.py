"""Back after a long time, here or elsewhere: sessions are neither lost nor doubled, and nobody is taken for dead."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from actors.sessions import Sessions
from events.ids import new_id
from qi.app.broker import Broker
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.checked import Checked
from qi.contracts.auth import AddUser, Login
from qi.contracts.bundles import GetBundle
from qi.contracts.session import ListSessions
from qi.contracts.studio import GetStatus
from qi.credentials import guest
from qi.errors import DeadlineExceeded, Unauthenticated
from qi.session.participant import Participant
from qi.supervisor import InThread
from qi.testing.mesh import eventually

HOUR_S = 3600.0
PASSWORD = "correct horse battery"


@pytest.fixture
def sleep_an_hour(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    slept = [0.0]
    monotonic, wall = time.monotonic, time.time
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + slept[0])
    monkeypatch.setattr(time, "time", lambda: wall() + slept[0])

    def sleep() -> None:
        slept[0] += HOUR_S

    return sleep


def test_after_an_hours_sleep_everybody_goes_on_and_a_log_in_that_ran_out_is_told(
    sleep_an_hour: Callable[[], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Both clocks of this process, which holds the studio and all participants, are put forward by an hour between
    two moments, as on a machine whose monotonic clock goes on while it sleeps (macOS and Linux stop theirs: then only
    the wall clock jumps, which is the lesser part of this). Afterwards the broker is killed, which ends every
    connection as a long sleep does. The broker's own clock does not jump, and no timer of an event loop fires early."""
    monkeypatch.setattr("actors.sessions.service.TOKEN_DAYS", 0.5 / 24)
    caplog.set_level(logging.INFO, "qi.sessions")
    studio = Studio(read_launch_config(home=tmp_path / "home"))
    studio.start()
    people: list[Participant] = []

    def join(kind: str, token: str = "", host: str = "") -> Participant:
        connection = studio.home.connection()
        assert connection is not None
        credentials = replace(connection.credentials, password=token) if token else connection.credentials
        one = Participant(credentials, kind=kind, codec=Checked(), home=studio.home, beat_every_s=0.2)
        one.host = host or one.host
        one.join()
        people.append(one)
        return one

    try:
        bus = join("cli").bus
        bus.request(AddUser(name="Ada", password=PASSWORD, roles=("artist",), command=new_id()))
        visitor = Participant(guest(bus.credentials.url), kind="cli", beat_every_s=60)
        visitor.join()
        token = visitor.bus.request(Login(user="Ada", password=PASSWORD)).token
        visitor.leave()
        join("desktop"), join("dcc", host="another-machine")
        ada = join("dcc", token, host="another-machine")
        assert ada.bus.request(GetBundle()).name == "base"
        assert studio._supervisor is not None
        running = studio._supervisor._children["sessions"].running
        assert isinstance(running, InThread)
        sessions = running._actor
        assert isinstance(sessions, Sessions)
        before = bus.request(GetStatus())

        def all_is_well() -> None:
            listed = [(session.id, session.state) for session in bus.request(ListSessions(), timeout_s=20).sessions]
            assert sorted(listed) == sorted((one.session, "open") for one in people)
            status = bus.request(GetStatus())
            assert [(child.restarts, child.last_error) for child in status.children] == [(0, "")] * len(before.children)
            assert "is gone" not in caplog.text

        sleep_an_hour()
        woke = time.monotonic()
        eventually(lambda: sessions._swept >= woke + 1.0, what="two rounds of the sweep")
        all_is_well()

        assert isinstance(studio._broker, Broker)
        (server,) = psutil.Process(studio._broker.pid).children()
        server.kill()
        rest = [one for one in people if one is not ada]
        eventually(lambda: all(one.bus.reconnects and not one.detached for one in rest))
        all_is_well()
        # What ran out meanwhile opens nothing any more, and says so.
        eventually(lambda: ada.detached)
        with pytest.raises(DeadlineExceeded, match="does not let this session in any more") as caught:
            ada.bus.request(GetBundle(), timeout_s=0.3)
        assert "qi login" in caught.value.remedy
        with pytest.raises(Unauthenticated, match="does not let this session in"):
            join("desktop", token)
    finally:
        for one in people:
            one.bus.stop() if one.kind == "dcc" else one.leave()
        studio.stop()
