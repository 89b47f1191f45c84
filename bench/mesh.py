"""A request to an actor in another process, against nats-py's own request and reply.

The peer gets what Qi has: the same broker, the same 465 bytes both ways, the same two headers on the request,
uvloop on both sides, and no check of subjects.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nats
import uvloop

from bench.row import Row, Samples, Size
from events.ids import new_id
from qi import context
from qi.actor import Actor, handles
from qi.app.broker import Broker
from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.context import STUDIO
from qi.messages import PUBLIC, Request, message

PAYLOAD_BYTES = 465
ALONE = 1500
TOGETHER = 8000
IN_FLIGHT = 64
START_LIMIT_S = 10

Ask = Callable[[], Awaitable[Any]]


@message
class Said:
    text: str


@message
class Say(Request[Said], topic="bench.say", needs=PUBLIC):
    text: str


class Echo(Actor):
    """Answers with what it was asked."""

    name = "bench_echo"

    @handles(Say)
    def say(self, message: Say) -> Said:
        return Said(text=message.text)


TEXT = "x" * (PAYLOAD_BYTES - len(b'{"text":""}'))


def request_p50(size: Size) -> Samples:
    """One request at a time, microseconds."""
    return _measure(size, lambda ask: _alone(ask, size.of(ALONE)))


def request_rate(size: Size) -> Samples:
    """64 requests in flight, requests a second."""
    return _measure(size, lambda ask: _together(ask, size.of(TOGETHER, IN_FLIGHT)))


def _measure(size: Size, work: Callable[[Ask], Awaitable[float]]) -> Samples:
    broker = Broker()
    broker.start()
    try:
        with _responder("qi", broker.service), _responder("peer", broker.service):
            return _interleaved(size, broker.service, work)
    finally:
        broker.stop()


def _interleaved(size: Size, credentials: Credentials, work: Callable[[Ask], Awaitable[float]]) -> Samples:
    samples = Samples([], [])
    bus = Bus(credentials, session=STUDIO, codec=Checked())
    bus.start()
    with uvloop_runner() as run:
        client = run(_peer_client(credentials))
        message = Say(text=TEXT)
        payload = Checked().encode(message)
        assert len(payload) == PAYLOAD_BYTES
        carried = context.Context(trace=new_id(), path=("cli",), session=new_id(), user="ada", host="box")
        headers = context.Context(
            carried.trace, "", "", time.monotonic() + 10, carried.path, carried.session, carried.user, carried.host
        ).headers()

        async def qi() -> Any:
            with context.use(carried):
                return await bus.call(message)

        async def peer() -> Any:
            return await client.request("bench.peer", payload, timeout=10, headers=headers)

        async def on_bus(ask: Ask) -> float:
            return await work(ask)

        def measure(ask: Ask) -> float:
            if ask is qi:
                return float(asyncio.run_coroutine_threadsafe(on_bus(ask), bus._loop).result())
            return float(run(on_bus(ask)))

        for ask in (qi, peer):
            measure(ask)
        for turn in range(size.rounds):
            for ask, into in ((qi, samples.qi), (peer, samples.peer))[:: 1 if turn % 2 else -1]:
                into.append(measure(ask))
        run(client.close())
    bus.stop()
    return samples


async def _alone(ask: Ask, count: int) -> float:
    durations = []
    for _ in range(count):
        began = time.perf_counter()
        await ask()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations) * 1e6


async def _together(ask: Ask, count: int) -> float:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


@contextmanager
def uvloop_runner() -> Iterator[Callable[[Any], Any]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run


async def _peer_client(credentials: Credentials) -> Any:
    return await nats.connect(
        credentials.url, user=credentials.user, password=credentials.password, skip_subject_validation=True
    )


@contextmanager
def _responder(kind: str, credentials: Credentials) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.mesh", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{credentials.url} {credentials.user} {credentials.password}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(START_LIMIT_S)


def _respond(kind: str) -> None:
    credentials = Credentials(*sys.stdin.readline().split())
    if kind == "qi":
        bus = Bus(credentials, session=STUDIO, codec=Checked())
        bus.start()
        actor = Echo(bus)
        actor.begin_serving(START_LIMIT_S)
        print("ready", flush=True)
        sys.stdin.read()
        actor.actor_ref.stop()
        bus.stop()
    else:
        with uvloop_runner() as run:
            run(_respond_as_peer(credentials))


async def _respond_as_peer(credentials: Credentials) -> None:
    client = await _peer_client(credentials)

    async def echo(msg: Any) -> None:
        await client.publish(msg.reply, msg.data)

    await client.subscribe("bench.peer", cb=echo)
    await client.flush()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.close()


PEER = "nats-py request and reply, uvloop, the same headers and 465 bytes"

ROWS = (
    Row("request", "request to an actor in another process, p50", PEER, "µs", 1.4, 1.2, "less", request_p50),
    Row("requests", "the same, 64 in flight", PEER, "req/s", 0.6, 0.8, "more", request_rate),
)


if __name__ == "__main__":
    _respond(sys.argv[1])
