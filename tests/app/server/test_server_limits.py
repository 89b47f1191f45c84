"""How often somebody may knock, how much a request may hold, how long it may take, and when a server is ready."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from qi.app.server import doors as doors_
from qi.app.server import guard as guard_
from qi.app.server.admission import Admission
from qi.app.server.app import Application
from qi.app.server.asking import ask
from qi.app.server.doors import (
    FORGOTTEN_S,
    FREE_FROM_EVERYWHERE,
    LOCKED_MOST_S,
    LOGINS_A_CLIENT,
    REQUESTS_A_CLIENT,
    REQUESTS_A_USER,
    Doors,
)
from qi.app.server.guard import Guard, come_again
from qi.contracts import import_all
from qi.contracts.bundles import CheckBundle
from qi.errors import Busy


def test_a_client_may_ask_and_log_in_only_so_often_and_no_other_one_waits_for_it() -> None:
    doors = Doors()
    for _ in range(REQUESTS_A_CLIENT.amount):
        doors.knock("10.0.0.1")
    with pytest.raises(Busy) as refused:
        doors.knock("10.0.0.1")
    assert 1000 <= refused.value.data["retry_ms"] <= 60_000
    doors.knock("10.0.0.2")
    for _ in range(LOGINS_A_CLIENT.amount):
        doors.log_in("10.0.0.1")
    with pytest.raises(Busy, match="log-ins from this machine"):
        doors.log_in("10.0.0.1")
    doors.log_in("10.0.0.2")


def test_a_user_may_ask_the_studio_so_often_whichever_window_asks() -> None:
    doors = Doors()
    for _ in range(REQUESTS_A_USER.amount):
        doors.ask("ada")
    ada = cast(Any, SimpleNamespace(doors=doors, info=SimpleNamespace(user="Ada")))
    with pytest.raises(Busy, match="too many requests of this user"):
        asyncio.run(ask(ada, "bundle.list", {}))
    doors.ask("kim")


def test_each_further_wrong_password_doubles_the_wait_and_a_right_one_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(doors_.time, "monotonic", lambda: now)
    doors, waits = Doors(), []
    for _ in range(16):
        doors.require_open("eve", "10.0.0.1")
        doors.failed("Eve", "10.0.0.1")
        try:
            doors.require_open("eve", "10.0.0.1")
            waits.append(0.0)
        except Busy as error:
            waits.append(error.data["retry_ms"] / 1000)
            now += waits[-1]
    assert waits[:8] == [0, 0, 0, 0, 2, 4, 8, 16]
    assert waits[-1] == LOCKED_MOST_S
    doors.require_open("ada", "10.0.0.1")
    doors.failed("eve", "10.0.0.1")
    doors.require_open("eve", "10.0.0.2")
    doors.succeeded("eve", "10.0.0.1")
    doors.require_open("eve", "10.0.0.1")


def test_who_guesses_from_many_addresses_is_stopped_and_locks_nobody_out_of_where_they_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(doors_.time, "monotonic", lambda: now)
    doors = Doors()
    doors.succeeded("ada", "10.0.0.1")
    for number in range(FREE_FROM_EVERYWHERE + 20):
        doors.failed("ada", f"10.9.0.{number}")
    with pytest.raises(Busy):
        doors.require_open("ada", "10.9.1.1")
    doors.require_open("ada", "10.0.0.1")
    now += FORGOTTEN_S + 1
    doors.failed("ada", "10.9.0.1")
    doors.require_open("ada", "10.9.1.1")


def test_who_keeps_to_the_wait_that_was_told_is_not_refused_again() -> None:
    assert come_again(Busy("wait", retry_ms=1997)) == {"retry-after": "2"}
    assert come_again(Busy("wait", retry_ms=2000)) == {"retry-after": "2"}


def asked(path: str, app: Any, pieces: list[bytes]) -> int:
    """The status with which a guarded application answers a body that comes in these pieces, and then no more."""

    async def work() -> int:
        sent: list[Any] = []
        left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

        async def receive() -> Any:
            return left.pop(0) if left else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "client": ("127.0.0.1", 1), "headers": [(b"host", b"localhost")]}
        await Guard(app, doors=Doors(), admission=Admission())(scope, receive, send)
        return int(sent[0]["status"])

    return asyncio.run(work())


async def reads_all(_: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def never_answers(*_: Any) -> None:
    await asyncio.Event().wait()


def test_a_request_that_holds_too_much_or_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_, "REQUEST_LIMIT_S", 0.05)
    assert asked("/auth/login", never_answers, []) == 504
    monkeypatch.setattr(guard_, "BODY_SILENCE_S", 0.05)
    assert asked("/uploads/batch0001/a.exr", reads_all, [b"pixels"]) == 504  # as long as it is, but not silent
    assert asked("/auth/login", reads_all, [b"x" * guard_.BODY_MOST_BYTES, b"x"]) == 400


def test_what_the_studio_takes_long_for_may_take_that_long_here() -> None:
    import_all()
    assert guard_._limit_s("/api/bundle/check") == CheckBundle.timeout_s > guard_.REQUEST_LIMIT_S
    assert guard_._limit_s("/api/none") == guard_._limit_s("/settings") == guard_.REQUEST_LIMIT_S


def test_a_server_without_its_studio_is_alive_and_not_ready() -> None:
    def ready(*, connected: bool, refused: bool = False) -> int:
        facts = SimpleNamespace(bus=SimpleNamespace(connected=connected, refused=refused), position=7)
        server = cast(Any, SimpleNamespace(_reach=SimpleNamespace(facts=facts)))
        return asyncio.run(Application._ready(server)).status_code

    assert (ready(connected=True), ready(connected=False), ready(connected=True, refused=True)) == (200, 503, 503)
