"""Requests cannot deadlock, or the start says why."""

from itertools import pairwise
from typing import Any

import mesh_actors as a
import pytest

from qi.actor import Actor, handles
from qi.contracts.session import Identify, SessionInfo
from qi.errors import QiError
from qi.graph import start_order


class Sessions(Actor):
    name = "sessions"

    @handles(Identify)
    def who(self, _: Identify) -> SessionInfo:
        raise NotImplementedError


def test_an_actor_starts_after_those_it_asks() -> None:
    order = start_order([a.hop(number=7), a.hop(number=9), a.hop(number=8)])
    assert order == ["hop9", "hop8", "hop7"]


def test_a_guarded_actor_starts_after_the_sessions() -> None:
    assert start_order([a.Echo, Sessions]) == ["sessions", "echo"]


def test_a_circle_is_named() -> None:
    with pytest.raises(QiError, match="requests go in a circle: ") as caught:
        start_order([a.hop(number=0), a.hop(number=1), a.hop(number=2, back_to=0)])
    told: list[Any] = caught.value.data["cycle"]
    assert set(told) == {"hop0", "hop1", "hop2"}
    assert told[0] == told[-1]


def test_the_circle_reads_in_the_direction_of_the_requests() -> None:
    with pytest.raises(QiError) as caught:
        start_order([a.hop(number=0), a.hop(number=1), a.hop(number=2, back_to=0)])
    named = caught.value.message.partition(": ")[2].split(" → ")
    asks = {"hop0": "hop1", "hop1": "hop2", "hop2": "hop0"}
    assert all(asks[one] == other for one, other in pairwise(named))


def test_a_topic_nobody_serves_is_named() -> None:
    with pytest.raises(QiError, match=r"'hop0' requests what nobody serves: test\.hop1"):
        start_order([a.hop(number=0)])
    assert start_order([a.hop(number=0)], served_elsewhere=frozenset({"test.hop1"})) == ["hop0"]


def test_a_topic_has_one_actor() -> None:
    class Other(a.Echo):
        name = "other"

    with pytest.raises(QiError, match=r"'echo' and 'other' both serve 'test\.say'"):
        start_order([a.Echo, Other, Sessions])
