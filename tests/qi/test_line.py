"""Many threads on one socket: nothing is torn, nothing overtakes, and a connection that is lost says so."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlparse

import pytest

from qi.app.broker import Broker
from qi.bus import Bus
from qi.context import STUDIO
from qi.line import Line, Sender
from qi.testing.mesh import Mesh

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a proactor loop watches no descriptors: it writes alone")

WAIT_S = 10
THREADS = 6
FRAMES = 400


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
