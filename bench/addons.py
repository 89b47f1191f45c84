"""How soon addons are there: thirty of them at a start, another bundle in production, a file that was saved."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.row import Row, Samples, Size
from bench.start import compiled, ready
from events.ids import new_id
from qi.contracts.bundles import CreateBundle, FreezeBundle, PromoteBundle
from qi.contracts.hosting import GetAddons
from qi.contracts.session import NewerBundle
from qi.messages import Request, message
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio

ADDONS = 30
LAYERS = 5
"""Each addon requires one of the layer before its own."""
SESSIONS = 20
LIMIT_S = 20.0

CODE = """
from qi.actor import handles
from qi.addon import Addon
from qi.messages import Request, message
from greeter_words import WORD

@message
class Greeting:
    text: str

@message
class Greet(Request[Greeting], topic="bench.greet", needs="read"):
    pass

class Greeter(Addon):
    @handles(Greet)
    def greet(self, message: Greet) -> Greeting:
        return Greeting(text=WORD)
"""
EMPTY = """
from qi.addon import Addon

class Empty(Addon):
    pass
"""


@message
class Greeting:
    text: str


@message
class Greet(Request[Greeting], topic="bench.greet", needs="read"):
    """To the addon that is replaced."""


def _write(folder: Path, name: str, code: str, needs: str = "") -> Path:
    place = folder / name
    place.mkdir(parents=True)
    requires = f'[requires]\n{needs} = ">=1"\n' if needs else ""
    (place / "addon.toml").write_text(f'name = "{name}"\nversion = "1.0.0"\n{requires}', "utf-8")
    (place / "addon.py").write_text(code, "utf-8")
    return place


def _write_greeter(folder: Path) -> Path:
    place = _write(folder, "greeter", CODE)
    (place / "lib").mkdir()
    (place / "lib" / "greeter_words.py").write_text("WORD = 'hello'\n", "utf-8")
    return place


@contextmanager
def _session(studio: RunningStudio, bundle: str = "") -> Iterator[Participant]:
    connection = studio.home.connection()
    assert connection is not None
    made = Participant(connection.credentials, kind="cli", home=studio.home, bundle=bundle)
    made.join()
    yield made
    made.leave()


def cold(size: Size) -> Samples:
    with compiled() as environment, tempfile.TemporaryDirectory() as folder:
        addons = Path(folder, "addons")
        each = ADDONS // LAYERS
        for number in range(ADDONS):
            _write(addons, f"addon{number}", EMPTY, f"addon{number - each}" if number >= each else "")
        environment["QI_ADDON_PATHS"] = str(addons)
        ready(environment, Path(folder, "warm"))
        rounds = [ready(environment, Path(folder, f"home{number}")) for number in range(size.rounds)]
        with start_studio(Path(folder, "home0"), environment=environment) as studio:
            runs = studio.bus.request(GetAddons()).addons
            assert sum(run.stage == "started" for run in runs) > ADDONS, [run.problem for run in runs if run.problem]
        return Samples(rounds, [])


def switched(size: Size) -> Samples:
    with compiled() as environment, tempfile.TemporaryDirectory() as folder:
        _write_greeter(Path(folder, "addons"))
        environment["QI_ADDON_PATHS"] = str(Path(folder, "addons"))
        with start_studio(Path(folder, "home"), environment=environment) as studio:
            told: list[str] = []
            heard = threading.Event()
            awaited = [""]

            def hear(newer: NewerBundle) -> None:
                told.append(newer.name)
                if told.count(awaited[0]) == SESSIONS:
                    heard.set()

            connection = studio.home.connection()
            assert connection is not None
            sessions = [
                Participant(connection.credentials, kind="cli", home=studio.home, on_newer_bundle=hear)
                for _ in range(SESSIONS)
            ]
            for one in sessions:
                one.join()
            rounds = []
            for number in range(size.rounds):
                name = f"candidate{number}"
                studio.bus.request(CreateBundle(name=name, environment={"NUMBER": str(number)}, command=new_id()))
                studio.bus.request(FreezeBundle(bundle=name, command=new_id()))
                awaited[0] = name
                heard.clear()
                began = time.perf_counter()
                promoted = studio.bus.request(PromoteBundle(bundle=name, reason="bench", command=new_id()))
                assert heard.wait(LIMIT_S), f"only {told.count(name)} sessions heard of it"
                with _session(studio) as fresh:
                    assert fresh.bundle == promoted.id
                    assert fresh.ask(Greet(), "greeter").text == "hello"
                rounds.append(time.perf_counter() - began)
            for one in sessions:
                one.leave()
            return Samples(rounds, [])


def saved(size: Size) -> Samples:
    with compiled() as environment, tempfile.TemporaryDirectory() as folder:
        place = _write_greeter(Path(folder, "addons"))
        environment["QI_ADDON_PATHS"] = str(Path(folder, "addons"))
        with start_studio(Path(folder, "home"), environment=environment) as studio:
            studio.bus.request(CreateBundle(name="next", dev=True, command=new_id()))
            with _session(studio, "next") as session:
                assert session.ask(Greet(), "greeter").text == "hello"
                rounds = []
                for number in range(size.rounds):
                    word = f"save {number}"
                    began = time.perf_counter()
                    (place / "lib" / "greeter_words.py").write_text(f"WORD = {word!r}\n", "utf-8")
                    eventually(lambda: session.ask(Greet(), "greeter").text == word)  # noqa: B023 - called at once
                    rounds.append(time.perf_counter() - began)
                return Samples(rounds, [])


ROWS = (
    Row(
        "cold", "a studio ready from nothing, with 30 addons",
        "as `ready`; each addon has an actor, and requires one of the layer before: five layers of six", "s", 3.0, 1.5,
        "less", cold,
    ),
    Row(
        "switch", "another bundle in production, seen by all",
        "from the promotion to the moment when 20 sessions have heard of it, and a new one was answered by an addon "
        "as the new bundle pins it", "s", 1.0, 0.3, "less", switched,
    ),
    Row(
        "saved", "a file of a dev bundle's addon saved, until it answers",
        "from the write to the first answer by the new code, in a process of its own; the folder's rest of 50 ms "
        "included", "s", 1.0, 0.7, "less", saved,
    ),
)  # fmt: skip
