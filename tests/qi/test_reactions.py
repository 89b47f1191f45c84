"""Reactions see every event of their categories once, from the head on, whatever fails in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.catalog import Catalog, encode_change
from events.decider import Fact
from events.record import Change, DomainEvent, stream_name
from events.sqlite import SqliteStore
from events.store import Append
from events.users import RoleGranted, UserAdded
from qi.home import Home
from qi.reactions import PARKED, TRIES, NotNow, Reaction, Reactions, reacts


class Log:
    """A log in a home, and a way to add users to it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.make()
        self.store = SqliteStore(self.home.events)

    def add(self, *names: str) -> None:
        for name in names:
            change = Change(stream_name("user", name), UserAdded(name=name))
            self.store.append(Append((encode_change(change),)))


@pytest.fixture
def log(tmp_path: Path):
    made = Log(tmp_path)
    yield made
    made.store.close()


GREET = Reaction("greet", frozenset({"user"}), "greet")


def reactions(log: Log, call) -> Reactions:
    return Reactions("friendly", log.home, [GREET], call, lambda _: True)


def test_a_new_reaction_starts_at_the_head_and_then_misses_nothing(log: Log) -> None:
    log.add("before")
    seen: list[str] = []
    made = reactions(log, lambda _, fact: seen.append(fact.event.name))
    made.run()
    assert seen == []
    log.add("ada", "bjork")
    made.run()
    made.run()
    assert seen == ["ada", "bjork"]
    made.close()


def test_a_restart_goes_on_where_it_was(log: Log) -> None:
    seen: list[str] = []
    made = reactions(log, lambda _, fact: seen.append(fact.event.name))
    log.add("ada")
    made.run()
    made.close()
    log.add("while_down")
    again = reactions(log, lambda _, fact: seen.append(fact.event.name))
    again.run()
    assert seen == ["ada", "while_down"]
    again.close()


def test_other_categories_are_not_seen(log: Log) -> None:
    seen: list[str] = []
    made = reactions(log, lambda _, fact: seen.append(fact.event.event_type))
    granted = Change(stream_name("team", "one"), RoleGranted(role="artist", reason=""))
    log.store.append(Append((encode_change(granted),)))
    log.add("ada")
    made.run()
    assert seen == ["user.added"]
    made.close()


def test_an_event_that_fails_is_tried_again_and_then_put_aside(log: Log) -> None:
    seen: list[str] = []

    def call(_: str, fact: Fact) -> None:
        if fact.event.name == "poison":
            raise SystemExit(3)
        seen.append(fact.event.name)

    made = reactions(log, call)
    log.add("poison", "ada")
    for tries in range(TRIES):
        assert seen == [], f"went past the failing event after {tries} tries"
        made.run()
    assert seen == ["ada"]
    made.close()
    again = reactions(log, call)
    parked = again._state.items(PARKED)
    assert [value["position"] for _, value in parked] == [1]
    again.close()


def test_an_addon_reacts_to_its_own_events_and_to_those_of_the_core(log: Log) -> None:
    mine = Catalog("friendly")

    @mine.event("friendly.waved")
    class Waved(DomainEvent):
        to: str

    seen: list[object] = []
    both = Reaction("both", frozenset({"user", "friendly"}), "both")
    made = Reactions("friendly", log.home, [both], lambda _, fact: seen.append(fact.event), lambda _: True, mine)
    log.add("ada")
    log.store.append(Append((encode_change(Change(stream_name("friendly", "a"), Waved(to="ada"))),)))
    made.run()
    assert seen == [UserAdded(name="ada"), Waved(to="ada")]
    made.close()


def test_one_that_cannot_be_called_now_keeps_its_event_and_no_other(log: Log) -> None:
    seen: list[str] = []

    def call(method: str, fact: Fact) -> None:
        if method == "busy" and len(seen) < 4:
            raise NotNow("in a moment")
        seen.append(f"{method} {fact.event.name}")

    busy = Reaction("busy", frozenset({"user"}), "busy")
    made = Reactions("friendly", log.home, [busy, GREET], call, lambda _: True)
    log.add("ada", "bjork")
    for _ in range(TRIES + 1):
        made.run()
    assert seen == ["greet ada", "greet bjork"]
    log.add("cid", "dot")
    made.run()
    made.run()
    assert seen[4:] == ["busy ada", "busy bjork", "busy cid", "busy dot"]
    assert not made.parked
    made.close()


def test_the_decorator_names_the_reaction_and_its_categories() -> None:
    @reacts("greet", "user", "publish")
    def on_user(self: object, fact: Fact) -> None: ...

    assert on_user.__dict__["_qi_reaction"] == Reaction("greet", frozenset({"user", "publish"}), "on_user")
