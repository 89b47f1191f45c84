"""An addon's own streams: what it decides is recorded under its own name, and what it folds can be made anew."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from events.ids import new_id
from events.owners import CATEGORIES, RESERVED
from events.record import TYPES
from qi.addon import load_addon
from qi.addon_record import read_addon
from qi.checked import Checked
from qi.contracts import import_all
from qi.contracts.bundles import CreateBundle, EditBundle
from qi.contracts.hosting import GetAddons
from qi.contracts.log import RecordOwn, VerifyLog
from qi.errors import Conflict, Forbidden, Invalid, NotFound
from qi.messages import TOPICS, Request, message
from qi.session.participant import Participant
from qi.testing.golden import import_all as import_events
from qi.testing.studio import RunningStudio, start_studio

TALLY = '''
    from dataclasses import dataclass

    from events.catalog import Catalog
    from events.decider import View
    from events.errors import Invalid
    from events.record import Change, DomainEvent, NewEvent, stream_name
    from qi.actor import handles
    from qi.addon import Addon
    from qi.contracts.log import RecordOwn
    from qi.errors import QiError
    from qi.messages import Request, message

    MINE = Catalog("NAME")

    @MINE.event("NAME.counted", schema=SCHEMA)
    class Counted(DomainEvent):
        n: int
        unit: str = "pieces"

    @MINE.upcaster("NAME.counted", 1)
    def with_a_unit(data):
        return {"unit": "old pieces", **data}

    @dataclass(frozen=True)
    class Sum:
        total: int
        units: tuple[str, ...]

    @dataclass(frozen=True)
    class Add:
        id: str
        n: int

    def evolve(state, fact):
        known = state or Sum(0, ())
        return Sum(known.total + fact.event.n, (*known.units, getattr(fact.event, "unit", "")))

    def decide(view: View, command: Add):
        stream = stream_name("NAME", command.id)
        known = view.get(Sum, stream)
        if known is not None and known.total + command.n > 100:
            raise Invalid("a hundred is enough")
        return [Change(stream, Counted(n=command.n))]

    class Totals:
        name = "totals"
        version = 1
        categories = frozenset({"NAME"})
        tables = ("totals",)
        columns = ("stream", "type", "schema", "data")

        def create(self, db):
            db["totals"].create({"stream": str, "total": int}, pk="stream")

        def apply(self, db, page):
            for stream, kind, schema, data in page:
                n = MINE.decoders[kind, schema](data).n
                add = "INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET total = total + ?"
                db.execute(add, (stream, n, n))

    @message
    class Told:
        position: int
        total: int = 0
        repeated: bool = False
        units: tuple[str, ...] = ()

    @message
    class Count(Request[Told], topic="NAME.count", needs="read"):
        id: str
        n: int
        command: str = ""

    @message
    class Table:
        rows: dict[str, int]
        position: int

    @message
    class Look(Request[Table], topic="NAME.look", needs="read"):
        after: int = 0

    @message
    class Outcome:
        said: str

    @message
    class Try(Request[Outcome], topic="NAME.try", needs="read"):
        stream: str
        type: str
        addon: str
        expected: dict[str, int]
        command: str = ""
        size: int = 1

    class Tally(Addon):
        name = "NAME"
        events = MINE
        folds = {"NAME": evolve}
        projections = (Totals(),)

        @handles(Count)
        def count(self, message: Count) -> Told:
            done = self.ledger.carry_out(decide, Add(message.id, message.n), command=message.command)
            known = self.ledger.known.get(Sum, stream_name("NAME", message.id))
            return Told(position=done.last, total=known.total, repeated=done.repeated, units=known.units)

        @handles(Look)
        def look(self, message: Look) -> Table:
            seen = self.view("totals", after=message.after)
            rows = {row["stream"]: row["total"] for row in seen.db["totals"].rows}
            return Table(rows=rows, position=seen.position)

        @handles(Try)
        def attempt(self, message: Try) -> Outcome:
            events = tuple(NewEvent(message.stream, message.type, {"n": 1}, SCHEMA) for _ in range(message.size))
            asked = RecordOwn(addon=message.addon, events=events, expected=message.expected, command=message.command)
            try:
                self._bus.request(asked)
            except QiError as error:
                return Outcome(said=f"{error.code} {error.message} {error.remedy}")
            return Outcome(said="recorded")
'''


@message
class Told:
    position: int
    total: int = 0
    repeated: bool = False
    units: tuple[str, ...] = ()


@message
class Table:
    rows: dict[str, int]
    position: int


@message
class Outcome:
    said: str


@message
class Count(Request[Told], topic="tally.count", needs="read"):
    id: str
    n: int
    command: str = ""


@message
class Look(Request[Table], topic="tally.look", needs="read"):
    after: int = 0


@message
class Try(Request[Outcome], topic="tally.try", needs="read"):
    stream: str
    type: str
    addon: str
    expected: dict[str, int]
    command: str = ""
    size: int = 1


@message
class CountInThread(Request[Told], topic="beside.count", needs="read"):
    id: str
    n: int
    command: str = ""


@message
class TryInThread(Request[Outcome], topic="beside.try", needs="read"):
    stream: str
    type: str
    addon: str
    expected: dict[str, int]
    command: str = ""
    size: int = 1


def write(folder: Path, name: str, *, isolation: str, schema: int = 2, requests: str = '"log.record"') -> Path:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "addon.toml").write_text(
        f'name = "{name}"\nversion = "1.{schema}.0"\nisolation = "{isolation}"\nrequests = [{requests}]\n', "utf-8"
    )
    code = textwrap.dedent(TALLY).replace("NAME", name).replace("SCHEMA", str(schema))
    if schema == 1:  # as it was before it knew of units
        code = code.replace('    unit: str = "pieces"\n', "").replace('@MINE.upcaster("tally.counted", 1)\n', "")
    (place / "addon.py").write_text(code, "utf-8")
    return place


@contextmanager
def session(studio: RunningStudio, bundle: str = "") -> Iterator[Participant]:
    connection = studio.home.connection()
    assert connection is not None
    made = Participant(connection.credentials, kind="cli", codec=Checked(), home=studio.home, bundle=bundle)
    made.join()
    yield made
    made.leave()


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("addons")
    write(folder, "tally", isolation="process", schema=1)
    write(folder, "beside", isolation="thread")
    write(folder, "quiet", isolation="process", requests="")
    return folder


@pytest.fixture(scope="module")
def running(more: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with one addon that records in a process, one in a thread, and one that did not declare it."""
    home = tmp_path_factory.mktemp("streams") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(more)}) as studio:
        yield studio


