"""What one user may hold open and ask at once, and readers that take nothing: seen from the server's side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvicorn
from starlette.responses import StreamingResponse
from websockets.exceptions import ConnectionClosed

from events.ids import new_id
from qi.app.server import facts as facts_
from qi.app.server import stalled as stalled_
from qi.app.server.app import SOCKETS_A_USER
from qi.app.server.asking import asked
from qi.app.server.doors import REQUESTS_A_USER, Doors
from qi.app.server.export import EXPORTS_A_USER
from qi.app.server.facts import Facts
from qi.app.server.logins import Kept, Login
from qi.app.server.socket import CROWDED
from qi.app.server.stream import STREAMS_A_USER, WAITING_BYTES
from qi.contracts.auth import AddUser, GrantRole
from qi.contracts.log import EventPage, ReadLog
from qi.testing.mesh import eventually
from qi.testing.server import LIMIT_S, PASSWORD, Client, RunningServer

pytestmark = pytest.mark.xdist_group("server")

REASON = 9000
SYSTEM_KEEPS = 5 * 1024 * 1024
"""Bytes, at most, of one connection between the two processes."""


@pytest.fixture(scope="module")
def weighty(server: RunningServer) -> RunningServer:
    """Its log is more than a connection holds of which nothing is read."""
    server.change(SYSTEM_KEEPS // REASON, size=REASON)
    return server


# -- how much one user holds -------------------------------------------------------------------------------------


def status(raw: socket.socket) -> int:
    return int(raw.recv(12).split()[1])


def test_of_exports_that_one_user_begins_at_once_few_are_accepted_and_others_have_theirs(
    weighty: RunningServer,
) -> None:
    kim = weighty.person("kim")
    with contextlib.ExitStack() as open_:
        stalled = [open_.enter_context(kim.stalled("/export/history")) for _ in range(12)]
        with ThreadPoolExecutor(12) as threads:
            told = list(threads.map(status, stalled))
        assert sorted(told) == [200] * EXPORTS_A_USER + [429] * (12 - EXPORTS_A_USER)
        refused = kim.http.get("/export/history")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "'kim' has 2 exports open" in refused.json()["error"]["message"]
        assert weighty.person("lin").http.get("/export/history", params={"type": "nothing"}).status_code == 200
    # Who went away in the middle has given its place back.
    eventually(lambda: kim.http.get("/export/history", params={"type": "nothing"}).status_code == 200)
    for _ in range(EXPORTS_A_USER + 1):  # one that is refused holds none
        assert kim.http.get("/export/history", params={"since": -1}).status_code == 422
        assert kim.http.get("/export/history", params={"type": "nothing"}).status_code == 200


def test_one_user_opens_so_many_windows_and_is_told_why_not_more(server: RunningServer) -> None:
    kim = server.person("kim")
    with contextlib.ExitStack() as open_:
        windows = [open_.enter_context(kim.socket()) for _ in range(SOCKETS_A_USER)]
        assert {one.welcome["op"] for one in windows} == {"welcome"}
        with kim.socket() as one_more:
            assert one_more.welcome["op"] == "bye"
            assert "'kim' has 100 windows open" in one_more.welcome["error"]["message"]
            with pytest.raises(ConnectionClosed) as closed:
                one_more.next()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason[:5]) == (CROWDED, "'kim'")
        with server.person("lin").socket() as another:
            assert another.welcome["op"] == "welcome"
        windows[0].raw.close()
        eventually(lambda: _welcomed(kim))


def _welcomed(client: Client) -> bool:
    with client.socket() as window:
        return bool(window.welcome["op"] == "welcome")


def test_one_user_follows_so_many_streams_and_no_more(server: RunningServer) -> None:
    kim = server.person("kim")
    with contextlib.ExitStack() as open_:
        streams = [open_.enter_context(kim.stalled("/events")) for _ in range(STREAMS_A_USER)]
        assert {status(one) for one in streams} == {200}
        refused = kim.http.get("/events")
        assert refused.status_code == 429
        assert "streams of events" in refused.json()["error"]["message"]
        with server.person("lin").stalled("/events") as another:
            assert status(another) == 200
        streams[0].close()

        def accepted() -> bool:
            with kim.stalled("/events") as raw:
                return status(raw) == 200

        eventually(accepted)


# -- replays ----------------------------------------------------------------------------------------------------


def test_replays_of_one_user_read_few_pages_at_once_as_that_user_and_each_is_counted(
    weighty: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    participant = weighty.studio.join()
    reading, most, questions = 0, 0, list[ReadLog]()

    async def counted(login: Login, question: ReadLog) -> EventPage:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        questions.append(question)
        try:
            return await asked(login, question)
        finally:
            reading -= 1

    async def work() -> None:
        facts = Facts(participant.bus)
        await facts.begin()
        doors = Doors()
        login = Login(
            Kept("id", "owner", "", "", 0.0), "", participant, await asyncio.to_thread(participant.look), doors
        )

        async def replay(pattern: str) -> int:
            return len([fact async for fact in facts.since(login, 0, (pattern,))])

        told = await asyncio.gather(*(replay("qi.event.>") for _ in range(10)))
        assert len(set(told)) == 1
        assert told[0] == facts.position
        assert most == facts_.READ_AT_ONCE
        asked_before = len(questions)
        assert asked_before >= 20
        # The log leaves out what nobody listens to: one question each.
        assert await asyncio.gather(*(replay("qi.event.nothing.>") for _ in range(10))) == [0] * 10
        assert len(questions) == asked_before + 10
        assert {one.category for one in questions[asked_before:]} == {"nothing"}
        stats = doors._limiter.get_window_stats(REQUESTS_A_USER, "ask", login.info.user)
        assert stats.remaining == REQUESTS_A_USER.amount - len(questions)

    monkeypatch.setattr(facts_, "asked", counted)
    try:
        asyncio.run(work())
    finally:
        participant.leave()


def without_roles(server: RunningServer, client: Client, name: str) -> None:
    server.studio.bus.request(GrantRole(name=name, role="artist", revoke=True, command=new_id()))
    eventually(lambda: client.http.get("/api/log/read").status_code == 403)
    eventually(lambda: client.http.post("/auth/refresh").raise_for_status().json()["user"]["permissions"] == [])


def test_a_role_that_is_taken_away_ends_a_stream_in_the_middle_of_what_was(weighty: RunningServer) -> None:
    weighty.studio.bus.request(AddUser(name="tim", password=PASSWORD, command=new_id()))
    with weighty.client("tim") as tim, tim.stalled("/events?subject=qi.event.%3E&after=0") as raw:
        told = b""
        while b"\nid: " not in told:  # it has begun
            told += raw.recv(512)
        head = weighty.studio.events(newest=True, limit=1)[-1].position
        without_roles(weighty, tim, "tim")
        while piece := raw.recv(2**20):  # it ends, or this raises TimeoutError
            told += piece
        positions = [int(line[4:]) for line in told.splitlines() if line.startswith(b"id: ")]
        assert positions[-1] < head


def test_a_role_that_is_taken_away_ends_the_replays_of_a_window(weighty: RunningServer) -> None:
    weighty.studio.bus.request(AddUser(name="tam", password=PASSWORD, command=new_id()))
    with weighty.client("tam") as tam, tam.socket() as window:
        for number in range(6):  # more of them than its outbox and the system hold
            window.send(op="subscribe", id=number, subjects=["qi.event.>"], after=0)
        without_roles(weighty, tam, "tam")
        refused: list[dict[str, Any]] = []
        while not refused:
            frame = window.next()
            if frame["op"] == "error":
                refused.append(frame)
        assert refused[0]["error"]["code"] == 403


# -- readers that take nothing ----------------------------------------------------------------------------------


def test_a_stream_of_which_nothing_is_read_is_let_go(server: RunningServer) -> None:
    with server.person("ada").stalled("/events?subject=qi.event.settings.%3E") as slow:
        assert status(slow) == 200
        assert server.holds(slow)
        server.change((SYSTEM_KEEPS + WAITING_BYTES) // REASON, size=REASON)
        eventually(lambda: not server.holds(slow))


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    config = uvicorn.Config(
        app, log_config=None, http=stalled_.Http, ws=stalled_.WebSocket, ws_ping_interval=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(LIMIT_S):
            while not server.started:
                await asyncio.sleep(0.005)
        try:
            yield server, listening.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await task


async def endless(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "x" * 100_000})
    await StreamingResponse(pieces())(scope, receive, send)


async def pieces() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 100_000
        await asyncio.sleep(0)


UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)


@pytest.mark.parametrize("more", ["", UPGRADE], ids=["answer", "socket"])
def test_a_connection_of_which_nothing_moves_is_ended_and_one_that_moves_slowly_is_not(
    monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    monkeypatch.setattr(stalled_, "STALLED_S", 0.5)

    async def work() -> None:
        async with serving(endless) as (server, port), asyncio.timeout(LIMIT_S):
            held = server.server_state.connections

            def begin() -> socket.socket:
                raw = socket.create_connection(("127.0.0.1", port))
                raw.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
                raw.setblocking(False)
                return raw

            with begin() as stalled, begin() as slow:
                while len(held) < 2:
                    await asyncio.sleep(0.005)
                taken, ends_at = 0, None
                # It takes a little all the time, also for a while after the other one has been let go.
                while ends_at is None or time.monotonic() < ends_at:
                    with contextlib.suppress(BlockingIOError):
                        taken += len(slow.recv(65536))
                    if ends_at is None and len(held) == 1:
                        ends_at = time.monotonic() + 1.0
                    await asyncio.sleep(0.005)
                assert len(held) == 1
                (left,) = held
                assert left.transport.get_extra_info("peername") == slow.getsockname()  # type: ignore[union-attr]
                assert stalled.fileno() >= 0
                assert taken

    asyncio.run(work())
