"""A clock that steps back by an hour amid everything: order is by position, and nobody is thrown out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from events.ids import new_id
from events.record import Event
from qi import context
from qi.app.launch import LaunchConfig
from qi.app.studio import Studio
from qi.checked import Checked
from qi.contracts.auth import AddUser, GrantRole, Login
from qi.contracts.db import CreateEntity, CreateProject
from qi.contracts.history import QueryHistory
from qi.contracts.log import ReadLog, VerifyLog
from qi.contracts.publish import ListPublishes, RequestPublish, ShowPublish
from qi.contracts.session import ListSessions
from qi.session.participant import Participant
from qi.testing.mesh import eventually

HOUR_S = 3600


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(LaunchConfig(home=tmp_path / "home"))
    made.start()
    yield made
    made.stop()


def joined(studio: Studio, token: str = "") -> Participant:
    found = studio.home.connection()
    assert found is not None
    credentials = replace(found.credentials, password=token or found.token)
    one = Participant(credentials, kind="cli", codec=Checked(), beat_every_s=0.1)
    one.join()
    return one


def test_when_the_clock_steps_back_order_is_by_position_and_nobody_is_thrown_out(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text("hold", "utf-8")
    one = joined(studio)
    ask = one.bus.request
    ask(CreateProject(name="Film", command=new_id()))
    ask(CreateEntity(project="Film", path="sh010", tasks=("comp",), command=new_id()))
    ask(AddUser(name="ada", password="correct horse", command=new_id()))

    def publish(product: str, command: str) -> str:
        request = RequestPublish(
            command=command, project="Film", entity="sh010", task="comp", product=product,
            sources=(str(tmp_path / "note.txt"),), environment={},
        )  # fmt: skip
        with context.use(context.Context(trace=new_id())):
            made = ask(request).publish
        eventually(lambda: ask(ShowPublish(publish=made)).state == "succeeded")
        # The end of its worker is an event, too.
        eventually(lambda: ask(ReadLog(stream=f"publish-{made}", type="publish.worker_ended")).events)
        return made

    first = publish("before", new_id())
    other = joined(studio)
    token = other.bus.request(Login(user="ada", password="correct horse")).token
    head = ask(ReadLog(newest=True, limit=1)).head
    real_ns, real = time.time_ns, time.time
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - HOUR_S * 10**9)
    monkeypatch.setattr(time, "time", lambda: real() - HOUR_S)

    # Its id is of a caller whose clock is far behind.
    second = publish("after", f"00{new_id()[2:]}")
    ask(GrantRole(name="ada", role="lead", command=new_id()))
    again = joined(studio, token)

    events: list[Event] = []
    while not events or events[-1].position < ask(ReadLog(newest=True, limit=1)).head:
        events += ask(ReadLog(after=events[-1].position if events else 0)).events
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert len({event.id for event in events}) == len(events)
    # It really went back, and what is asked for by time is what was recorded then.
    assert events[head].recorded_at < events[head - 1].recorded_at
    assert {event.position for event in ask(ReadLog(after=head, since=events[0].recorded_at)).events} == set()
    assert [info.publish for info in ask(ListPublishes()).publishes] == [second, first]
    page = ask(ListPublishes(limit=1))
    assert [info.publish for info in ask(ListPublishes(before=page.publishes[0].publish)).publishes] == [first]
    assert ask(ShowPublish(publish="last")).publish == second
    tree = ask(QueryHistory(publish=second)).events
    assert [event.position for event in tree] == sorted(event.position for event in tree)
    assert ask(VerifyLog()).events == len(events)
    open_now = {info.id: info.user for info in ask(ListSessions()).sessions}
    assert open_now[again.session] == "ada"
    assert {one.session, other.session} <= open_now.keys()
    for participant in (one, other, again):
        eventually(lambda who=participant: not who.detached)  # type: ignore[misc]
        participant.leave()
