"""How long things take to be there: the help of a command, a studio, a participant in a bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.row import Row, Samples, Size
from qi.home import Home
from qi.testing.studio import start_studio

JOIN = """
import time
began = time.perf_counter()
import sys
sys.path.insert(0, sys.argv[1])
from qi.session.participant import Participant
from qi.bus import Credentials
participant = Participant(Credentials(sys.argv[2], password=sys.argv[3]), kind="dcc")
participant.join()
print(time.perf_counter() - began, flush=True)
participant.leave()
"""
LIMIT_S = 60.0


@contextmanager
def compiled() -> Iterator[dict[str, str]]:
    """An environment whose children find their modules compiled, as an installation has them."""
    with tempfile.TemporaryDirectory() as cache:
        yield {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}


def _help(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())", "--help"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_S)
    return time.perf_counter() - began


def help_text(size: Size) -> Samples:
    with compiled() as environment:
        _help(environment)
        return Samples([_help(environment) for _ in range(size.rounds)], [])


def ready(environment: dict[str, str], home: Path) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "qi.app.serve", "--home", str(home)],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as said:
        line = said.readline().strip()
    took = time.perf_counter() - began
    process.terminate()
    process.wait(LIMIT_S)
    assert line == "ready", line
    return took


def studio_ready(size: Size) -> Samples:
    with compiled() as environment, tempfile.TemporaryDirectory() as folder:
        ready(environment, Path(folder, "warm"))
        return Samples([ready(environment, Path(folder, f"home{number}")) for number in range(size.rounds)], [])


def joined(size: Size) -> Samples:
    # A DCC's interpreter: nothing of this one's settings, only the search path that the bootstrap adds.
    with compiled() as environment, tempfile.TemporaryDirectory() as folder:
        with start_studio(Path(folder, "home"), environment=environment):
            connection = Home(Path(folder, "home")).connection()
            assert connection is not None
            root = str(Path(__file__).resolve().parents[1])
            command = [sys.executable, "-c", JOIN, root, connection.url, connection.token]

            def once() -> float:
                said = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=LIMIT_S)
                return float(said.stdout)

            once()
            return Samples([once() for _ in range(size.rounds)], [])


ROWS = (
    Row(
        "help", "qi --help", "from the start of the process to its end, modules compiled", "s", 0.2, 0.1, "less",
        help_text,
    ),
    Row(
        "ready", "a studio ready from nothing", "from the start of the process to `ready`, on a home that is not there",
        "s", 1.5, 0.8, "less", studio_ready,
    ),
    Row(
        "join", "a session's join, from the bootstrap's first line",
        "importing `qi.session` and joining a running studio, in an interpreter of its own", "s", 0.2, 0.1, "less",
        joined,
    ),
)  # fmt: skip
