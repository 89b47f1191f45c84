"""What travels with every message."""

import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ids import new_id
from qi import context
from qi.context import MAX_HOPS, Context, export, from_headers, inherited, use
from qi.errors import Loop

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contexts = st.builds(
    Context,
    trace=st.text("0123456789abcdef", min_size=32, max_size=32),
    deadline=st.none(),
    cause=tokens,
    command=tokens,
    path=st.lists(tokens.filter(bool), max_size=5).map(tuple),
    session=tokens,
    user=names,
    host=names,
)


@given(contexts)
def test_a_context_survives_its_headers(carried: Context) -> None:
    headers = carried.headers()
    assert from_headers(headers, 0.0) == carried
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@given(contexts, st.integers(0, 10**6))
def test_remaining_time_travels_and_only_shrinks(carried: Context, milliseconds: int) -> None:
    now = time.monotonic()
    sent = Context(carried.trace, deadline=now + milliseconds / 1000)
    # On another machine another clock begins to run when the message arrives.
    there = from_headers(sent.headers(), arrived=5000.0).deadline
    assert there is not None
    assert there - 5000.0 <= milliseconds / 1000


@pytest.mark.parametrize(
    "headers",
    [{}, {"Qi": "a;b"}, {"traceparent": "nonsense"}, {"traceparent": "00-" + "z" * 32 + "-1-01", "Qi": ";;x;;;;"}],
)
def test_broken_headers_begin_a_new_trace(headers: dict[str, str]) -> None:
    first, second = from_headers(headers, 0.0), from_headers(headers, 0.0)
    assert first.trace != second.trace
    assert (first.deadline, first.path) == (None, ())


def test_traceparent_follows_the_w3c() -> None:
    version, trace, parent, flags = Context(trace=new_id()).headers()["traceparent"].split("-")
    assert (version, len(trace), len(parent), flags) == ("00", 32, 16, "01")


def test_a_context_holds_for_its_block_and_its_thread() -> None:
    seen: list[str] = []
    with use(Context(trace="a" * 32)):
        assert context.current().trace == "a" * 32
        thread = threading.Thread(target=lambda: seen.append(context.current().trace))
        thread.start()
        thread.join()
    assert context.current().trace != "a" * 32
    assert seen != ["a" * 32]


def test_a_request_that_comes_back_is_a_loop() -> None:
    Context(trace="a" * 32, path=("db",)).check("settings")
    with pytest.raises(Loop) as caught:
        Context(trace="a" * 32, path=("db", "settings")).check("db")
    assert caught.value.data["path"] == ["db", "settings", "db"]


def test_a_request_passes_so_many_actors_only() -> None:
    with pytest.raises(Loop, match="has passed 16 actors"):
        Context(trace="a" * 32, path=tuple(f"a{n}" for n in range(MAX_HOPS))).check("new")


def test_a_child_process_continues_the_tree() -> None:
    carried = Context(trace="a" * 32, cause="e1", deadline=time.monotonic() + 1, session="s1", user="åse; x", host="b")
    program = "from qi.context import inherited; print(ascii(inherited()))"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **export(carried)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # A deadline is of one request; the process outlives it.
    expected = Context(trace="a" * 32, cause="e1", session="s1", user="åse; x", host="b")
    assert told.strip() == ascii(expected)


def test_a_process_started_by_hand_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(context.ENVIRONMENT_VARIABLE, raising=False)
    assert inherited() is None