@pytest.fixture(scope="module")
def asking(running: RunningStudio) -> Iterator[Any]:
    with session(running) as participant:
        yield participant


def test_what_an_addon_decides_is_in_the_log_under_its_own_name(running: RunningStudio, asking: Participant) -> None:
    told = asking.ask(Count(id="a", n=40), "tally")
    assert asking.ask(Count(id="a", n=2), "tally").total == 42
    (first, _) = running.events(stream="tally-a")
    assert (first.type, first.position, first.version) == ("tally.counted", told.position, 1)
    assert first.meta.user == "addon tally"
    with pytest.raises(Invalid, match="a hundred is enough"):
        asking.ask(Count(id="a", n=59), "tally")
    assert asking.ask(CountInThread(id="a", n=1), "beside").total == 1


def test_a_command_is_carried_out_once(asking: Participant) -> None:
    command = new_id()
    first = asking.ask(Count(id="once", n=60, command=command), "tally")
    again = asking.ask(Count(id="once", n=60, command=command), "tally")
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.position, again.total) == (first.position, 60)
    with pytest.raises(Conflict, match="other content"):
        asking.ask(Count(id="once", n=1, command=command), "tally")


@pytest.mark.parametrize(
    ("stream", "kind", "addon", "expected", "what"),
    [
        ("bundle-b1", "tally.counted", "tally", {}, "may not touch the stream 'bundle-b1'"),
        ("beside-a", "tally.counted", "tally", {}, "may not touch the stream 'beside-a'"),
        ("tally-x", "beside.counted", "tally", {}, "may not record a 'beside.counted'"),
        ("tally-x", "pointer.moved", "tally", {}, "may not record a 'pointer.moved'"),
        ("tally-x", "tally.counted", "tally", {"pointer-production": 1}, "touch the stream 'pointer-production'"),
        ("tally-x", "tally.counted", "beside", {}, "does not speak for the addon 'beside'"),
        ("tally", "tally.counted", "tally", {}, "not a valid event"),
    ],
)
def test_what_is_not_its_own_is_refused_in_so_many_words(
    asking: Participant, stream: str, kind: str, addon: str, expected: dict[str, int], what: str
) -> None:
    said = asking.ask(Try(stream=stream, type=kind, addon=addon, expected=expected), "tally").said
    assert said.startswith(("403", "422"))
    assert what in said


