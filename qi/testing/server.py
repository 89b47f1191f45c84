"""A server of the Command Center for tests: beside a real studio, in a process of its own. Any thread."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from socket import SO_RCVBUF, SOL_SOCKET
from socket import socket as raw_socket
from typing import Any

import httpx
import psutil
from websockets.sync.client import ClientConnection, connect

from events.ids import new_id
from qi.app import front
from qi.contracts.auth import AddUser, GrantRole
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.ports import free_port
from qi.testing.studio import RunningStudio

PASSWORD = "correct horse battery"
ROLES = {"ada": "artist", "kim": "artist", "lin": "lead", "root": "admin"}
LIMIT_S = 60.0


class Client:
    """One person's browser, without its pages."""

    def __init__(self, url: str, address: str = "") -> None:
        """`address` is this machine's that it comes from; the system chooses when empty."""
        self.url = url
        self.address = address
        transport = httpx.HTTPTransport(local_address=address or None)
        self.http = httpx.Client(base_url=url, timeout=LIMIT_S, transport=transport)
        self.access = ""
        self.session = ""

    def log_in(self, user: str, password: str = PASSWORD) -> Client:
        return self.entered(self.http.post("/auth/login", json={"user": user, "password": password}))

    def entered(self, answer: httpx.Response) -> Client:
        answer.raise_for_status()
        told = answer.json()
        self.access, self.session = told["access"], told["session"]
        self.http.headers["authorization"] = f"Bearer {self.access}"
        return self

    @contextlib.contextmanager
    def socket(self, *, hello: bool = True, **more: Any) -> Iterator[Socket]:
        if self.address:
            more["source_address"] = (self.address, 0)
        with connect(self.url.replace("http", "ws", 1) + "/ws", open_timeout=LIMIT_S, max_size=None, **more) as raw:
            made = Socket(raw)
            if hello:
                made.welcome = made.said(op="hello", access=self.access)
            yield made

    @contextlib.contextmanager
    def stalled(self, path: str) -> Iterator[raw_socket]:
        """A GET of which nothing is read until the test reads it, and the system keeps as little as it can."""
        at = httpx.URL(self.url)
        with raw_socket() as raw:
            raw.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
            raw.settimeout(LIMIT_S)
            if self.address:
                raw.bind((self.address, 0))
            raw.connect((at.host, at.port))
            said = {"Host": "localhost", "Connection": "close", "Authorization": f"Bearer {self.access}"}
            head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
            raw.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
            yield raw

    def close(self) -> None:
        self.http.close()


class Socket:
    """One window's connection; frames are dictionaries."""

    def __init__(self, raw: ClientConnection) -> None:
        self.raw = raw
        self.welcome: dict[str, Any] = {}
        self._number = 0

    def send(self, **frame: Any) -> None:
        self.raw.send(json.dumps(frame))

    def next(self, timeout_s: float = LIMIT_S) -> dict[str, Any]:
        """The next frame. Raises TimeoutError, and what a closed connection raises."""
        frame: dict[str, Any] = json.loads(self.raw.recv(timeout_s))
        return frame

    def said(self, **frame: Any) -> dict[str, Any]:
        """Send a frame; the next one that comes."""
        self.send(**frame)
        return self.next()

    def ask(self, topic: str, **data: Any) -> dict[str, Any]:
        """Send a request; its reply or error, whatever else comes meanwhile."""
        self._number += 1
        number = self._number
        self.send(op="request", id=number, topic=topic, data=data)
        while True:
            frame = self.next()
            if frame.get("id") == number and frame["op"] in ("reply", "error"):
                return frame


class RunningServer:
    """A server that runs, and the way in."""

    def __init__(self, studio: RunningStudio, running: front.Front) -> None:
        self.studio = studio
        self.front = running
        self.url = running.url
        self._people: dict[str, Client] = {}
        self._addresses = 0

    @contextlib.contextmanager
    def client(self, user: str = "") -> Iterator[Client]:
        """Somebody's browser; nobody is logged in without a name."""
        made = Client(self.url, self._another_address())
        try:
            if user:
                made.log_in(user)
            yield made
        finally:
            made.close()

    def person(self, user: str) -> Client:
        """A browser in which somebody has logged in, the same one each time."""
        if user not in self._people:
            self._people[user] = Client(self.url, self._another_address()).log_in(user)
        return self._people[user].entered(self._people[user].http.post("/auth/refresh"))

    def change(self, times: int, *, size: int = 0) -> list[str]:
        """So many events of the user `owner`'s settings; their reasons."""
        reasons = [f"change {new_id()}{'x' * size}" for _ in range(times)]
        for number, reason in enumerate(reasons):
            value = 100.0 + (time.time() % 1e5) + number
            self.studio.bus.request(
                PatchSettings(scope="user", settings=(Setting(path="qi.publish.tracker_timeout_s", value=value),),
                              reason=reason, command=new_id())
            )  # fmt: skip
        return reasons

    def holds(self, near: raw_socket) -> bool:
        """Whether the server's process has the other end of this connection still."""
        file = front.ServerFile.read(self.studio.home)
        assert file is not None
        process = psutil.Process(file.pid)
        return any(one.raddr[:2] == near.getsockname()[:2] for one in process.net_connections() if one.raddr)

    def _another_address(self) -> str:
        """Only so many may log in from one address; on Linux the whole of 127.0.0.0/8 is this machine."""
        self._addresses += 1
        return f"127.0.{self._addresses // 250 + 1}.{self._addresses % 250 + 1}" if sys.platform == "linux" else ""

    def close(self) -> None:
        for person in self._people.values():
            person.close()


@contextlib.contextmanager
def start_server(studio: RunningStudio, users: Mapping[str, str] = ROLES) -> Iterator[RunningServer]:
    """For the length of a block. Each of `users` has that role and :data:`PASSWORD`."""
    for user, role in users.items():
        studio.bus.request(AddUser(name=user, password=PASSWORD, command=new_id()))
        if role != "artist":
            studio.bus.request(GrantRole(name=user, role=role, command=new_id()))
    # Where whoever starts it again finds the place free: a port of the system's own choice may be anybody's by then.
    made = RunningServer(studio, front.start(studio.home, front.Doorway(f"127.0.0.1:{free_port()}")))
    try:
        yield made
    finally:
        made.close()
        made.front.stop()  # which may be a later one
