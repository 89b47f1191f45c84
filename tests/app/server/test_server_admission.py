"""Who may knock: from where, and under which name of this machine."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from qi.app.beside import Beside
from qi.app.launch import read_launch_config
from qi.app.server.admission import Admission
from qi.errors import Forbidden, Invalid
from qi.home import Home
from qi.testing.server import RunningServer

pytestmark = pytest.mark.xdist_group("server")


def _asked(host: str) -> dict[str, Any]:
    return {"headers": [(b"accept", b"*/*"), (b"host", host.encode("latin-1"))]}


def test_a_name_that_is_none_of_the_servers_is_refused_by_pages_questions_and_sockets(server: RunningServer) -> None:
    http = server.person("ada").http
    for path in ("/", "/healthz", "/api/bundle/list", "/auth/form"):
        answer = http.get(path, headers={"host": "rebound.example:80"})
        assert (answer.status_code, answer.json()["error"]["kind"]) == (403, "Forbidden")
        assert "--name" in answer.json()["error"]["remedy"]
    port = server.url.rpartition(":")[2]
    assert http.get("/api/bundle/list", headers={"host": f"localhost:{port}"}).status_code == 200
    assert http.get("/api/bundle/list", headers={"host": f"{socket.gethostname()}:{port}"}).status_code == 200
    with socket.create_connection(("127.0.0.1", int(port))) as there:
        with pytest.raises(InvalidStatus) as refused, connect(f"ws://rebound.example:{port}/ws", sock=there):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("localhost", True), ("127.0.0.1:8710", True), ("[::1]:8710", True), ("10.1.2.3", True), ("LOCALHOST.:1", True),
        ("qi.studio.example:8710", True), ("evil.example", False), ("localhost.evil.example", False), ("", False),
        ("[::1", False), ("127.0.0.1.evil.example", False), ("evil.example@localhost", False),
    ],
)  # fmt: skip
def test_a_browser_may_ask_by_address_by_this_machines_names_and_by_those_that_were_named(host: str, may: bool) -> None:
    admission = Admission(names=["qi.studio.example"])
    if may:
        admission.require(_asked(host), "127.0.0.1")
    else:
        with pytest.raises(Forbidden):
            admission.require(_asked(host), "127.0.0.1")


def test_other_machines_may_connect_from_networks_that_were_named_and_this_one_always() -> None:
    admission = Admission(allow=["10.1.0.0/16"])
    for client in ("10.1.7.9", "::ffff:10.1.7.9", "127.0.0.1", "127.9.9.9", "::1"):
        admission.require(_asked("localhost"), client)
    for client in ("10.2.0.1", "192.0.2.7", "2001:db8::1", "nonsense", ""):
        with pytest.raises(Forbidden):
            admission.require(_asked("localhost"), client)


def test_a_server_for_other_machines_needs_to_know_which(tmp_path: Any) -> None:
    config = read_launch_config(home=tmp_path / "home", http="0.0.0.0:8710")
    with pytest.raises(Invalid, match="no other machine may connect"):
        Beside(Home(config.home), config)
