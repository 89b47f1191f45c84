"""A broker that is frozen, slow, flooded, or gone for long: nothing is lost, everything is answered or refused, memory
is bounded, and nobody is taken for dead because nobody could be heard."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mesh_actors as a
import psutil
import pytest
from slow_link import SlowLink

from events.ids import new_id
from qi.app.broker import Broker
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.bus import Bus
from qi.checked import Checked
from qi.contracts.log import ReadLog
from qi.contracts.session import ListSessions
from qi.contracts.settings import PatchSettings, Setting
from qi.contracts.studio import GetStatus
from qi.credentials import Credentials
from qi.errors import Busy, DeadlineExceeded
from qi.session.participant import Participant
from qi.supervisor import Spec, Supervisor
from qi.testing.mesh import Mesh, eventually
from qi.testing.studio import start_studio

MEMORY_MOST = 200 * 1024 * 1024
"""What a flood may add to this process, which holds both ends of it: mailboxes and outboxes are bounded."""
BURST = 100_000
FLOOD = 2_000
"""Messages of 100 kB: three times what the broker keeps for one connection."""
TIMEOUT = "qi.publish.plugin_timeout_s"


def memory() -> int:
    return psutil.Process().memory_info().rss


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of the services, several times as short. A session's is what people have to connect again after the
    services have, and on a busy machine that takes seconds; so does the watchdog's look, before which an actor that
    answers no ping is taken for one that hangs."""
    monkeypatch.setattr("actors.sessions.service.BEAT_LIMIT_S", 5.0)
    monkeypatch.setattr("qi.link.WATCHDOG_FLUSH_S", 1)
    monkeypatch.setitem(Bus.__init__.__kwdefaults__, "watchdog_every_s", 0.1)
    monkeypatch.setitem(Supervisor.__init__.__kwdefaults__, "ping_every_s", 0.3)
    monkeypatch.setitem(Supervisor.__init__.__kwdefaults__, "hang_after_s", 6.0)


def change(value: int, command: str) -> PatchSettings:
    return PatchSettings(scope="user", settings=(Setting(path=TIMEOUT, value=value),), command=command)


def test_a_frozen_broker_costs_time_and_nothing_else(impatient: None, tmp_path: Path) -> None:
    """Frozen for longer than a session may be silent, and an actor may leave pings unanswered. Afterwards these limits
    hold as before: who is silent behind a line of his own is detached, until he is heard again."""
    studio = Studio(read_launch_config(home=tmp_path / "home"))
    studio.start()
    try:
        connection = studio.home.connection()
        assert connection is not None
        people = [
            Participant(connection.credentials, kind=kind, codec=Checked(), home=studio.home, beat_every_s=0.1)
            for kind in ("cli", "dcc", "desktop")
        ]
        for one in people:
            one.join()
        bus = people[0].bus
        before = bus.request(GetStatus())
        assert isinstance(studio._broker, Broker)
        (server,) = psutil.Process(studio._broker.pid).children()
        with ThreadPoolExecutor(1) as pool:
            with frozen(server):
                waiting = pool.submit(bus.request, change(77, "c77"), timeout_s=30)
                with pytest.raises(DeadlineExceeded):
                    people[1].bus.request(GetStatus(), timeout_s=0.5)
                eventually(lambda: not bus.connected, what="the watchdog's notice")
                with pytest.raises(DeadlineExceeded, match="the broker does not answer"):
                    bus.request(GetStatus(), timeout_s=0.1)
                threading.Event().wait(7)
            assert waiting.result(30).changed == 1
        eventually(lambda: not any(one.detached for one in people))
        after = bus.request(GetStatus(), timeout_s=20)
        assert [(child.restarts, child.last_error) for child in after.children] == [(0, "")] * len(before.children)
        assert (after.broker_restarts, after.pid) == (before.broker_restarts, before.pid)
        listed = {session.id: session.state for session in bus.request(ListSessions()).sessions}
        assert {one.session: listed.get(one.session) for one in people} == dict.fromkeys(
            (one.session for one in people), "open"
        )
        changes = list(bus.request(ReadLog(type="settings.changed")).events)
        assert len(changes) == 1
        with SlowLink(int(connection.url.rpartition(":")[2])) as line:
            far = Participant(replace(connection.credentials, url=line.url), kind="dcc", beat_every_s=0.1)
            far.host = "another-machine"
            far.join()

            def state() -> list[str]:
                return [session.state for session in bus.request(ListSessions()).sessions if session.id == far.session]

            assert state() == ["open"]
            line.stalled = True
            eventually(lambda: state() == ["detached"])
            line.stalled = False
            eventually(lambda: state() == ["open"] and not far.detached)
            far.leave()
        for one in people:
            one.leave()
    finally:
        studio.stop()


def test_over_a_slow_line_every_command_counts_once_and_memory_is_bounded(tmp_path: Path) -> None:
    with start_studio(tmp_path / "home") as studio:
        connection = studio.home.connection()
        assert connection is not None
        port = int(connection.url.rpartition(":")[2])
        with SlowLink(port, delay_s=0.1, rate=400_000) as line:
            credentials = Credentials(line.url, password=connection.token)
            far = Participant(credentials, kind="cli", codec=Checked(), beat_every_s=0.5)
            far.join()
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: far.bus.request(change(100 + n, f"far{n}"), timeout_s=30), range(20)))
            assert len({answer.position for answer in answers}) == 20
            # A line that takes nothing any more fills an outbox that has an end.
            started, refused = memory(), 0
            line.stalled = True
            for _ in range(8_000):
                try:
                    far.bus.publish(f"qi.feed.log.{far.session}", b"x" * 16_000)
                except Busy:
                    refused += 1
            assert refused
            assert memory() - started < MEMORY_MOST
            far.bus.stop()
        assert len(studio.events(type="settings.changed")) == 20
        assert studio.bus.request(GetStatus()).stage == "ready"


