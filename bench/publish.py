"""A publish's plugins inside Qi and by pyblish alone, and how soon a killed one is decided."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.row import Row, Samples, Size
from qi.addon_record import bundled_addons
from qi.testing.images import write_sequence
from qi.testing.studio import RunningStudio, Shot, start_studio

STEPS = 200
FRAMES = 24
PICTURE = (1280, 720)
LIMIT_S = 120.0

NOOP = "class Noop{number:03d}(pyblish.api.ContextPlugin):\n    order = {order}\n    def process(self, context): pass\n"

STAMP = """
class {name}(pyblish.api.ContextPlugin):
    order = {order}
    def process(self, context):
        with open({file!r}, "a") as file:
            file.write(f"{{time.perf_counter()}}\\n")
"""

SETTLED = """
class {name}(pyblish.api.ContextPlugin):
    order = {order}
    def process(self, context):
        reporter = sys.modules.get("qi.worker.reporter")
        if reporter is None:
            stamp()
            return
        settle = reporter.Reporter.settle
        def settle_and_stamp(self):
            settle(self)
            reporter.Reporter.settle = settle
            stamp()
        reporter.Reporter.settle = settle_and_stamp

def stamp():
    with open({file!r}, "a") as file:
        file.write(f"{{time.perf_counter()}}\\n")
"""
"""A stamp by pyblish alone; in Qi's worker it waits until every step so far is in the log."""

