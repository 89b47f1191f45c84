"""State survives, and a checkpoint never goes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import Conflict, Invalid
from events.record import Position
from events.state import StateDb


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[StateDb]:
    with closing(StateDb(path)) as state:
        yield state


def test_a_checkpoint_is_there_after_a_restart(state: StateDb, path: Path) -> None:
    assert state.checkpoint("mail") == 0
    state.save_checkpoint("mail", Position(7))
    state.save_checkpoint("other", Position(1))
    with closing(StateDb(path)) as again:
        assert (again.checkpoint("mail"), again.checkpoint("other")) == (7, 1)


def test_a_checkpoint_never_goes_back(state: StateDb) -> None:
    state.save_checkpoint("mail", Position(7))
    state.save_checkpoint("mail", Position(7))
    with pytest.raises(Conflict):
        state.save_checkpoint("mail", Position(6))
    assert state.checkpoint("mail") == 7


def test_an_object_is_kept_by_its_key(state: StateDb, path: Path) -> None:
    state.put("tokens", "b", {"user": "ada", "until": 1.5})
    state.put("tokens", "a", {"user": "雪"})
    state.put("tokens", "b", {"user": "eve"})
    state.put("jobs", "b", {})
    with closing(StateDb(path)) as again:
        assert again.items("tokens") == [("a", {"user": "雪"}), ("b", {"user": "eve"})]
        assert again.get("tokens", "b") == {"user": "eve"}
        assert again.get("jobs", "b") == {}


def test_what_was_never_put_is_none(state: StateDb) -> None:
    assert state.get("tokens", "a") is None
    assert state.items("tokens") == []
    state.delete("tokens", "a")
    state.put("tokens", "b", {})
    assert state.get("tokens", "a") is None


def test_a_deleted_key_is_gone(state: StateDb) -> None:
    state.put("tokens", "a", {})
    state.put("tokens", "b", {})
    state.delete("tokens", "a")
    assert state.items("tokens") == [("b", {})]


@pytest.mark.parametrize("table", ["checkpoints", "Tokens", "a b", "", "x; DROP TABLE checkpoints"])
def test_only_plain_names_become_tables(state: StateDb, table: str) -> None:
    with pytest.raises(Invalid):
        state.put(table, "a", {})


def test_two_connections_share_the_file(state: StateDb, path: Path) -> None:
    with closing(StateDb(path)) as other:
        for n in range(5):
            (state if n % 2 else other).put("jobs", str(n), {"n": n})
        assert state.items("jobs") == other.items("jobs") == [(str(n), {"n": n}) for n in range(5)]
