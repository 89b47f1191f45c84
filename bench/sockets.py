"""`python -m bench.sockets`: windows of the Command Center under a steady load. No fact is lost, memory stays bounded.

A studio, the server beside it, and the windows are processes of their own. Each window hears the events of one stream,
as a page hears of what it shows, and asks something every two seconds; the events of all streams are appended at a
fixed rate. At the end what the windows heard is compared with the log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from websockets.asyncio.client import connect

from bench.soak import MIB, Appends, Outcome, beside
from events.record import Position
from events.sqlite import SqliteReader
from qi.app import front
from qi.credentials import Credentials
from qi.home import Home
from qi.testing.server import PASSWORD, Client

WINDOWS_A_LOGIN = 10
ASK_EVERY_S = 2.0
SAMPLE_S = 5.0
QUIET_S = 3.0
"""When nothing has come for so long, nothing more will."""
GROWTH_MOST = 0.10


@dataclass
class Heard:
    """What all windows together heard."""

    positions: list[int] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """From the record's time to the window."""
    disordered: int = 0
    answered: int = 0
    failed: int = 0
    ended: int = 0
    """Windows that were closed by the server."""


async def window(url: str, access: str, stream: int, heard: Heard, ready: asyncio.Event, over: asyncio.Event) -> None:
    last = 0
    async with connect(url.replace("http", "ws", 1) + "/ws", compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"op": "hello", "access": access}))
        await socket.send(json.dumps({"op": "subscribe", "id": 0, "subjects": [f"qi.event.bench.s{stream}.>"]}))

        async def ask() -> None:
            number = 0
            while not over.is_set():
                number += 1
                await socket.send(json.dumps({"op": "request", "id": number, "topic": "bundle.list"}))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), ASK_EVERY_S)
            await asyncio.sleep(QUIET_S)
            await socket.close()

        asking = asyncio.create_task(ask())
        async for text in socket:
            frame = json.loads(text)
            if frame["op"] == "event":
                event = frame["event"]
                heard.positions.append(event["position"])
                heard.late_ms.append(time.time() * 1000 - event["recorded_at"] / 1000)
                heard.disordered += event["position"] <= last
                last = event["position"]
            elif frame["op"] == "subscribed":
                ready.set()
            else:
                heard.answered += frame["op"] == "reply"
                heard.failed += frame["op"] in ("error", "bye")
        heard.ended += not over.is_set()
        asking.cancel()


def be_windows(home: str, count: int) -> None:
    found = front.find(Home(Path(home)))
    owner, people = Client(found.url), []
    owner.entered(owner.http.post("/auth/redeem", json={"code": found.link().partition("#code=")[2]}))
    for number in range(-(-count // WINDOWS_A_LOGIN)):
        user = {"name": f"person {number}", "password": PASSWORD, "roles": ["admin"]}
        owner.http.post("/api/auth/user/add", json=user).raise_for_status()
        person = Client(found.url, f"127.0.9.{number + 1}" if sys.platform == "linux" else "")
        people.append(person.log_in(user["name"]))
    heard = Heard()

    async def run() -> None:
        over = asyncio.Event()
        ready = [asyncio.Event() for _ in range(count)]
        windows = [
            asyncio.create_task(
                window(found.url, people[number // WINDOWS_A_LOGIN].access, number, heard, ready[number], over)
            )
            for number in range(count)
        ]
        await asyncio.gather(*(one.wait() for one in ready))
        print("{}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        over.set()
        await asyncio.gather(*windows)

    asyncio.run(run())
    late = sorted(heard.late_ms) or [0.0]
    print(json.dumps({
        "positions": heard.positions, "disordered": heard.disordered, "answered": heard.answered,
        "failed": heard.failed, "ended": heard.ended,
        "p50_ms": round(statistics.median(late), 1), "p99_ms": round(late[int(len(late) * 0.99)], 1),
    }), flush=True)  # fmt: skip


def run(seconds: float, rate: int, windows: int) -> list[str]:
    """Measure and print; returns what does not hold."""
    outcome = Outcome(rate, windows, seconds)
    memory: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory(prefix="qi-sockets-") as folder:
        home = Home(Path(folder, "home"))
        with beside("--be-studio", str(home.root)) as (studio, said):
            running = front.start(home)
            file = front.ServerFile.read(home)
            assert file is not None
            server = psutil.Process(file.pid)
            listening = subprocess.Popen(
                [sys.executable, "-m", "bench.sockets", "--be-windows", str(home.root), str(windows)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert listening.stdout is not None
            try:
                json.loads(listening.stdout.readline())
                appends = Appends(Credentials(**said), rate, windows, outcome)
                load = threading.Thread(target=lambda: asyncio.run(appends.run(seconds)))
                began, busy = time.monotonic(), server.cpu_times()
                load.start()
                while load.is_alive():
                    load.join(min(SAMPLE_S, seconds / 4))
                    memory.append((time.monotonic() - began, server.memory_info().rss))
                took, spent = time.monotonic() - began, server.cpu_times()
                told = json.loads(listening.communicate(timeout=120)[0].splitlines()[-1])
            finally:
                listening.kill()
                running.stop()
            studio.communicate(timeout=60)
        with SqliteReader(home.events) as reader:
            written, after = set(), Position(0)
            while page := reader.read(after, 1000, frozenset({"bench"})):
                written |= {event.position for event in page}
                after = page[-1].position
    second_half = [rss for at, rss in memory if at >= seconds / 2]
    growth = second_half[-1] / second_half[0] - 1 if second_half else 0.0
    heard = told["positions"]
    cores = (spent.user + spent.system - busy.user - busy.system) / took
    print(
        f"{windows} windows, {rate} events/s for {seconds:.0f} s: {len(written)} events, {len(heard)} heard; "
        f"event to window p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms; server {memory[-1][1] / MIB:.0f} MiB "
        f"({growth:+.0%} in the second half), {cores:.2f} cores; {told['answered']} questions"
    )
    claims = {
        f"{len(written - set(heard))} events were not heard": written <= set(heard),
        f"{len(heard) - len(set(heard))} were heard twice": len(heard) == len(set(heard)),
        f"{told['disordered']} came out of order": told["disordered"] == 0,
        f"{told['failed']} questions failed": told["failed"] == 0,
        f"{told['ended']} windows were closed": told["ended"] == 0,
        f"{outcome.refused} appends were refused": outcome.refused == 0,
        f"{outcome.sent} of {int(rate * seconds)} appends were sent": outcome.sent >= 0.95 * rate * seconds,
        f"memory grew by {growth:.0%}": growth <= GROWTH_MOST,
    }
    return [claim for claim, holds in claims.items() if not holds]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sockets", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--be-windows", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be_windows:
        be_windows(given.be_windows[0], int(given.be_windows[1]))
        return 0
    broken = run(given.seconds, given.rate, given.windows)
    print("all claims hold" if not broken else "; ".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