HOLD = """
class Hold(pyblish.api.ContextPlugin):
    order = pyblish.api.ValidatorOrder
    def process(self, context):
        with open({file!r} + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename({file!r} + ".part", {file!r})
        threading.Event().wait()
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """A running studio, what is published in it, and the folder of plugins that the environment adds."""

    studio: RunningStudio
    shot: Shot
    sources: str
    folder: Path
    plugins: Path
    stamps: Path

    def plugin(self, name: str, text: str) -> None:
        (self.plugins / f"{name}.py").write_text("import os, sys, threading, time\nimport pyblish.api\n" + text)

    def stamp(self, name: str, order: str, text: str = STAMP) -> None:
        """A plugin that notes the time, in its place among the others."""
        self.plugin(name.lower(), text.format(name=name, order=order, file=str(self.stamps)))

    @property
    def environment(self) -> dict[str, str]:
        return {"PYBLISHPLUGINPATH": str(self.plugins)}

    def in_qi(self) -> float:
        """Seconds between the two stamps of one publish."""
        publish = self.studio.publish(self.shot, [self.sources], environment=self.environment)
        info = self.studio.finished(publish, LIMIT_S)
        assert info.state == "succeeded", info.error
        return self._between()

    def alone(self) -> float:
        """The same in a process that has nothing but pyblish and the plugins."""
        staging = Path(tempfile.mkdtemp(dir=self.folder))
        media = bundled_addons() / "media"
        order = {
            "folders": [str(media / "plugins" / "publish"), str(self.plugins)],
            "lib": [str(media / "lib")],
            "data": {"sources": [self.sources], "product": "beauty", "staging": str(staging), "fps": 24.0},
        }
        subprocess.run(
            [sys.executable, "-m", "bench.pyblish_alone"], input=json.dumps(order) + "\n", text=True, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S,
        )  # fmt: skip
        return self._between()

    def _between(self) -> float:
        first, last = map(float, self.stamps.read_text().split())
        self.stamps.unlink()
        return last - first


@contextmanager
def given(frames: int, picture: tuple[int, int]) -> Iterator[Setup]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sequence(folder / "render", "beauty", 1001, 1000 + frames, size=picture)
        (folder / "plugins").mkdir()
        with start_studio(folder / "home") as studio:
            shot = studio.given_project()
            sources = str(folder / "render" / "beauty.####.exr")
            yield Setup(studio, shot, sources, folder, folder / "plugins", folder / "stamps")


def _interleaved(setup: Setup, size: Size) -> Samples:
    setup.alone()
    made = Samples([], [])
    for _ in range(size.rounds):
        made.qi.append(setup.in_qi())
        made.peer.append(setup.alone())
    return made


def noop(size: Size) -> Samples:
    steps = size.of(STEPS, 5)
    with given(1, (64, 36)) as setup:
        order = "pyblish.api.ValidatorOrder + 0.1"
        text = "".join(NOOP.format(number=number, order=f"{order} + {number} * 1e-6") for number in range(steps))
        setup.plugin("noop", textwrap.dedent(text))
        setup.stamp("First", f"{order} - 0.01")
        setup.stamp("Last", f"{order} + 0.01", SETTLED)
        made = _interleaved(setup, size)
    return Samples(*([seconds / steps * 1e6 for seconds in side] for side in (made.qi, made.peer)))


def media(size: Size) -> Samples:
    picture = PICTURE if size.share == 1 else (64, 36)
    with given(size.of(FRAMES, 2), picture) as setup:
        setup.stamp("First", "pyblish.api.CollectorOrder - 0.49")
        setup.stamp("Last", "pyblish.api.ExtractorOrder + 0.49")
        return _interleaved(setup, size)


def killed(size: Size) -> Samples:
    """From SIGKILL of the worker to the announcement that its publish was interrupted."""
    made = Samples([], [])
    with given(1, (64, 36)) as setup:
        held = setup.folder / "held"
        setup.plugin("hold", HOLD.format(file=str(held)))
        for _ in range(size.rounds):
            worker = _held(setup, held)
            decided = threading.Event()
            entry = setup.studio.bus.subscribe(
                "qi.event.publish.*.publish.interrupted", lambda _, decided=decided: decided.set()
            )
            began = time.perf_counter()
            os.kill(worker, signal.SIGKILL)
            assert decided.wait(LIMIT_S)
            made.qi.append(time.perf_counter() - began)
            setup.studio.bus.unsubscribe(entry)
    return made


def killed_studio(size: Size) -> Samples:
    """From a new studio being ready to the record that the publish of the killed one was interrupted."""
    made = Samples([], [])
    for _ in range(size.rounds):
        with given(1, (64, 36)) as setup:
            held = setup.folder / "held"
            setup.plugin("hold", HOLD.format(file=str(held)))
            _held(setup, held)
            setup.studio.kill()
            with start_studio(setup.folder / "home") as again:
                ready_at = again.home.connection_file.stat().st_mtime
                found = again.wait_for_event("publish.interrupted")
                made.qi.append(max(0.0, found.recorded_at / 1e6 - ready_at))
    return made


def _held(setup: Setup, held: Path) -> int:
    """A publish whose worker waits in a plugin; its process id."""
    held.unlink(missing_ok=True)
    setup.studio.publish(setup.shot, [setup.sources], environment=setup.environment)
    deadline = time.monotonic() + LIMIT_S
    while not held.exists():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    return int(held.read_text())


ALONE = "pyblish alone runs the same plugins on the same files in a process of its own"

ROWS = (
    Row(
        "noop", "a no-op step", f"{ALONE}; the time from one plugin over 200 no-op validators to another, by step; "
        "Qi's figure ends when every step is durable in the log", "µs", 6.0, 3.0, "less", noop,
    ),
    Row(
        "media", "a media publish, 24 frames of 1280 x 720",
        f"{ALONE}; from the first collector to the last extractor: reading, checking, thumbnail, movie; Qi's figure "
        "also holds the digests of the inputs, the manifest, the records of all steps and the reserved number",
        "s", 1.1, 1.02, "less", media,
    ),
    Row(
        "killed", "decision after kill -9 of a publish's worker",
        "from the signal to the announcement of `publish.interrupted` at a participant", "s", 2.0, 0.5, "less", killed,
    ),
    Row(
        "killed-studio", "decision after kill -9 of the studio",
        "from the new studio being ready to the record of `publish.interrupted`", "s", 2.0, 0.5, "less", killed_studio,
    ),
)  # fmt: skip
