"""Connections that never ask, one address that wants them all, and a server that hangs."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from qi.app import beside, front
from qi.app.beside import Beside
from qi.app.launch import read_launch_config
from qi.app.server import connections as connections_
from qi.app.server.admission import Admission
from qi.app.server.connections import connections
from qi.home import Home, write_private
from qi.testing.mesh import eventually
from qi.testing.ports import free_port
from qi.testing.studio import RunningStudio

pytestmark = pytest.mark.xdist_group("server")

LIMIT_S = 60.0


async def answers(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})  # type: ignore[operator]
    await send({"type": "http.response.body"})  # type: ignore[operator]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[int]:
    """Of a server that lets in whom the test's parameter names, with short limits."""
    monkeypatch.setattr(connections_, "HEAD_LIMIT_S", 1.0)
    monkeypatch.setattr(connections_, "AN_ADDRESS_MOST", 5)
    monkeypatch.setattr(connections_, "A_STRANGER_MOST", 2)
    admission = Admission()
    monkeypatch.setattr(admission, "lets_in", lambda client: client != request.param)
    config = uvicorn.Config(answers, http=connections(admission), log_config=None, lifespan="off")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        eventually(lambda: server.started, LIMIT_S)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def joined(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    made.sendall(sent)
    return made


def is_cut(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("port", ["nobody"], indirect=True)
def test_who_sends_no_whole_head_in_time_is_cut_off_also_behind_a_first_request(port: int) -> None:
    silent, half, later = joined(port), joined(port, HEAD), joined(port, HEAD + b"\r\n")
    assert later.recv(12) == b"HTTP/1.1 200"
    while b"\r\n\r\n" not in later.recv(4096):
        pass
    later.sendall(HEAD)
    for one in (silent, half, later):
        with one:
            assert is_cut(one)


@pytest.mark.parametrize("port", ["nobody", "127.0.0.1"], indirect=True)
def test_an_address_holds_so_many_connections_and_a_stranger_fewer(
    port: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_, "HEAD_LIMIT_S", LIMIT_S)
    most = 2 if "127.0.0.1" in request.node.name else 5
    held = [joined(port) for _ in range(most)]
    with joined(port, HEAD + b"\r\n") as one_more:
        assert is_cut(one_more)
    held.pop().close()

    def is_let_in() -> bool:
        with joined(port, HEAD + b"\r\n") as again:
            return not is_cut(again)

    eventually(is_let_in, LIMIT_S)
    for one in held:
        one.close()


def test_a_beat_is_told_from_silence_and_both_from_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, me = Home(tmp_path), os.getpid()
    assert front.ServerFile.beaten(home, me) is None
    front.ServerFile("http://localhost", "a key", me).write(home)
    os.utime(home.server_file, (1.0, 1.0))
    silent = front.ServerFile.beaten(home, me)
    assert silent == front.ServerFile.beaten(home, me) == 1_000_000_000
    assert front.ServerFile.beaten(home, me + 1) is None
    front.ServerFile.beat(home, me + 1)  # another's file
    assert front.ServerFile.beaten(home, me) == silent
    front.ServerFile.beat(home, me)
    assert front.ServerFile.beaten(home, me) not in (None, silent)

    def refuses(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(front.os, "utime", refuses)
    front.ServerFile.beat(home, me)
    monkeypatch.setattr(front.os, "access", lambda *_: False)
    assert front.ServerFile.beaten(home, me) is None


@pytest.mark.parametrize(("how", "ended"), [("hangs", "signal 9"), ("its loop is ended by an addon", "code 3")])
def test_a_server_that_serves_no_more_is_started_again(
    studio: RunningStudio, monkeypatch: pytest.MonkeyPatch, how: str, ended: str
) -> None:
    home = Home(studio.home.root)
    if how == "hangs":
        monkeypatch.setattr(beside, "LOOK_EVERY_S", 4.0)  # a little more than it takes to beat
        monkeypatch.setattr(beside, "SILENT_MOST", 2)
    kept = Beside(home, read_launch_config(home=home.root, http=f"127.0.0.1:{free_port()}"))
    others = home.server_file.read_text("utf-8") if home.server_file.is_file() else ""
    kept.start()
    try:
        first = front.ServerFile.read(home)
        assert first is not None
        if how == "hangs":
            os.kill(first.pid, signal.SIGSTOP)
        else:
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"{first.url}/addons/sheets/breaks", timeout=LIMIT_S)
        eventually(lambda: (one := front.ServerFile.read(home)) and one.pid != first.pid, LIMIT_S)
        eventually(lambda: any(f"ended with {ended}; it was started" in one for one in kept.problems()), LIMIT_S)
    finally:
        kept.stop()
        if others:
            write_private(home.server_file, others)
