"""The only door to the mesh, against a real server."""

import asyncio
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mesh_actors as a
import psutil
import pytest

from qi import context
from qi.app.broker import Broker
from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.contracts.session import Identify
from qi.errors import BadRequest, Busy, DeadlineExceeded, Forbidden, Unauthenticated, Unavailable
from qi.messages import MAX_MESSAGE_BYTES
from qi.testing.mesh import Mesh, eventually

LIMIT_S = 30.0


class Counting(Checked):
    """Counts what is sent."""

    sent = 0

    def encode(self, value: Any) -> bytes:
        self.sent += 1
        return super().encode(value)


def test_a_request_gets_its_reply(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    assert mesh.bus("s1").request(a.Say(text="højde 字")) == a.Text1(text="højde 字")


def test_a_request_nobody_serves_fails_at_once(mesh: Mesh) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        mesh.bus("s1").request(a.Say(text="x"))
    assert caught.value.data == {"topic": "test.say"}
    assert time.monotonic() - began < a.Say.timeout_s


def test_a_request_without_an_answer_ends_at_its_deadline(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        mesh.bus("s1").request(a.Wait(), timeout_s=0.2)
    assert 0.2 <= time.monotonic() - began < a.Wait.timeout_s
    echo.go_on.set()


def test_what_was_asked_without_waiting_ends_too(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1", watchdog_every_s=0.05)
    future = bus.ask(a.Wait(), timeout_s=0.1)
    assert isinstance(future.exception(LIMIT_S), DeadlineExceeded)
    assert not bus._waiting
    echo.go_on.set()


def test_an_answer_is_read_from_the_future(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    bus = mesh.bus("s1")
    message = a.Say(text="later")
    assert bus.answer(message, bus.ask(message)).text == "later"


def test_coroutines_ask_on_the_bus_thread(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    bus = mesh.bus("s1")

    async def many() -> list[str]:
        answers = await asyncio.gather(*(bus.call(a.Say(text=str(n))) for n in range(200)))
        return [answer.text for answer in answers]

    assert bus._thread.wait(many(), LIMIT_S) == [str(n) for n in range(200)]
    assert not bus._waiting


def test_coroutines_meet_the_same_errors(mesh: Mesh) -> None:
    bus = mesh.bus("s1")

    async def fails(timeout_s: float) -> Any:
        return await bus.call(a.Wait(), timeout_s=timeout_s)

    with pytest.raises(Unavailable):
        bus._thread.wait(fails(5), LIMIT_S)
    echo = mesh.start(a.Echo)
    with pytest.raises(DeadlineExceeded):
        bus._thread.wait(fails(0.1), LIMIT_S)
    echo.go_on.set()


def test_the_bus_thread_never_waits_for_itself(mesh: Mesh) -> None:
    bus = mesh.bus("s1")
    caught: list[BaseException] = []
    done = threading.Event()

    def wait_there() -> None:
        try:
            bus.flush()
        except RuntimeError as error:
            caught.append(error)
        done.set()

    bus._loop.call_soon_threadsafe(wait_there)
    assert done.wait(LIMIT_S)
    assert "must not wait for itself" in str(caught[0])


def test_a_command_is_sent_again_until_its_service_is_there(mesh: Mesh) -> None:
    counting = Counting()
    bus = mesh.bus("s1", counting)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bus.request, a.Say(text="patient", command="c1"))
        eventually(lambda: counting.sent >= 2, what="a second try")
        mesh.start(a.Echo)
        assert answer.result(LIMIT_S).text == "patient"


def test_a_command_is_sent_again_only_until_its_deadline(mesh: Mesh) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        mesh.bus("s1").request(a.Say(text="x", command="c1"), timeout_s=0.5)
    assert 0.2 <= time.monotonic() - began < a.Say.timeout_s


def test_a_query_is_not_sent_again(mesh: Mesh) -> None:
    counting = Counting()
    with pytest.raises(Unavailable):
        mesh.bus("s1", counting).request(a.Say(text="x"))
    assert counting.sent == 1


def test_a_busy_service_gets_its_command_later(mesh: Mesh) -> None:
    class Narrow(a.Echo):
        mailbox_limit = 1

    echo = mesh.start(Narrow)
    bus = mesh.bus("s1")
    blocking = bus.ask(a.Wait())
    assert echo.entered.wait(LIMIT_S)
    waiting = bus.ask(a.Say(text="fills the mailbox"))
    with pytest.raises(Busy):
        eventually(lambda: bus.request(a.Say(text="query")) and None)
    with ThreadPoolExecutor(1) as pool:
        command = pool.submit(bus.request, a.Say(text="command", command="c1"))
        refusals = echo._stats.errors
        eventually(lambda: echo._stats.errors >= refusals + 2, what="two refusals")
        echo.go_on.set()
        assert command.result(LIMIT_S).text == "command"
    assert waiting.result(LIMIT_S)
    assert blocking.result(LIMIT_S)


def test_stopping_ends_requests_that_wait(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus("s1")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(bus.request, a.Wait(), timeout_s=60)
        assert echo.entered.wait(LIMIT_S)
        bus.stop()
        with pytest.raises(Unavailable, match="leaving"):
            asked.result(LIMIT_S)
    with pytest.raises(Unavailable, match="leaving"):
        bus.request(a.Say(text="after the end", command="c1"))
    with pytest.raises(Unavailable):
        bus.subscribe("qi.feed.x", print)
    echo.go_on.set()


def test_what_was_published_before_the_stop_arrives(mesh: Mesh) -> None:
    heard: list[bytes] = []
    listener = mesh.bus()
    listener.subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
    sender = mesh.bus("s1")
    for number in range(1000):
        sender.publish("qi.feed.test.1", str(number).encode())
    sender.stop()
    eventually(lambda: len(heard) == 1000)
    assert heard == [str(number).encode() for number in range(1000)]


def test_the_outbox_sends_many_in_one_go_and_in_order(mesh: Mesh) -> None:
    heard: list[bytes] = []
    mesh.bus().subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
    sender = mesh.bus("s1")
    batches: list[int] = []
    send = sender._client.send
    sender._client.send = lambda frames: batches.append(len(list(frames))) or send(frames)  # type: ignore[method-assign,func-returns-value]
    held = threading.Event()
    sender._loop.call_soon_threadsafe(held.wait, LIMIT_S)
    for number in range(500):
        sender.publish("qi.feed.test.1", str(number).encode())
    held.set()
    eventually(lambda: len(heard) == 500)
    assert heard == [str(number).encode() for number in range(500)]
    assert len(batches) <= 2


def test_big_floods_keep_their_order_and_lose_nothing(mesh: Mesh) -> None:
    heard: list[int] = []
    mesh.bus().subscribe("qi.feed.test.*", lambda msg: heard.append(int(msg.data[:8])))
    sender = mesh.bus("s1")
    tail = b"x" * 200_000
    for number in range(300):
        while True:
            try:
                sender.publish("qi.feed.test.1", b"%08d" % number + tail)
                break
            except Busy:
                sender.flush()
    eventually(lambda: len(heard) == 300)
    assert heard == list(range(300))


@pytest.mark.parametrize("over", [0, 1])
def test_a_message_of_more_than_256_kib_is_refused(mesh: Mesh, over: int) -> None:
    bus = mesh.bus("s1")
    data = b"x" * (MAX_MESSAGE_BYTES + over)
    if over:
        with pytest.raises(BadRequest) as caught:
            bus.publish("qi.feed.test.1", data)
        assert caught.value.data == {"subject": "qi.feed.test.1", "size": MAX_MESSAGE_BYTES + 1}
    else:
        bus.publish("qi.feed.test.1", data)
        bus.flush()


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0", "a\tb"])
def test_a_subject_cannot_smuggle_in_another_command(mesh: Mesh, subject: str) -> None:
    with pytest.raises(BadRequest):
        mesh.bus("s1").publish(subject, b"")


def test_a_header_cannot_smuggle_in_another(mesh: Mesh) -> None:
    heard: list[dict[str, str]] = []
    mesh.bus().subscribe("qi.feed.test.*", lambda msg: heard.append(msg.headers))
    mesh.bus("s1").publish("qi.feed.test.1", b"", headers={"A": "1\r\nB: 2", "C": "ø"})
    assert eventually(lambda: heard) == [{"A": "1  B: 2", "C": "ø"}]


def test_a_callback_that_raises_ends_nothing(mesh: Mesh, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[bytes] = []

    def hear(msg: Any) -> None:
        heard.append(msg.data)
        raise ZeroDivisionError

    mesh.bus().subscribe("qi.feed.test.*", hear)
    sender = mesh.bus("s1")
    sender.publish("qi.feed.test.1", b"1")
    sender.publish("qi.feed.test.1", b"2")
    eventually(lambda: heard == [b"1", b"2"])
    assert "callback failed" in caplog.text


def test_unsubscribing_delivers_what_was_on_its_way(mesh: Mesh) -> None:
    heard: list[bytes] = []
    bus = mesh.bus()
    entry = bus.subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
    for _ in range(1000):
        bus.publish("qi.feed.test.1", b"x")
    bus.flush()
    bus.unsubscribe(entry)
    bus.publish("qi.feed.test.1", b"late")
    bus.flush()
    assert heard == [b"x"] * 1000


def test_no_broker_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"nats://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Unavailable, match="no broker at"):
            Bus(Credentials(url), session="s1").start()
        assert time.monotonic() - began < LIMIT_S


def test_wrong_credentials_are_refused(mesh: Mesh) -> None:
    assert mesh.credentials
    with pytest.raises(Unauthenticated, match="does not let this session in"):
        Bus(Credentials(mesh.broker.url, password="wrong"), session="s1").start()


def test_a_timer_runs_until_it_is_cancelled(mesh: Mesh) -> None:
    bus = mesh.bus("s1")
    calls: list[float] = []
    timer = bus.every(0.005, lambda: calls.append(time.monotonic()))
    eventually(lambda: len(calls) >= 3)
    timer.cancel()
    bus.flush()
    seen = len(calls)
    bus.flush()
    assert len(calls) <= seen + 1


def test_fifty_lives_leave_no_thread_and_no_descriptor(mesh: Mesh) -> None:
    process = psutil.Process()

    def live() -> None:
        bus = Bus(mesh.credentials, session="s1")
        bus.start()
        bus.subscribe("qi.feed.test.*", print)
        bus.stop()

    def fail() -> None:
        with pytest.raises(Unauthenticated):
            Bus(Credentials(mesh.broker.url, password="wrong"), session="s1").start()

    live()
    fail()
    threads, descriptors = threading.active_count(), process.num_fds()
    for _ in range(50):
        live()
    for _ in range(5):
        fail()
    eventually(lambda: threading.active_count() <= threads, what="no thread of theirs left")
    eventually(lambda: process.num_fds() <= descriptors, what="no descriptor of theirs left")


# -- when the broker suffers ------------------------------------------------------------------------------------


def server_of(broker: Broker) -> psutil.Process:
    """The nats-server itself, below its guard."""
    (server,) = psutil.Process(broker.pid).children()
    return server


def test_after_a_killed_broker_everything_works_again() -> None:
    with Mesh() as mesh:
        echo = mesh.start(a.Echo)
        heard: list[bytes] = []
        bus = mesh.bus("s1")
        bus.subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
        assert bus.request(a.Say(text="before")).text == "before"
        old = server_of(mesh.broker)
        old.kill()
        # A command waits for its service to be back.
        assert bus.request(a.Say(text="after", command="c1"), timeout_s=20).text == "after"
        bus.publish("qi.feed.test.1", b"heard")
        eventually(lambda: heard == [b"heard"])
        assert mesh.broker.restarts == 1
        assert bus.reconnects == 1
        assert server_of(mesh.broker).pid != old.pid
        assert echo.actor_ref.is_alive()


def test_what_was_published_while_the_broker_was_away_is_sent_later() -> None:
    with Mesh() as mesh:
        heard: list[bytes] = []
        listener, sender = mesh.bus(), mesh.bus("s1")
        listener.subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
        server_of(mesh.broker).kill()
        eventually(lambda: not sender.connected and not listener.connected)
        # Only what leaves after the listener is back can be heard.
        eventually(lambda: listener.connected)
        for number in range(10):
            sender.publish("qi.feed.test.1", str(number).encode())
        eventually(lambda: len(heard) == 10)
        assert heard == [str(number).encode() for number in range(10)]


def test_without_a_broker_the_outbox_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with Mesh() as mesh:
        bus = mesh.bus("s1")
        monkeypatch.setattr("qi.outbox.LIMIT_BYTES", 1000)
        mesh.broker.stop()
        eventually(lambda: not bus.connected)
        bus.publish("qi.feed.test.1", b"x" * 600)
        with pytest.raises(Busy):
            bus.publish("qi.feed.test.1", b"x" * 600)
        bus.publish("qi.feed.test.1", b"x" * 600, lossy=True)
        assert bus.dropped == 1
        with pytest.raises(Unavailable):
            bus.flush(1)
        with pytest.raises(Unavailable):
            bus.subscribe("qi.feed.x", print)
        assert [entry.subject for entry in bus._subscriptions] == [f"{bus.inbox}.*"]


def test_a_request_that_outlived_its_caller_is_not_sent() -> None:
    with Mesh() as mesh:
        echo = mesh.start(a.Echo)
        bus = mesh.bus("s1")
        server_of(mesh.broker).kill()
        eventually(lambda: not bus.connected)
        with pytest.raises(DeadlineExceeded):
            bus.request(a.Say(text="expired"), timeout_s=0.05)
        assert bus.request(a.Say(text="after", command="c1"), timeout_s=20).text == "after"
        assert len(echo.contexts) == 1
        assert echo._stats.errors == 0, "it reached the service, which had to turn it away"


def test_a_broker_that_stands_still_costs_requests_but_no_connection() -> None:
    with Mesh() as mesh:
        mesh.start(a.Echo, mesh.bus(watchdog_every_s=0.2))
        bus = mesh.bus("s1", watchdog_every_s=0.2)
        server = server_of(mesh.broker)
        server.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(DeadlineExceeded):
                bus.request(a.Say(text="x"), timeout_s=0.3)
            with pytest.raises(Unavailable):
                bus.flush(1)
        finally:
            server.send_signal(signal.SIGCONT)
        # The answer to a ping that was given up does not end the client's reader.
        assert bus.request(a.Say(text="back", command="c1"), timeout_s=20).text == "back"


def test_the_watchdog_replaces_a_connection_whose_reader_is_dead(mesh: Mesh) -> None:
    mesh.start(a.Echo)
    heard: list[bytes] = []
    bus = mesh.bus("s1", watchdog_every_s=0.1)
    bus.subscribe("qi.feed.test.*", lambda msg: heard.append(msg.data))
    zombie = bus._client
    reader = zombie._reading_task
    assert reader is not None
    bus._loop.call_soon_threadsafe(reader.cancel)
    eventually(lambda: bus._client is not zombie and bus.reconnects == 1)
    assert bus.request(a.Say(text="alive", command="c1")).text == "alive"
    mesh.bus().publish("qi.feed.test.1", b"once")
    eventually(lambda: heard)
    bus.flush()
    assert heard == [b"once"]
    assert any("reader is dead" in problem for problem in bus.problems)


def test_a_given_up_ping_does_not_kill_the_reader(mesh: Mesh) -> None:
    """The very defect of the client that the wire mends: were it fixed upstream, the mending could go."""
    bus = mesh.bus("s1")

    async def give_up_a_ping() -> None:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        await bus._client._send_ping(future)
        future.cancel()

    bus._thread.wait(give_up_a_ping(), LIMIT_S)
    bus.flush()
    assert bus._client._reading_task is not None
    assert not bus._client._reading_task.done()


# -- who may say what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject",
    [
        "qi.rpc.studio.test.say",
        "qi.event.publish.1.publish.requested",
        "qi.addon.b.a.studio.test.say",
        "qi.session.x.y",
    ],
)
def test_the_broker_lets_no_session_pose_as_the_studio(mesh: Mesh, subject: str) -> None:
    heard: list[bytes] = []
    mesh.bus().subscribe(subject, lambda msg: heard.append(msg.data))
    bus = mesh.bus("s1")
    bus.publish(subject, b"forged")
    bus.flush()
    eventually(lambda: any("permissions violation" in problem.lower() for problem in bus.problems))
    mesh.bus().publish(subject, b"genuine")
    eventually(lambda: heard)
    assert heard == [b"genuine"]
    assert bus.connected


@pytest.mark.parametrize("subject", ["qi.rpc.>", "qi.rpc.*.test.say", ">", "qi.addon.>"])
def test_the_broker_lets_no_session_serve_a_topic(mesh: Mesh, subject: str) -> None:
    bus = mesh.bus("s1")
    heard: list[bytes] = []
    with pytest.raises(Forbidden, match="may not listen"):
        bus.subscribe(subject, lambda msg: heard.append(msg.data))
    with pytest.raises(Unavailable):
        mesh.bus().request(Identify(id="x"))
    bus.flush()
    assert not heard


def test_the_context_of_the_asking_thread_travels(mesh: Mesh) -> None:
    echo = mesh.start(a.Echo)
    bus = mesh.bus()
    mine = context.Context(trace="a" * 32, cause="e1", session="s9", user="åse", host="box 1;x")
    with context.use(mine):
        bus.request(a.Say(text="x"))
    (seen,) = echo.contexts
    assert (seen.trace, seen.cause, seen.session, seen.user, seen.host) == ("a" * 32, "e1", "s9", "åse", "box 1;x")
    assert seen.path == ("echo",)