def test_an_addon_in_a_thread_keeps_to_the_same_rule(asking: Participant) -> None:
    said = asking.ask(TryInThread(stream="bundle-b1", type="beside.x", addon="beside", expected={}), "beside").said
    assert "may not touch the stream 'bundle-b1'" in said


def test_bounds_and_versions_hold(running: RunningStudio, asking: Participant) -> None:
    def attempt(**more: Any) -> str:
        asked = {"stream": "tally-v", "type": "tally.counted", "addon": "tally", "expected": {}} | more
        return asking.ask(Try(**asked), "tally").said

    assert attempt(expected={"tally-v": 0}) == "recorded"
    assert attempt(expected={"tally-v": 0}).startswith("409 'tally-v' is at version 1, not 0")
    assert attempt(size=101).startswith("422")
    assert len(running.events(stream="tally-v")) == 1


def test_nobody_else_may_record_for_an_addon(running: RunningStudio, asking: Participant) -> None:
    with pytest.raises(Forbidden):
        running.bus.request(RecordOwn(addon="tally", events=(), expected={}))


def test_what_is_not_declared_the_broker_refuses(asking: Participant) -> None:
    @message
    class CountQuietly(Request[Told], topic="quiet.count", needs="read"):
        id: str
        n: int

    with pytest.raises(Forbidden):
        asking.ask(CountQuietly(id="a", n=1), "quiet")


def test_a_projection_that_was_deleted_is_made_anew_as_it_was(running: RunningStudio, asking: Participant) -> None:
    position = asking.ask(Count(id="table", n=7), "tally").position
    before = asking.ask(Look(after=position), "tally")
    assert before.rows["tally-table"] == 7
    assert before.position >= position
    shutil.rmtree(running.home.addon_views("tally"))
    asking.ask(Count(id="table", n=1), "tally")
    after = asking.ask(Look(), "tally")
    assert after.rows == before.rows | {"tally-table": 8}
    with pytest.raises(NotFound, match="the log ends at"):
        asking.ask(Look(after=10_000_000), "tally")


def test_two_versions_write_one_stream_and_what_the_newer_one_adds_stops_the_older_one_alone(
    running: RunningStudio, more: Path, asking: Participant
) -> None:
    asking.ask(Count(id="both", n=1), "tally")
    write(more, "tally", isolation="process", schema=2)
    running.bus.request(CreateBundle(name="next", dev=True, command=new_id()))
    with session(running, "next") as new:
        assert new.ask(Count(id="both", n=2), "tally").units == ("old pieces", "pieces")
        assert new.ask(Look(), "tally").rows["tally-both"] == 3
        with pytest.raises(NotFound, match=r"schema 2 of the event type 'tally\.counted'") as refused:
            asking.ask(Count(id="other", n=1), "tally")
        assert "A newer version of 'tally'" in refused.value.remedy
        # The addon goes; what it recorded stays and harms nobody.
        running.bus.request(EditBundle(bundle="next", remove=("tally",), command=new_id()))
    assert running.bus.request(VerifyLog()).events >= 4
    assert [event.data["n"] for event in running.events(category="tally", stream="tally-both")] == [1, 2]
    assert running.given_project().project
    assert asking.ask(CountInThread(id="still", n=1), "beside").total == 1


def test_no_addon_is_called_as_qi_calls_its_own(running: RunningStudio, tmp_path: Path) -> None:
    import_all()
    import_events("events")
    own = {kind.partition(".")[0] for kind, cls in TYPES.items() if cls.__module__.startswith("events.")}
    assert own <= CATEGORIES
    topics = {topic.partition(".")[0] for topic, cls in TOPICS.items() if cls.__module__.startswith("qi.contracts.")}
    assert topics <= RESERVED
    record = read_addon(write(tmp_path, "bundle", isolation="thread"))
    assert "is one that Qi keeps" in record.problem
    strange = write(tmp_path, "strange", isolation="thread")
    code = (strange / "addon.py").read_text("utf-8").replace('folds = {"strange"', 'folds = {"pointer"')
    (strange / "addon.py").write_text(code, "utf-8")
    with pytest.raises(Invalid, match="not those of pointer"):
        load_addon(folder=str(strange), bundle="b1", addon="strange", home="", settings={})
    assert not {run.name for run in running.bus.request(GetAddons()).addons} & RESERVED
