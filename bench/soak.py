"""`python -m bench.soak`: a whole studio under a steady load. Memory and WAL stay bounded, nothing is lost.

The studio is a process of its own; sessions are participants in further ones, each of which beats, listens to the
events of its own stream and asks something every second. Events are appended through the journal, each with a command
id, at a fixed rate whether or not the answers keep up. At the end the log is proved and compared with the answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.__main__ import MARK, RESULTS, machine
from bench.payload import body
from events.chain import verify
from events.ids import new_id
from events.record import NewEvent, Position, stream_name
from events.sqlite import SqliteReader
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.checked import Checked
from qi.context import STUDIO, Context
from qi.contracts.bundles import GetBundle
from qi.contracts.log import AppendEvents
from qi.contracts.settings import GetSettings
from qi.credentials import Credentials
from qi.errors import QiError
from qi.home import Home
from qi.messages import SERVICE
from qi.session.participant import Participant
from qi.wire import Message, Wire, frame

BEGIN, END = "<!-- soak: written by `python -m bench.soak --write` -->", "<!-- soak: end -->"
SAMPLE_S = 5.0
SESSIONS_A_PROCESS = 50
TICK_S = 0.01
LATE_S = 30.0
WAL_MOST = 64 * 1024 * 1024
RATE_LEAST = 0.95
"""Share of the asked rate that must have been sent: a load that was not there proves nothing."""
GROWTH_MOST = 0.10
"""By how much the straight line through the samples of the second half may rise from its begin to its end."""
KIB, MIB = 1024, 1024 * 1024


@dataclass
class Sample:
    """The state at one moment; sizes in bytes, times in milliseconds."""

    at_s: float
    studio: int
    broker: int
    wal: int
    waiting: int
    p50: float
    p99: float


@dataclass
class Outcome:
    rate: int
    sessions: int
    seconds: float
    sent: int = 0
    answered: int = 0
    refused: int = 0
    in_log: int = 0
    twice: int = 0
    heard: int = 0
    heard_twice: int = 0
    asked: int = 0
    failed: int = 0
    samples: list[Sample] = field(default_factory=list)

    def broken(self) -> list[str]:
        """What does not hold; empty when all does."""
        late = [sample for sample in self.samples if sample.at_s >= self.seconds / 2] or self.samples
        grown = {
            name: _rise([(sample.at_s, getattr(sample, name)) for sample in late]) for name in ("studio", "broker")
        }
        wanted = int(self.rate * self.seconds)
        claims = {
            f"{self.sent} of {wanted} appends were sent": self.sent >= RATE_LEAST * wanted,
            f"{self.refused} appends were refused": self.refused == 0,
            f"{self.sent - self.answered} appends were not answered": self.answered == self.sent,
            f"the log holds {self.in_log} of {self.answered} events": self.in_log == self.answered,
            f"{self.twice} events are there twice": self.twice == 0,
            f"sessions heard {self.heard} of {self.answered} events": self.heard == self.answered,
            f"sessions heard {self.heard_twice} events twice": self.heard_twice == 0,
            f"{self.failed} of {self.asked} questions failed": self.failed == 0,
            f"the WAL came to {max(sample.wal for sample in self.samples) // MIB} MiB": all(
                sample.wal <= WAL_MOST for sample in self.samples
            ),
            **{f"the {name} grew by {by:.0%} in the second half": by <= GROWTH_MOST for name, by in grown.items()},
        }
        return [claim for claim, holds in claims.items() if not holds]


def _rise(points: list[tuple[float, float]]) -> float:
    """How much higher the line of least squares ends than it begins, as a share of its begin."""
    if len(points) < 2:
        return 0.0
    slope, base = statistics.linear_regression(*zip(*points, strict=True))
    first, last = (base + slope * points[end][0] for end in (0, -1))
    return last / max(1.0, first) - 1


class Appends:
    """Sends at a fixed rate and notes each answer. Runs on a loop of its own."""

    def __init__(self, credentials: Credentials, rate: int, streams: int, outcome: Outcome) -> None:
        self._credentials, self._rate, self._streams, self._outcome = credentials, rate, streams, outcome
        self._inbox = f"_INBOX.{new_id()}"
        self._sent: dict[str, float] = {}
        self._latencies: list[float] = []
        self._lock = threading.Lock()
        self._wire = Wire()

    @property
    def waiting(self) -> int:
        return len(self._sent)

    def taken(self) -> list[float]:
        """The latencies since the last call, sorted; milliseconds."""
        with self._lock:
            found, self._latencies = self._latencies, []
        return sorted(found)

    async def run(self, seconds: float) -> None:
        given = self._credentials
        await self._wire.connect(given.url, user=given.user, password=given.password)
        self._wire.listen(f"{self._inbox}.*", "", self._answered)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * self._rate) - self._outcome.sent
            if due > 0 and not self._wire.send([self._request() for _ in range(due)]):
                await self._wire.settle()
            await asyncio.sleep(TICK_S)
        limit = time.monotonic() + LATE_S
        while self._sent and time.monotonic() < limit:
            await asyncio.sleep(TICK_S)
        await self._wire.close()

    def _request(self) -> bytes:
        number = self._outcome.sent
        self._outcome.sent += 1
        stream = stream_name("bench", f"s{number % self._streams}")
        event = NewEvent(stream, "bench.noted", {**body(number), "soak": number})
        message = AppendEvents(events=(event,), expected={}, command=new_id())
        carried = Context(new_id(), "", message.command, time.monotonic() + LATE_S, (), "bench", "adaline.k", "ws-0417")
        self._sent[str(number)] = time.monotonic()
        subject = SERVICE.subject(STUDIO, message.topic)
        return frame(subject, Checked().encode(message), f"{self._inbox}.{number}", carried.headers())

    def _answered(self, msg: Message) -> None:
        began = self._sent.pop(msg.subject.rpartition(".")[2], None)
        if began is None:
            return
        if msg.head:
            self._outcome.refused += 1
        self._outcome.answered += 1
        with self._lock:
            self._latencies.append((time.monotonic() - began) * 1000)


# -- the processes beside this one ------------------------------------------------------------------------------------


@contextmanager
def beside(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process of this module, with what it said when it was ready; it ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.soak", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        # Its end was waited for already, unless something went wrong here.
        if process.poll() is None:
            process.kill()
            process.wait()


def be_studio(home: str) -> None:
    studio = Studio(read_launch_config(home=home))
    studio.start()
    assert studio._broker is not None
    print(json.dumps(asdict(studio._broker.service)), flush=True)
    sys.stdin.read()
    studio.stop()


def be_sessions(home: str, first: int, count: int) -> None:
    """So many participants, of which each hears one stream and asks something every second."""
    connection = Home(Path(home)).connection()
    assert connection is not None
    heard: set[int] = set()
    outcomes = Counter[str]()
    over = threading.Event()
    people = []
    for number in range(first, first + count):
        one = Participant(connection.credentials, kind="cli", codec=Checked(), home=Home(Path(home)))
        one.join()

        def hear(msg: Message) -> None:
            told = json.loads(msg.data)["data"]["soak"]
            outcomes["heard_twice"] += told in heard
            heard.add(told)

        one.bus.subscribe(f"qi.event.bench.s{number}.>", hear)
        people.append(one)

    def ask() -> None:
        while not over.is_set():
            for number, one in enumerate(people):
                try:
                    one.bus.request(GetSettings(path="qi.publish") if number % 2 else GetBundle())
                    outcomes["asked"] += 1
                except QiError as error:
                    print(error.message, file=sys.stderr)
                    outcomes["failed"] += 1
                if over.wait(1 / len(people)):
                    return

    asking = threading.Thread(target=ask)
    asking.start()
    print("{}", flush=True)
    sys.stdin.read()
    over.set()
    asking.join()
    for one in people:
        one.leave()
    print(json.dumps({"heard": len(heard), **outcomes}), flush=True)


# -- the run ----------------------------------------------------------------------------------------------------------


def soak(seconds: float, rate: int, sessions: int) -> Outcome:
    outcome = Outcome(rate, sessions, seconds)
    with tempfile.TemporaryDirectory(prefix="qi-soak-") as folder:
        home = Home(Path(folder, "home"))
        with beside("--be-studio", str(home.root)) as (studio, said):
            groups = [
                beside("--be-sessions", str(home.root), str(first), str(min(SESSIONS_A_PROCESS, sessions - first)))
                for first in range(0, sessions, SESSIONS_A_PROCESS)
            ]
            started = [group.__enter__()[0] for group in groups]
            appends = Appends(Credentials(**said), rate, sessions, outcome)
            load = threading.Thread(target=lambda: asyncio.run(appends.run(seconds)))
            began = time.monotonic()
            load.start()
            while load.is_alive():
                load.join(min(SAMPLE_S, seconds / 4))
                outcome.samples.append(_sample(time.monotonic() - began, studio.pid, home, appends))
                print(_line(outcome.samples[-1]), file=sys.stderr, flush=True)
            for process in started:
                told = json.loads(process.communicate(timeout=120)[0].splitlines()[-1])
                outcome.heard += told["heard"]
                outcome.heard_twice += told.get("heard_twice", 0)
                outcome.asked += told.get("asked", 0) + told.get("failed", 0)
                outcome.failed += told.get("failed", 0)
            studio.communicate(timeout=60)
        _look_into(home, outcome)
    return outcome


def _sample(at: float, pid: int, home: Home, appends: Appends) -> Sample:
    process = psutil.Process(pid)
    broker = sum(one.memory_info().rss for one in process.children(recursive=True) if "nats" in one.name())
    wal = Path(f"{home.events}-wal")
    latencies = appends.taken() or [0.0]
    return Sample(
        round(at, 1), process.memory_info().rss, broker, wal.stat().st_size if wal.exists() else 0, appends.waiting,
        round(statistics.median(latencies), 2), round(latencies[int(len(latencies) * 0.99)], 2),
    )  # fmt: skip


def _line(sample: Sample) -> str:
    return (
        f"{sample.at_s:6.0f} s  studio {sample.studio / MIB:6.0f} MiB  broker {sample.broker / MIB:5.0f} MiB  WAL "
        f"{sample.wal / MIB:5.1f} MiB  waiting {sample.waiting:5}  p50 {sample.p50:6.2f} ms  p99 {sample.p99:7.2f} ms"
    )


def _look_into(home: Home, outcome: Outcome) -> None:
    with SqliteReader(home.events) as reader:
        verify(reader)
        numbers: Counter[int] = Counter()
        after = Position(0)
        while page := reader.read(after, 1000, frozenset({"bench"})):
            numbers.update(event.data["soak"] for event in page)
            after = page[-1].position
    outcome.in_log = len(numbers)
    outcome.twice = sum(count > 1 for count in numbers.values())


def written(outcome: Outcome) -> str:
    """The outcome as a section of the results."""
    about = machine()
    half = next(sample for sample in outcome.samples if sample.at_s >= outcome.seconds / 2)
    moments = (("first sample", outcome.samples[0]), ("half-time", half), ("end", outcome.samples[-1]))
    worst = max(outcome.samples, key=lambda sample: sample.p99)
    wal = max(sample.wal for sample in outcome.samples)
    return "\n".join([
        "## Soak",
        "",
        (f"A whole studio under a steady load, by `uv run python -m bench.soak`: {outcome.rate:,} events/s for "
        f"{outcome.seconds:.0f} s"),
        (f"with {outcome.sessions} sessions, which listened and asked {outcome.asked:,} questions meanwhile. "
        f"{about['date']}, {about['cores']} cores ({about['processor']}),"),
        (f"{about['memory_gib']} GiB, Python {about['python']}; the load, the sessions' processes, the broker and the "
        "studio share the cores."),
        "",
        "| | at | studio | broker | WAL | waiting | p50 of an append | p99 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {one.at_s:.0f} s | {one.studio / MIB:.0f} MiB | {one.broker / MIB:.0f} MiB "
            f"| {one.wal / MIB:.1f} MiB | {one.waiting} | {one.p50:.2f} ms | {one.p99:.2f} ms |"
            for name, one in moments
        ),
        "",
        (f"Of {outcome.sent:,} appends {outcome.answered:,} were answered, {outcome.refused} refused; the log holds "
        f"{outcome.in_log:,} events,"),
        (f"{outcome.twice} of them twice, and verifies; the sessions heard {outcome.heard:,}. Questions that failed: "
        f"{outcome.failed}. Largest WAL {wal / MIB:.1f} MiB,"),
        (f"worst p99 of a sample {worst.p99:.1f} ms (at {worst.at_s:.0f} s). Memory is judged by the straight line "
        f"through the samples of the second half: it may rise by {GROWTH_MOST:.0%}. "
        f"Verdict: {'; '.join(outcome.broken()) or 'all claims hold'}."),
        "",
    ])  # fmt: skip


def keep(page: str) -> None:
    """Put the section into the results, in the place of the one before it, above what `python -m bench` writes."""
    text = RESULTS.read_text("utf-8")
    section = f"{BEGIN}\n\n{page}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    if begin:
        text = before + section.rstrip("\n") + rest.partition(END)[2]
    else:
        above, mark, below = text.partition(MARK)
        text = f"{above}{section}\n{mark}{below}"
    RESULTS.write_text(text, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--write", action="store_true", help=f"also keep the figures in {RESULTS.name}")
    parser.add_argument("--be-studio", help=argparse.SUPPRESS)
    parser.add_argument("--be-sessions", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be_studio:
        be_studio(given.be_studio)
        return 0
    if given.be_sessions:
        home, first, count = given.be_sessions
        be_sessions(home, int(first), int(count))
        return 0
    outcome = soak(given.minutes * 60, given.rate, given.sessions)
    page = written(outcome)
    print(page)
    if given.write:
        keep(page)
    return 1 if outcome.broken() else 0


if __name__ == "__main__":
    sys.exit(main())
