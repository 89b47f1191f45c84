"""Domain events decode to their newest shape, whatever schema they were written in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from events import catalog
from events.catalog import Decoders, decode_event, decoder, encode_change, upcaster
from events.errors import Invalid, NotFound
from events.memory import MemoryStore
from events.record import TYPES, Change, Event, NewEvent, Position, StreamName, event
from events.store import Append
from qi.testing.golden import import_all, missing, sample, types_of, write_missing

GOLDEN = Path(__file__).parent / "golden"
STREAM = StreamName("gauge-a")

import_all("events")


@pytest.fixture(autouse=True)
def _leave_no_types_behind() -> Iterator[None]:
    types, upcasters = dict(TYPES), dict(catalog._upcasters)
    yield
    for registry, before in ((TYPES, types), (catalog._upcasters, upcasters)):
        registry.clear()
        registry.update(before)


@dataclass(frozen=True)
class Place:
    name: str
    floor: int = 0


def gauge(schema: int = 3) -> type:
    @event("gauge.read", schema=schema)
    class GaugeRead:
        value: float
        unit: str
        place: Place
        tags: tuple[str, ...] = ()

    @upcaster("gauge.read", 1)
    def name_the_unit(data: catalog.Payload) -> catalog.Payload:
        return {"unit": "metre", **data}

    @upcaster("gauge.read", 2)
    def nest_the_place(data: catalog.Payload) -> catalog.Payload:
        return {**{k: v for k, v in data.items() if k != "at"}, "place": {"name": data["at"]}}

    return GaugeRead


def recorded(data: catalog.Payload, schema: int, kind: str = "gauge.read") -> Event:
    store = MemoryStore()
    store.append(Append((NewEvent(STREAM, kind, data, schema),)))
    return store.at(Position(1))


def test_a_domain_event_survives_the_log() -> None:
    made = gauge()(value=1.5, unit="foot", place=Place("roof", 3), tags=("a", "b"))
    new = encode_change(Change(STREAM, made))
    assert (new.stream, new.type, new.schema) == (STREAM, "gauge.read", 3)
    assert decode_event(recorded(new.data, 3)) == made


@pytest.mark.parametrize(
    ("schema", "data", "unit"),
    [
        (1, {"value": 1, "at": "roof"}, "metre"),
        (2, {"value": 1, "at": "roof", "unit": "foot"}, "foot"),
        (3, {"value": 1, "place": {"name": "roof"}, "unit": "foot"}, "foot"),
    ],
)
def test_every_older_schema_is_lifted_to_the_newest(schema: int, data: catalog.Payload, unit: str) -> None:
    expected = gauge()(value=1.0, unit=unit, place=Place("roof"))
    stored = recorded(data, schema)
    assert decode_event(stored) == expected
    assert decoder("gauge.read", schema)(json.dumps(data)) == expected
    assert Decoders()["gauge.read", schema](json.dumps(data).encode()) == expected
    assert stored.data == data


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(NotFound, match=r"'gauge\.lost'") as caught:
        decode_event(recorded({}, 1, "gauge.lost"))
    assert caught.value.data == {"type": "gauge.lost", "schema": 1}


def test_a_schema_from_the_future_is_named() -> None:
    gauge()
    with pytest.raises(NotFound, match="schema 4"):
        decoder("gauge.read", 4)


def test_a_missing_upcaster_is_named() -> None:
    gauge(schema=5)
    with pytest.raises(NotFound, match="no upcaster from schema 3"):
        decoder("gauge.read", 1)


@pytest.mark.parametrize("schema", [1, 3])
def test_a_payload_that_does_not_fit_is_invalid(schema: int) -> None:
    gauge()
    data = {"value": "much", "at": "roof", "unit": "foot", "place": {"name": "roof"}}
    with pytest.raises(Invalid, match=r"gauge\.read"):
        decode_event(recorded(data, schema))
    with pytest.raises(Invalid, match=r"gauge\.read"):
        decoder("gauge.read", schema)(json.dumps(data))


def test_two_upcasters_for_one_schema_are_refused() -> None:
    gauge()
    with pytest.raises(RuntimeError, match="two upcasters"):
        upcaster("gauge.read", 1)(lambda data: data)


def test_what_json_cannot_hold_is_refused_before_the_log() -> None:
    made = gauge()(value=1.5, unit=object(), place=Place("roof"))
    with pytest.raises(Invalid):
        encode_change(Change(STREAM, made))


def test_a_golden_file_is_written_once(tmp_path: Path) -> None:
    cls = gauge(schema=1)
    (path,) = missing(tmp_path, __name__)
    assert write_missing(tmp_path, __name__) == [path]
    assert json.loads(path.read_text("utf-8"))["data"] == sample(cls)
    path.write_text("kept", "utf-8")
    assert write_missing(tmp_path, __name__) == []
    assert path.read_text("utf-8") == "kept"


def test_a_new_schema_needs_the_golden_files_of_all_before(tmp_path: Path) -> None:
    gauge()
    write_missing(tmp_path, __name__)
    assert [path.name for path in missing(tmp_path, __name__)] == ["gauge.read.1.json", "gauge.read.2.json"]


def test_every_event_type_has_golden_records() -> None:
    lacking = [path.name for path in missing(GOLDEN, "events")]
    assert not lacking, "run: python -m qi.testing.golden tests/events/golden events"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_golden_record_decodes(path: Path) -> None:
    record = json.loads(path.read_text("utf-8"))
    assert path.name == f"{record['type']}.{record['schema']}.json"
    made = decoder(record["type"], record["schema"])(msgspec.json.encode(record["data"]))
    assert type(made) is types_of("events")[record["type"]]
    again = encode_change(Change(STREAM, made))
    assert decoder(again.type, again.schema)(msgspec.json.encode(again.data)) == made


def test_each_catalog_of_an_addon_knows_its_own_shapes_and_nobody_else_does() -> None:
    older, newer = catalog.Catalog("tally"), catalog.Catalog("tally")

    @older.event("tally.counted")
    class Counted:
        n: int

    @newer.event("tally.counted", schema=2)
    class CountedInUnits:
        n: int
        unit: str

    @newer.upcaster("tally.counted", 1)
    def with_a_unit(data: catalog.Payload) -> catalog.Payload:
        return {"unit": "piece", **data}

    event_of = recorded({"n": 3}, 1, "tally.counted")
    assert older.decode(event_of) == Counted(n=3)
    assert newer.decode(event_of) == CountedInUnits(n=3, unit="piece")
    with pytest.raises(NotFound, match="schema 2"):
        older.decode(recorded({"n": 3, "unit": "m"}, 2, "tally.counted"))
    with pytest.raises(NotFound, match="not known here"):
        decode_event(event_of)
    assert "tally.counted" not in TYPES


def test_an_addon_names_no_type_that_is_not_its_own() -> None:
    for name in ("bundle.created", "tally", "tallyho.counted"):
        with pytest.raises(Invalid, match=r"begin with .tally\."):
            catalog.Catalog("tally").event(name)
