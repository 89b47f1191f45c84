"""Finding old events in a long log: in slices, by any text, by whatever an event calls a thing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from actors.history import History, service
from events.bundle_events import BundleCreated
from events.catalog import encode_change
from events.names import NameClaimed, claim_stream
from events.record import Change, NewEvent, StreamName
from events.sqlite import SqliteStore
from events.store import Append
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.db import EntityPage, GetProject, ListEntities
from qi.contracts.log import EventPage, ReadLog
from qi.contracts.tracker import Entity, Project
from qi.errors import Invalid, NotFound
from qi.home import Home
from qi.testing.mesh import Mesh

EVENTS = 6_000
OLD = 1_234
SHOT = "e0100"
LIMIT_S = 60.0


class Tracker(Actor):
    """Knows one project with one shot."""

    name = "db"
    asked = 0
    hung = threading.Event()
    let_go = threading.Event()

    @handles(GetProject)
    def project(self, message: GetProject) -> Project:
        Tracker.asked += 1
        if message.project == "Hanging":
            Tracker.hung.set()
            assert Tracker.let_go.wait(LIMIT_S)
        if message.project not in ("Lighthouse", "p1"):
            raise NotFound("no such project")
        return Project(id="p1", name="Lighthouse", root="/")

    @handles(ListEntities)
    def entities(self, message: ListEntities) -> EntityPage:
        assert (message.project, message.parent) == ("p1", "seq010")
        return EntityPage(items=(Entity(id=SHOT, name="sh0100", kind="shot", path="seq010/sh0100"),))


def given_log(path: Path) -> None:
    def noise(number: int) -> NewEvent:
        data = {"number": number, "reason": "Ünder The Old Oak" if number == OLD else "as usual, 'quoted' \"twice\""}
        return NewEvent(StreamName(f"noise-{number % 50}"), "noise.made", data)

    publish = StreamName("publish-u1")
    told = [
        NewEvent(publish, "publish.requested", {"project": "p1", "entity": SHOT, "bundle": "Spring"}),
        NewEvent(publish, "publish.collected", {"instances": 1}),
        encode_change(Change(claim_stream("bundle", "Spring"), NameClaimed(kind="bundle", name="Spring", owner="b1"))),
        encode_change(
            Change(StreamName("bundle-b1"), BundleCreated(name="Spring", addons={}, environment={}, reason=""))
        ),
        NewEvent(StreamName("pointer-production"), "pointer.moved", {"bundle": "b1"}),
    ]
    with closing(SqliteStore(path)) as store:
        store.append_batch([Append(tuple(map(noise, range(at, at + 1000))), {}) for at in range(1, EVENTS, 1000)])
        store.append(Append(tuple(told), {}))


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    home = Home(tmp_path_factory.mktemp("search"))
    home.make()
    given_log(home.events)
    with Mesh() as mesh:
        mesh.start(Tracker)
        mesh.start(History, home=str(home.root))
        yield mesh.bus()


def pages(bus: Bus, asked: ReadLog) -> list[EventPage]:
    found = [bus.request(asked)]
    while found[-1].more:
        at = {"before" if asked.newest else "after": found[-1].reached}
        found.append(bus.request(ReadLog(**{**asked.__dict__, **at})))
    return found


def positions(found: list[EventPage]) -> list[int]:
    return [int(event.position) for page in found for event in page.events]


@pytest.mark.parametrize("newest", [False, True])
def test_an_old_event_is_found_in_slices_each_of_which_says_how_far_it_came(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, newest: bool
) -> None:
    monkeypatch.setattr(service, "LOOKS_S", 0.0)
    found = pages(bus, ReadLog(text="the old OAK", newest=newest))
    assert positions(found) == [OLD]
    assert len(found) == EVENTS // service.LOOKED_AT_ONCE + 1
    reached = [page.reached for page in found[:-1]]
    assert reached == sorted(set(reached), reverse=newest)
    assert found[-1].reached == (0 if newest else found[-1].head)


def test_a_page_holds_no_more_than_was_asked(bus: Bus) -> None:
    assert bus.request(ReadLog(text="nobody said this")).events == ()
    full = bus.request(ReadLog(text="as usual", limit=7))
    assert ([e.position for e in full.events], full.more, full.reached) == ([1, 2, 3, 4, 5, 6, 7], True, 7)
    newest = bus.request(ReadLog(text="noise.made", limit=2, newest=True, before=100))
    assert ([e.position for e in newest.events], newest.reached) == ([98, 99], 98)
    plain = pages(bus, ReadLog(limit=1000, category="noise", after=EVENTS - 2500))
    assert positions(plain) == list(range(EVENTS - 2499, EVENTS + 1))


def test_text_that_looks_like_a_query_is_text_and_bounds_hold(bus: Bus) -> None:
    for text in ("%", "'; DROP TABLE history; --", '" OR 1=1', "*", "noise_made", "\x00"):
        assert positions(pages(bus, ReadLog(text=text))) == []
    some = bus.request(ReadLog(text="'QUOTED' \"twice\"", limit=3))
    assert len(some.events) == 3
    for wrong in ({"text": "x" * 201}, {"entity": "x" * 501}, {"after": -1}, {"before": 2**63}, {"limit": 1001}):
        with pytest.raises(Invalid):
            bus.request(ReadLog(**wrong))


def test_an_entity_is_found_by_any_of_its_names_and_with_the_whole_of_its_publishes(bus: Bus) -> None:
    def at(entity: str, **more: str) -> list[int]:
        return [one - EVENTS for one in positions(pages(bus, ReadLog(entity=entity, **more)))]

    before = Tracker.asked
    assert at("Lighthouse/seq010/sh0100") == [1, 2]
    assert Tracker.asked == before + 1  # however many slices it took
    assert at("Lighthouse") == at("p1") == at("u1") == [1, 2]
    assert at("spring") == at("b1") == [1, 2, 3, 4, 5]
    assert at("Lighthouse", text="collected") == [2]
    assert at("Lighthouse", type="publish.requested") == [1]
    assert at("nothing of that name") == []


def test_a_tracker_that_hangs_keeps_only_waiting_who_asked_for_what_it_knows(bus: Bus) -> None:
    with ThreadPoolExecutor(1) as asker:
        asking = asker.submit(bus.request, ReadLog(entity="Hanging"))
        assert Tracker.hung.wait(LIMIT_S)
        try:
            assert len(bus.request(ReadLog(text="as usual", limit=7)).events) == 7
            assert positions(pages(bus, ReadLog(entity="b1")))
            assert not asking.done()
        finally:
            Tracker.let_go.set()
        assert asking.result().events == ()
