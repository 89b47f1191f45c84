"""Stops a process of Qi at a named point of a publish, until the test lets it go on. Loaded by worker and studio.

The file that `QI_TEST_HOLD` names says which point; it is taken away by the first who arrives, so that a publish that
is resumed passes.
"""

import functools
import importlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEFORE = {
    "collected": "qi.worker.job:seal",
    "validated": "qi.worker.job:Job._validate",
    "reserved": "qi.worker.job:claim",
    "extracted": "",
    "planned": "qi.worker.job:plan",
    "staged": "qi.worker.job:stage",
    "committed": "qi.worker.job:commit",
    "registered": "qi.worker.job:RegisterVersion",
    "followed_up": "",
}
"""State → the function whose begin is the begin of the effect, its intent being recorded; empty for the plugins here,
which stop by themselves."""


def arrive(state: str, point: str) -> None:
    """Stop here, if this is the point."""
    armed = Path(os.environ["QI_TEST_HOLD"])
    try:
        wanted = json.loads(armed.read_text())
    except FileNotFoundError:
        return
    if (wanted["state"], wanted["point"]) == (state, point):
        armed.unlink()
        with socket.create_connection(("127.0.0.1", wanted["port"])) as test:
            test.sendall(b"here\n")
            test.recv(1)


def in_worker() -> None:
    """Before each effect, and between it and its outcome."""
    from events.publish_state import MILESTONES
    from qi.worker.reporter import Reporter

    for state, place in BEFORE.items():
        if place:
            _wrap(place, functools.partial(arrive, state, "before_effect"))
    report = Reporter.report

    def reports(self: Reporter, *events: Any, **more: Any) -> str:
        if type(events[0]) in MILESTONES:
            arrive(MILESTONES[type(events[0])], "after_effect")
        return report(self, *events, **more)

    Reporter.report = reports  # type: ignore[method-assign]


def in_studio() -> None:
    """Between the commit of a state and whatever anybody hears of it."""
    from events.writer import Writer

    append = Writer.append

    def appends(self: Writer, *given: Any) -> Any:
        result = append(self, *given)
        for _, _, _, _, kind, *_ in result.rows:
            arrive(kind.removeprefix("publish."), "after_commit")
        return result

    Writer.append = appends  # type: ignore[method-assign]


def _wrap(place: str, before: Callable[[], None]) -> None:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for one in owners:
        owner = getattr(owner, one)
    wrapped = getattr(owner, name)

    @functools.wraps(wrapped)
    def wrapper(*given: Any, **more: Any) -> Any:
        before()
        return wrapped(*given, **more)

    setattr(owner, name, wrapper)
