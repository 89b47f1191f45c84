"""Many threads on one socket: nothing is torn, nothing overtakes, and a connection that is lost says so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlparse

import pytest

from qi.app.broker import Broker
from qi.bus import Bus
from qi.context import STUDIO
from qi.line import Line, Sender
from qi.loop_thread import new_loop
from qi.testing.mesh import Mesh
from qi.wire import Wire

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a proactor loop watches no descriptors: it writes alone")

WAIT_S = 30
THREADS = 6
FRAMES = 400
MOMENTS = 120
PONG_AFTER_S = 0.01


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ends of a connection whose buffers are soon full."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _ = server.accept()
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        yield here, there


def piece(thread: int, number: int) -> bytes:
    return f"{thread} {number} {'x' * (number * 37 % 3000)}\n".encode()


def test_what_threads_send_is_never_torn_and_each_ones_order_is_kept(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    here, there = pair
    received = bytearray()

    def read() -> None:
        while more := there.recv(65536):
            received.extend(more)

    async def send() -> None:
        sender = Sender(here.fileno())

        def work(thread: int) -> None:
            for number in range(FRAMES):
                sender.send(piece(thread, number))

        threads = [asyncio.to_thread(work, thread) for thread in range(THREADS)]
        await asyncio.gather(*threads)
        await sender.settle()
        assert sender.waiting_bytes == 0
        sender.close()
        here.shutdown(socket.SHUT_WR)

    reader = threading.Thread(target=read)
    reader.start()
    asyncio.run(asyncio.wait_for(send(), WAIT_S))
    reader.join(WAIT_S)
    lines = bytes(received).splitlines(keepends=True)
    for thread in range(THREADS):
        mine = [line for line in lines if line.startswith(b"%d " % thread)]
        assert mine == [piece(thread, number) for number in range(FRAMES)]
    assert len(lines) == THREADS * FRAMES


def test_a_lost_connection_is_told_to_whoever_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair

    async def send() -> None:
        sender = Sender(here.fileno())
        sender.send(b"x" * 10_000_000)
        assert sender.waiting_bytes > 0
        waiting = asyncio.create_task(sender.settle())
        await asyncio.sleep(0)
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        there.close()
        with pytest.raises(OSError, match=r"."):
            await waiting
        sender.send(b"nobody hears this")
        sender.close()

    asyncio.run(asyncio.wait_for(send(), WAIT_S))


def test_a_line_that_is_let_go_wakes_whoever_waits_for_it(pair: tuple[socket.socket, socket.socket]) -> None:
    here, _ = pair

    async def send() -> None:
        sender = Sender(here.fileno())
        sender.send(b"x" * 10_000_000)
        waiting = asyncio.create_task(sender.settle())
        await asyncio.sleep(0)
        sender.close()
        await waiting
        sender.send(b"nobody hears this")
        assert sender.waiting_bytes == 0

    asyncio.run(asyncio.wait_for(send(), WAIT_S))


def test_who_no_longer_waits_for_the_end_does_not_call_it_off_for_others(broker: Broker) -> None:
    async def wait() -> None:
        line = Line()
        await line.connect(urlparse(broker.url), 4096, WAIT_S)
        first, second = asyncio.create_task(line.wait_closed()), asyncio.create_task(line.wait_closed())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        line.close()
        await second

    asyncio.run(asyncio.wait_for(wait(), WAIT_S))


def test_what_a_thread_sends_at_once_does_not_overtake_what_it_left_before(mesh: Mesh) -> None:
    bus: Bus = mesh.bus(STUDIO)
    heard: list[bytes] = []
    done = threading.Event()

    def hear(msg: object) -> None:
        heard.append(msg.data)  # type: ignore[attr-defined]
        if len(heard) == FRAMES:
            done.set()

    entry = bus.subscribe("qi.feed.order.one", hear)
    for number in range(FRAMES):
        bus.publish("qi.feed.order.one", b"%d" % number, at_once=number % 3 == 0)
    assert done.wait(WAIT_S)
    bus.unsubscribe(entry)
    assert heard == [b"%d" % number for number in range(FRAMES)]


async def ignored(_: Exception) -> None:
    """A connection that is cut is what it is about."""


INFO = b'INFO {"server_id":"s","version":"2.10.0","max_payload":1048576,"proto":1}\r\n'


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, new_loop])
def test_whoever_leaves_while_the_client_comes_back_leaves_no_socket(
    loop_of: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """At whichever moment of coming back."""
    open_now: dict[object, asyncio.StreamWriter] = {}
    """By the address of the other end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        open_now[peer] = writer
        writer.write(INFO)
        with contextlib.suppress(ConnectionError):
            while said := await reader.readline():
                if said == b"PING\r\n":
                    await asyncio.sleep(PONG_AFTER_S)
                    writer.write(b"PONG\r\n")
        del open_now[peer]
        writer.close()

    async def leave_at(moment: int, url: str) -> None:
        client = Wire()
        await client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.001, error_cb=ignored)  # type: ignore[arg-type]
        open_now[client._line._writer.get_extra_info("sockname")].transport.abort()
        while not client.is_reconnecting and not client.stats["reconnects"]:
            await asyncio.sleep(0)
        for _ in range(moment):
            await asyncio.sleep(0)
        await client.close()
        client.abort()

    async def work() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for moment in range(MOMENTS):
            await leave_at(moment, url)
        server.close()
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while open_now:
            assert asyncio.get_running_loop().time() < deadline, f"{len(open_now)} are open still"
            await asyncio.sleep(0.01)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    loop = loop_of()
    try:
        loop.run_until_complete(work())
    finally:
        loop.close()