def test_a_burst_to_one_actor_is_answered_or_refused_to_the_last(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    bus.request(a.Say(text="warm"))
    started, outcomes = memory(), Counter[str]()
    asked = 0
    while asked < BURST:
        futures = [bus.ask(a.Say(text="x"), timeout_s=60) for _ in range(10_000)]
        asked += len(futures)
        for future in futures:
            try:
                bus.answer(a.Say(), future)
                outcomes["answered"] += 1
            except Busy:
                outcomes["refused"] += 1
    assert outcomes.total() == BURST
    assert outcomes["answered"] == len(echo.contexts) - 1, "what was refused was not done, what was done was told"
    assert memory() - started < MEMORY_MOST
    assert bus.request(a.Say(text="after")).text == "after"


def test_a_burst_of_facts_to_a_slow_listener_keeps_the_newest_in_bounds(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    hold, bus = mesh.bus("s2"), mesh.bus()
    hold.ask(a.HoldListener())
    assert listener.entered.wait(30)
    started = memory()
    for number in range(BURST):
        bus.publish("qi.event.test.x.happened", b'{"n": %d, "pad": "%s"}' % (number, b"x" * 100))
    bus.flush(60)
    eventually(lambda: listener._stats.dropped >= BURST - listener.mailbox_limit, within_s=60)
    assert memory() - started < MEMORY_MOST
    listener.go_on.set()
    eventually(lambda: listener.heard and str(BURST - 1).encode() in listener.heard[-1])


def test_who_stops_reading_is_cut_off_and_nobody_else_notices(mesh: Mesh) -> None:
    """The broker ends it at 64 MiB; another listener hears every one; its own SDK would come back."""
    sender, heard = mesh.bus(), [0]

    def count(_: Any) -> None:
        heard[0] += 1

    mesh.bus("s1").subscribe("qi.event.flood.>", count)
    stuck, came = mesh.bus("s2"), threading.Event()
    go_on = threading.Event()

    def sticks(_: Any) -> None:
        came.set()
        go_on.wait(60)

    stuck.subscribe("qi.event.flood.>", sticks)
    (server,) = psutil.Process(mesh.broker.pid).children()
    before, most = server.memory_info().rss, 0
    try:
        for _ in range(FLOOD // 50):
            for _ in range(50):
                sender.publish("qi.event.flood.x.y", b"x" * 100_000)
            sender.flush(20)
            most = max(most, server.memory_info().rss)
        assert came.is_set()
        eventually(lambda: heard[0] == FLOOD)
        assert most - before < 300 * 1024 * 1024
    finally:
        go_on.set()
    eventually(lambda: stuck.reconnects >= 1)
    mesh.start(a.Echo)
    assert stuck.request(a.Say(text="back", command="c1"), timeout_s=20).text == "back"


def test_after_a_long_sleep_nobody_is_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch, mesh: Mesh
) -> None:
    """An hour in which nothing ran: the clock is put forward where the supervisor reads it, as it is after a
    sleep on systems whose monotonic clock goes on meanwhile."""
    bus = mesh.bus()
    supervisor = Supervisor(bus, lambda spec: pytest.fail(spec.name), ping_every_s=0.1, hang_after_s=2.0)
    supervisor.start_child(Spec("echo", "mesh_actors:Echo"))
    supervisor.watch()
    slept = [0.0]

    class Clock:
        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

        def monotonic(self) -> float:
            return time.monotonic() + slept[0]

    monkeypatch.setattr("qi.supervisor.time", Clock())
    slept[0] = 3600.0
    (child,) = supervisor.states()
    began = time.monotonic()
    while time.monotonic() - began < 3:
        bus.request(a.Say(text="x"))
        (child,) = supervisor.states()
        assert (child.state, child.restarts, child.last_error) == ("running", 0, "")
    supervisor.stop()


def test_a_studio_that_comes_back_elsewhere_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio is killed and another one starts on its home, on another port and with another token."""
    monkeypatch.setattr("qi.session.participant.BEAT_LIMIT_S", 0.5)
    home = tmp_path / "home"
    with start_studio(home) as first:
        connection = first.home.connection()
        assert connection is not None
        dcc = Participant(connection.credentials, kind="dcc", codec=Checked(), home=first.home, beat_every_s=0.1)
        dcc.join()
        first.kill()
        eventually(lambda: dcc.detached)
        # Its port is taken, so that the next one must listen elsewhere.
        with socket.create_server(("127.0.0.1", int(connection.url.rpartition(":")[2]))), start_studio(home) as second:
            now = second.home.connection()
            assert now is not None
            assert now.url != connection.url
            eventually(lambda: not dcc.detached and dcc.bus.connected)
            assert dcc.bus.request(GetStatus()).pid == second.pid
            eventually(lambda: dcc.session in {one.id for one in second.bus.request(ListSessions()).sessions})
            assert dcc.bus.request(change(55, new_id())).changed == 1
            dcc.leave()


