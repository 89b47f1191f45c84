"""Who takes part, as whom, and until when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from qi.contracts.bundles import GetBundle
from qi.contracts.session import Beat, EndSession, ListSessions, SessionInfo, StartSession
from qi.errors import Forbidden, Unauthenticated
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio


def sessions(studio: RunningStudio) -> dict[str, SessionInfo]:
    return {one.id: one for one in studio.bus.request(ListSessions()).sessions}


def test_a_participant_is_listed_from_its_join_to_its_leave(studio: RunningStudio) -> None:
    told: list[SessionInfo] = []
    feed = studio.bus.subscribe(
        "qi.feed.session.>", lambda msg: told.append(studio.bus.codec.decode(SessionInfo, msg.data))
    )
    participant = studio.join()
    found = sessions(studio)[participant.session]
    assert (found.kind, found.pid, found.state) == ("cli", os.getpid(), "open")
    assert found.roles == ("admin",)
    participant.leave()
    assert participant.session not in sessions(studio)
    eventually(lambda: [one.state for one in told if one.id == participant.session] == ["open", "ended"])
    studio.bus.unsubscribe(feed)


def test_a_participant_that_is_killed_is_noticed(studio: RunningStudio) -> None:
    connection = studio.home.connection()
    assert connection is not None
    code = (
        "import sys; from qi.bus import Credentials; from qi.session.participant import Participant\n"
        f"p = Participant(Credentials({connection.url!r}, password=sys.stdin.readline().strip()), kind='cli')\n"
        "p.join(); print(p.session, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(connection.token + "\n")
        process.stdin.flush()
        session = process.stdout.readline().strip()
        assert sessions(studio)[session].pid == process.pid
        process.send_signal(signal.SIGKILL)

    eventually(lambda: session not in sessions(studio))


def test_a_session_ends_only_itself_and_its_children(studio: RunningStudio) -> None:
    other = studio.join()
    with pytest.raises(Forbidden):
        studio.bus.request(EndSession(id=other.session))
    assert other.session in sessions(studio)
    other.leave()


def test_nobody_but_the_studio_opens_a_session_for_another(studio: RunningStudio) -> None:
    with pytest.raises(Forbidden):
        studio.bus.request(StartSession(id="mine", kind="worker", user="somebody"))


def test_a_made_up_token_opens_nothing(studio: RunningStudio) -> None:
    with pytest.raises(Unauthenticated):
        studio.join("made-up")


def test_a_beat_is_answered_with_what_production_is(studio: RunningStudio) -> None:
    production = studio.bus.request(GetBundle(bundle="production"))
    told = studio.bus.request(Beat()).production
    assert told is not None
    assert (told.bundle, told.name, told.digest) == (production.id, production.name, production.digest)
