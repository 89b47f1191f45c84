"""Actors on a real mesh: who may ask what, what faults do, groups, facts, ticks, and the service protocol."""

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import mesh_actors as a
import pytest

from qi import context
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.mesh import Ping
from qi.contracts.session import Identify
from qi.errors import (
    BadRequest,
    Busy,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Invalid,
    Loop,
    QiError,
    Unauthenticated,
    Unavailable,
)
from qi.messages import PUBLIC, Address, Request, message
from qi.testing.mesh import Mesh, eventually

LIMIT_S = 30.0
PING_ECHO = Address("qi.rpc.{session}.{topic}.echo")


# -- errors -----------------------------------------------------------------------------------------------------


def test_an_error_crosses_the_mesh_with_its_class_and_data(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    with pytest.raises(Conflict) as caught:
        mesh.bus("s1").request(a.Misbehave(how="conflict"))
    error = caught.value
    assert (error.message, error.remedy) == ("somebody was quicker", "read again")
    assert error.data == {"stream": "bundle-1", "expected": 3, "actual": 4}


@pytest.mark.parametrize("how", ["raise", "exit", "odd error", "big error", "odd reply"])
def test_a_fault_is_answered_and_the_actor_lives(mesh: Mesh, how: str) -> None:
    other = mesh.start(a.Grouping)
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    with pytest.raises(QiError) as caught:
        bus.request(a.Misbehave(how=how))
    assert type(caught.value) is not DeadlineExceeded
    assert bus.request(a.Say(text="alive")).text == "alive"
    assert bus.request(a.Put(number=1)).text == "1"
    assert echo.actor_ref.is_alive()
    assert other.actor_ref.is_alive()


def test_a_fault_names_the_actor_and_what_happened(mesh: Mesh, caplog: pytest.LogCaptureFixture) -> None:
    mesh.start(a.Echo)
    with pytest.raises(
        QiError, match=r"'echo' could not answer 'test\.misbehave': ZeroDivisionError: a fault"
    ) as caught:
        mesh.bus("s1").request(a.Misbehave(how="raise"))
    assert caught.value.code == 500
    assert "ZeroDivisionError" in caplog.text


def test_a_reply_of_more_than_256_kib_is_an_error_the_caller_learns(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    with pytest.raises(BadRequest, match="exceeds"):
        mesh.bus("s1").request(a.Misbehave(how="big reply"))


def test_a_fatal_error_is_answered_and_ends_the_actor(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    with pytest.raises(QiError, match="failed and restarts"):
        bus.request(a.Misbehave(how="fatal"))
    eventually(lambda: not echo.actor_ref.is_alive())
    eventually(lambda: not echo._intake.subscriptions)
    with pytest.raises(Unavailable):
        bus.request(a.Say(text="x"))


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_a_failed_start_is_told_to_whoever_waits(mesh: Mesh, how: str) -> None:
    other = mesh.start(a.Echo)
    with pytest.raises(Exception, match="there is one already" if how == "raise" else "gave up at its start") as caught:
        mesh.start(a.NoStart, how=how)
    assert not isinstance(caught.value, SystemExit)
    assert other.actor_ref.is_alive()


def test_a_message_that_breaks_a_rule_is_refused_with_its_field(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    with pytest.raises(Invalid) as caught:
        mesh.bus("s1").request(a.Say(text="x" * 200_001))
    assert list(caught.value.data["fields"]) == ["text"]


def test_what_is_no_json_is_a_bad_request(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    bus = mesh.bus("s1")
    answers: list[Any] = []
    bus.subscribe(f"{bus.inbox}.of.test", answers.append)
    bus.publish("qi.rpc.s1.test.say", b"{not json", reply=f"{bus.inbox}.of.test")
    eventually(lambda: answers)
    assert answers[0].headers["Nats-Service-Error-Code"] == "400"
    assert answers[0].headers["Nats-Service-Error"] == "the message is not JSON"
    assert json.loads(answers[0].data)["kind"] == "BadRequest"


def test_a_future_is_answered_when_it_is_done(mesh: Mesh) -> None:
    class Slow(Actor):
        name = "slow"
        given: Future[a.Text1]

        def setup(self) -> None:
            self.given = Future()

        @handles(a.Say)
        def say(self, _: a.Say) -> Future[a.Text1]:
            return self.given

    slow = mesh.start(Slow)
    bus = mesh.bus("s1")
    first, second = a.Say(), a.Say()
    waiting = bus.ask(first)
    slow.given.set_result(a.Text1(text="done"))
    assert bus.answer(first, waiting).text == "done"
    slow.given = Future()
    waiting = bus.ask(second)
    slow.given.set_exception(Conflict("not now"))
    with pytest.raises(Conflict, match="not now"):
        bus.answer(second, waiting)


# -- deadlines --------------------------------------------------------------------------------------------------


def test_expired_work_is_not_done(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    blocking = bus.ask(a.Wait())
    assert echo.entered.wait(LIMIT_S)
    # It waits in the mailbox; only there its time runs out.
    with pytest.raises(DeadlineExceeded):
        bus.request(a.Say(text="expired"), timeout_s=0.1)
    # There its time began to run when it arrived, which is later than here.
    eventually(lambda: echo.mailbox.qsize() == 1)
    late = time.monotonic() + 0.2
    eventually(lambda: time.monotonic() > late)
    echo.go_on.set()
    assert blocking.result(LIMIT_S)
    assert bus.request(a.Say(text="in time")).text == "in time"
    assert len(echo.contexts) == 1
    assert "past its deadline" in echo._stats.last_error


# -- who asks ---------------------------------------------------------------------------------------------------


def test_a_session_without_a_login_may_ask_what_is_public_only(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.participant("s1")
    assert bus.request(a.Say(text="public")).text == "public"
    with pytest.raises(Unauthenticated):
        bus.request(a.Read())
    assert echo.callers == [""]


def test_a_login_counts_at_once(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    bus = mesh.participant("s1")
    with pytest.raises(Unauthenticated):
        bus.request(a.Read())
    mesh.participant("s1", user="ada", permissions=("read",))
    assert bus.request(a.Read(text="x")).text == "x"


def test_a_permission_is_asked_for(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    with pytest.raises(Forbidden) as caught:
        mesh.participant("s1", user="ada", permissions=("write",)).request(a.Read())
    assert caught.value.data == {"user": "ada", "permission": "read"}
    assert mesh.participant("s2", user="bob", permissions=("read",)).request(a.Read(text="x")).text == "x"
    assert echo.callers == ["bob"]


def test_an_unknown_session_is_refused(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    mesh.participant("s1")
    with pytest.raises(QiError, match="no session s2"):
        mesh.bus("s2").request(a.Read())


def test_an_identity_is_kept_for_a_moment(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    bus = mesh.participant("s1", user="ada", permissions=("read",))
    for _ in range(20):
        bus.request(a.Read())
    assert mesh._sessions is not None
    assert mesh._sessions.asked < 5


def test_only_the_studio_may_ask_what_is_for_the_studio(mesh: Mesh) -> None:
    bus = mesh.participant("s1", user="ada", permissions=("studio",))
    with pytest.raises(Forbidden):
        bus.request(Identify(id="s1"))
    assert mesh.bus().request(Identify(id="s1")).user == "ada"


def test_the_studio_speaks_for_whom_its_context_names(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    with context.use(context.Context(trace="b" * 32, session="s7", user="ada")):
        mesh.bus().request(a.Read())
    mesh.bus().request(a.Read())
    assert echo.callers == ["ada", "studio"]


def test_a_session_cannot_name_another_user(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.participant("s1", user="ada", permissions=("read",))
    with context.use(context.Context(trace="c" * 32, session="studio", user="root")):
        bus.request(a.Read())
    assert echo.callers == ["ada"]


# -- what an actor may ask --------------------------------------------------------------------------------------


def test_an_actor_asks_only_what_it_declares(mesh: Mesh) -> None:
    class Sneaky(Actor):
        name = "sneaky"

        @handles(a.Read)
        def read(self, _: a.Read) -> a.Text1:
            return self.request(a.Say(text="undeclared"))

    mesh.start(Sneaky)
    with pytest.raises(QiError, match=r"'sneaky' requests 'test\.say' without declaring it"):
        mesh.bus().request(a.Read())


def test_ten_actors_draw_one_tree(mesh: Mesh) -> None:
    for number in range(10):
        mesh.start(a.hop(number=number))
    bus = mesh.bus()
    with context.use(context.Context(trace="d" * 32, user="ada", session="s1")):
        hops = bus.request(a.Hop0(), timeout_s=8)
    assert set(hops.traces) == {"d" * 32}
    assert hops.paths[0] == tuple(f"hop{n}" for n in range(10))
    assert [len(path) for path in hops.paths] == list(range(10, 0, -1))
    assert set(hops.causes[:-1]) == {"event-of-hop-0"}
    assert set(hops.users) == {"ada"}
    left = list(reversed(hops.remaining_ms))
    assert 0 < left[-1] <= left[0] <= 8000
    assert left == sorted(left, reverse=True)


def test_two_trees_at_once_stay_apart(mesh: Mesh) -> None:
    for number in range(10):
        mesh.start(a.hop(number=number))
    bus = mesh.bus()

    def ask(number: int) -> set[str]:
        trace = f"{number:032x}"
        with context.use(context.Context(trace=trace)):
            return set(bus.request(a.Hop0()).traces) ^ {trace}

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(ask, range(40)))


def test_a_request_that_comes_back_is_stopped(mesh: Mesh) -> None:
    mesh.start(a.hop(number=0))
    mesh.start(a.hop(number=1))
    mesh.start(a.hop(number=2, back_to=0))
    with pytest.raises(Loop) as caught:
        mesh.bus().request(a.Hop0())
    assert caught.value.code == 508
    assert caught.value.data["path"] == ["hop0", "hop1", "hop2", "hop0"]


def test_nothing_of_one_request_is_seen_by_the_next(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus()
    with context.use(context.Context(trace="e" * 32, cause="e1", command="c1", session="s7", user="ada")):
        bus.request(a.Say())
    bus.request(a.Say())
    second = echo.contexts[1]
    assert second.trace != "e" * 32
    assert (second.cause, second.command, second.session, second.user) == ("", "", "", "")
    assert echo.callers == ["ada", "studio"]


def test_a_command_id_becomes_context(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    mesh.bus("s1").request(a.Say(command="c9"))
    assert (echo.contexts[0].command, echo.contexts[0].cause) == ("c9", "c9")


# -- the mailbox ------------------------------------------------------------------------------------------------


def hold(echo: a.Echo, bus: Bus) -> Any:
    blocking = bus.ask(a.Wait(), timeout_s=30)
    assert echo.entered.wait(LIMIT_S)
    return blocking


def test_a_full_mailbox_answers_busy_with_a_hint(mesh: Mesh) -> None:
    class Narrow(a.Echo):
        mailbox_limit = 3

    echo = mesh.start(Narrow)
    bus = mesh.bus("s1")
    hold(echo, bus)
    waiting = [bus.ask(a.Say(text=str(number))) for number in range(3)]
    with pytest.raises(Busy) as caught:
        bus.request(a.Say(text="one too many"))
    assert caught.value.data == {"retry_ms": 200, "actor": "echo"}
    echo.go_on.set()
    assert all(each.result(LIMIT_S).head is None for each in waiting)


def test_a_mailbox_is_bounded_by_bytes_too(mesh: Mesh) -> None:
    class Narrow(a.Echo):
        mailbox_bytes = 150_000

    echo = mesh.start(Narrow)
    bus = mesh.bus("s1")
    hold(echo, bus)
    waiting = [bus.ask(a.Say(text="x" * 100_000)) for _ in range(2)]
    with pytest.raises(Busy):
        bus.request(a.Say(text="x"))
    echo.go_on.set()
    assert all(each.result(LIMIT_S).head is None for each in waiting)
    assert bus.request(a.Say(text="x")).text == "x"
    assert echo.mailbox.waiting_bytes == 0


def test_a_full_mailbox_still_takes_a_ping(mesh: Mesh) -> None:
    class Narrow(a.Echo):
        mailbox_limit = 1

    echo = mesh.start(Narrow)
    bus = mesh.bus()
    hold(echo, bus)
    bus.ask(a.Say())
    ping = bus.ask(Ping(), to=PING_ECHO, timeout_s=LIMIT_S)
    eventually(lambda: echo.mailbox.qsize() == 2)
    echo.go_on.set()
    assert bus.answer(Ping(), ping).name == "echo"


def test_whoever_waits_when_an_actor_stops_is_answered(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    hold(echo, bus)
    waiting = [(m, bus.ask(m)) for m in (a.Say(text=str(n)) for n in range(5))]
    eventually(lambda: echo.mailbox.qsize() == 5)
    echo.mailbox._ahead.appendleft(_stop())
    echo.go_on.set()
    for message_, future in waiting:
        with pytest.raises(Busy, match="stopping"):
            bus.answer(message_, future)


def _stop() -> Any:
    from pykka._envelope import Envelope
    from pykka.messages import _ActorStop

    return Envelope(_ActorStop())


def test_no_request_is_lost_in_a_change_of_guard(mesh: Mesh) -> None:
    """One actor stops, the next one starts, and a flood of commands goes on all the while."""
    bus = mesh.bus("s1")
    over = threading.Event()

    def flood(number: int) -> int:
        asked = 0
        while not over.is_set():
            assert bus.request(a.Say(text="x", command=f"c{number}-{asked}"), timeout_s=8).text == "x"
            asked += 1
        return asked

    first = mesh.start(a.Echo)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(flood, number) for number in range(4)]
        for _ in range(5):
            seen = first._stats.requests
            eventually(lambda: first._stats.requests > seen + 20)  # noqa: B023 - called at once
            first.actor_ref.stop()
            first = mesh.start(a.Echo)
        over.set()
        assert all(each.result(LIMIT_S) > 0 for each in running)


# -- groups -----------------------------------------------------------------------------------------------------


def grouped(mesh: Mesh, hows: list[str]) -> tuple[a.Grouping, Bus, list[tuple[a.Put, Any]]]:
    actor = mesh.start(a.Grouping)
    bus = mesh.bus("s1")
    bus.ask(a.HoldGroup())
    assert actor.entered.wait(LIMIT_S)
    asked = [(m, bus.ask(m)) for m in (a.Put(number=n, how=how) for n, how in enumerate(hows))]
    eventually(lambda: actor.mailbox.qsize() == len(hows))
    actor.go_on.set()
    return actor, bus, asked


def test_requests_that_wait_are_handled_as_a_group_in_order(mesh: Mesh) -> None:
    actor, bus, asked = grouped(mesh, [""] * 300)
    assert [int(bus.answer(m, future).text) for m, future in asked] == list(range(300))
    assert actor.groups == [list(range(256)), list(range(256, 300))]
    assert actor._stats.requests == 301


def test_another_request_ends_a_group(mesh: Mesh) -> None:
    actor = mesh.start(a.Grouping)
    bus = mesh.bus("s1")
    bus.ask(a.HoldGroup())
    assert actor.entered.wait(LIMIT_S)
    asked: list[tuple[Request[Any], Any]] = [
        (m, bus.ask(m)) for m in (a.Put(number=1), a.Put(number=2), a.HoldGroup(), a.Put(number=3))
    ]
    eventually(lambda: actor.mailbox.qsize() == 4)
    actor.go_on.set()
    for m, future in asked:
        bus.answer(m, future)
    assert actor.groups == [[1, 2], [3]]


def test_one_of_a_group_is_refused_alone(mesh: Mesh) -> None:
    _, bus, asked = grouped(mesh, ["", "refuse", ""])
    assert bus.answer(*asked[0]).text == "0"
    with pytest.raises(Conflict) as caught:
        bus.answer(*asked[1])
    assert caught.value.data == {"actual": 1}
    assert bus.answer(*asked[2]).text == "2"


@pytest.mark.parametrize("how", ["raise", "exit", "few"])
def test_a_fault_in_a_group_answers_all_and_the_actor_lives(mesh: Mesh, how: str) -> None:
    other = mesh.start(a.Echo)
    actor, bus, asked = grouped(mesh, ["", how])
    for each in asked:
        with pytest.raises(QiError, match="could not answer"):
            bus.answer(*each)
    assert bus.request(a.Put(number=7)).text == "7"
    assert actor.actor_ref.is_alive()
    assert other.actor_ref.is_alive()


def test_a_fatal_error_in_a_group_answers_all_and_ends_the_actor(mesh: Mesh) -> None:
    actor, bus, asked = grouped(mesh, ["", "fatal"])
    for each in asked:
        with pytest.raises(QiError, match="failed and restarts"):
            bus.answer(*each)
    eventually(lambda: not actor.actor_ref.is_alive())


def test_a_group_has_no_context_of_its_own(mesh: Mesh) -> None:
    actor = mesh.start(a.Grouping)
    bus = mesh.bus()
    with context.use(context.Context(trace="f" * 32, user="ada", session="s1")):
        bus.request(a.Put(number=1))
    bus.request(a.Put(number=2))
    assert "f" * 32 not in {each.trace for each in actor.contexts}


# -- facts and ticks --------------------------------------------------------------------------------------------


def test_a_fact_is_heard_under_its_own_context(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    bus = mesh.participant("s1", user="ada", permissions=("read",))
    bus.request(a.ReadListener())
    studio = mesh.bus()
    headers = context.Context(trace="1" * 32, cause="e5").headers()
    studio.publish("qi.event.test.1.test.made", b"fact", headers=headers)
    eventually(lambda: listener.heard == [b"fact"])
    heard = next(each for each in listener.contexts if each.trace == "1" * 32)
    assert heard.cause == "e5"
    assert listener.callers == ["studio"]


def test_a_listener_outlives_what_it_raises(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    bus = mesh.bus()
    bus.publish("qi.event.test.1.test.made", b"raise")
    bus.publish("qi.event.test.1.test.made", b"next")
    eventually(lambda: listener.heard == [b"raise", b"next"])
    assert "a fault" in listener._stats.last_error


def test_a_flood_of_facts_drops_the_oldest_and_counts(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    bus = mesh.bus()
    bus.ask(a.HoldListener())
    assert listener.entered.wait(LIMIT_S)
    for number in range(200):
        bus.publish("qi.event.test.1.test.made", str(number).encode())
    bus.flush()
    kept = listener.mailbox_limit
    eventually(lambda: listener._stats.dropped == 200 - kept)
    assert listener.mailbox.qsize() < kept
    listener.go_on.set()
    eventually(lambda: len(listener.heard) == kept)
    assert listener.heard == [str(number).encode() for number in range(200 - kept, 200)]


def test_ticks_come_each_in_a_tree_of_its_own_and_do_not_pile_up(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    eventually(lambda: listener.ticks >= 3)
    assert len({each.trace for each in listener.contexts}) == len(listener.contexts)
    bus = mesh.bus()
    bus.ask(a.HoldListener())
    assert listener.entered.wait(LIMIT_S)
    before = listener.ticks
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 0.2)
    assert listener.mailbox.qsize() <= 1
    listener.go_on.set()
    eventually(lambda: listener.ticks > before)


def test_a_stopped_actor_ticks_no_more(mesh: Mesh) -> None:
    listener = mesh.start(a.Listener)
    eventually(lambda: listener.ticks)
    listener.actor_ref.stop()
    assert not listener._intake.timers
    assert not listener._intake.subscriptions


# -- the service protocol ---------------------------------------------------------------------------------------


def services(bus: Bus, subject: str, count: int) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    entry = bus.subscribe(f"{bus.inbox}.of.services", lambda msg: answers.append(json.loads(msg.data)))
    bus.publish(subject, b"", reply=f"{bus.inbox}.of.services")
    eventually(lambda: len(answers) >= count)
    bus.flush()
    bus.unsubscribe(entry)
    return sorted(answers, key=lambda each: str(each["name"]))


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
def test_every_actor_answers_the_service_protocol(mesh: Mesh, verb: str) -> None:
    shared = mesh.bus()
    echo, grouping = mesh.start(a.Echo, shared), mesh.start(a.Grouping)
    bus = mesh.bus()
    answers = services(bus, f"$SRV.{verb}", 2)
    assert [each["name"] for each in answers] == ["echo", "grouping"]
    assert {each["type"] for each in answers} == {f"io.nats.micro.v1.{verb.lower()}_response"}
    assert {each["id"] for each in answers} == {echo._id, grouping._id}
    assert all(each["version"] == "0.1.0" and each["metadata"] == {} for each in answers)
    (named,) = services(bus, f"$SRV.{verb}.echo", 1)
    assert named["name"] == "echo"
    (one,) = services(bus, f"$SRV.{verb}.echo.{echo._id}", 1)
    assert one["id"] == echo._id


def test_the_service_protocol_tells_endpoints_and_figures(mesh: Mesh) -> None:
    class Figured(a.Echo):
        """Knows figures of its own.

        And more.
        """

        def figures(self) -> dict[str, Any]:
            return {"position": 42}

    mesh.start(Figured)
    bus = mesh.bus("s1")
    for _ in range(3):
        bus.request(a.Say())
    with pytest.raises(Conflict):
        bus.request(a.Misbehave(how="conflict"))
    (info,) = services(bus, "$SRV.INFO.echo", 1)
    assert info["description"] == "Knows figures of its own."
    endpoints = {each["name"]: each for each in info["endpoints"]}
    assert endpoints["test_say"] == {
        "name": "test_say",
        "subject": "qi.rpc.*.test.say",
        "queue_group": "echo",
        "metadata": {},
    }
    (stats,) = services(bus, "$SRV.STATS.echo", 1)
    first = stats["endpoints"][0]
    assert (first["num_requests"], first["num_errors"], first["last_error"]) == (4, 1, "somebody was quicker")
    assert first["processing_time"] > 0
    assert first["average_processing_time"] == pytest.approx(first["processing_time"] / 4, abs=2)
    assert stats["data"]["position"] == 42
    assert {"mailbox", "mailbox_bytes", "p50_ms", "p99_ms", "dropped"} <= stats["data"].keys()
    assert stats["data"]["mailbox_deepest"] >= 1
    assert {topic: told["requests"] for topic, told in stats["data"]["topics"].items()} == {
        "test.say": 3, "test.misbehave": 1
    }  # fmt: skip
    said = stats["data"]["topics"]["test.say"]
    assert 0 < said["p50_ms"] <= said["p99_ms"]
    assert stats["started"].endswith("+00:00")


def test_a_stopped_actor_is_no_longer_shown(mesh: Mesh) -> None:
    shared = mesh.bus()
    echo = mesh.start(a.Echo, shared)
    mesh.start(a.Grouping, shared)
    echo.actor_ref.stop()
    assert [each["name"] for each in services(mesh.bus(), "$SRV.PING", 1)] == ["grouping"]


def test_two_message_types_cannot_claim_one_topic() -> None:
    with pytest.raises(RuntimeError, match=r"two message types claim the topic test\.say"):

        @message
        class Other(Request[a.Text1], topic="test.say", needs=PUBLIC):
            pass
