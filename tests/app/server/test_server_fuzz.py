"""Whatever a page sends: the server answers with a word, and goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from events.ids import new_id
from qi.app.server.socket import FAULT, OUT
from qi.contracts.auth import AddUser, GrantRole
from qi.testing.server import PASSWORD, RunningServer, Socket

pytestmark = pytest.mark.xdist_group("server")

TEXTS = st.text(max_size=20) | st.sampled_from(["config.get", "qi.event.>", "qi.feed.*", "", "\x00", "\ud800"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
ANYTHING = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))
OPS = st.sampled_from(["request", "subscribe", "unsubscribe", "cancel", "hello", "ping"]) | TEXTS
NO_TEXT = b'{"name": "\\ud800", "project": "\\ud800"}'
AS_JSON = {"content-type": "application/json"}
FRAMES = st.fixed_dictionaries(
    {"op": OPS},
    optional={
        "id": st.integers(-5, 5) | PLAIN,
        "topic": st.sampled_from(["config.get", "bundle.list", "log.read", "studio.status"]) | ANYTHING,
        "data": st.dictionaries(st.sampled_from(["limit", "after", "path", "addon"]), PLAIN) | ANYTHING,
        "addon": PLAIN,
        "timeout_ms": PLAIN,
        "subjects": st.lists(TEXTS, max_size=3) | ANYTHING,
        "after": PLAIN,
        "access": PLAIN,
    },
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(frames=st.lists(FRAMES, min_size=1, max_size=8))
def test_no_frame_makes_the_server_fail(server: RunningServer, frames: list[dict[str, Any]]) -> None:
    with server.person("ada").socket() as window:
        for said in _answers(window, frames):
            if "error" in said:
                # 500 would be a fault of the server's own; 503 is a topic nobody serves.
                assert said["error"]["code"] in (400, 401, 403, 404, 409, 422, 429, 503, 504), said
            assert said.get("code") in (None, OUT, FAULT), said


def _answers(window: Socket, frames: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What is said to these frames; at last the answer to a good request, or the code of the end."""
    try:
        for frame in frames:
            window.raw.send(json.dumps(frame))
        window.raw.send('{"op":"request","id":999999999,"topic":"bundle.list"}')
        while True:
            said = window.next()
            yield said
            if said.get("id") == 999999999:
                return
    except ConnectionClosed as closed:
        yield {"op": "closed", "code": closed.rcvd.code if closed.rcvd else 1006}


@pytest.mark.parametrize("user", ["ada", "root", "nil"])
def test_every_question_of_the_api_is_answered_without_a_fault_and_only_to_who_may(
    server: RunningServer, user: str
) -> None:
    """Each route once with nothing, and once with nonsense: no 500. `nil` has no role: the studio tells it nothing."""
    bus, codes = server.studio.bus, Counter[int]()
    if user == "nil":
        bus.request(AddUser(name=user, password=PASSWORD, command=new_id()))
        bus.request(GrantRole(name=user, role="artist", revoke=True, command=new_id()))
    http = server.person(user).http
    faults = []
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        if not path.startswith("/api/") or path in ("/api/studio/stop", "/api/log/backup", "/api/log/verify"):
            continue
        for method in methods:
            fields = {"project": "\u0000none", "limit": "1e9", "after": "-1", "path": "../..", "name": "x" * 500}
            bodies: list[dict[str, Any]] = [{"json": {}}, {"json": fields}, {"content": NO_TEXT, "headers": AS_JSON}]
            asked = [{"params": {}}, {"params": fields}] if method == "get" else bodies
            for one in asked:
                answer = http.request(method, path, timeout=30, **one)
                codes[answer.status_code] += 1
                if answer.status_code == 500 or (user == "nil" and answer.status_code < 400):
                    faults.append((method, path, one, answer.text[:200]))
    assert faults == []
    assert codes[403] > 40 if user == "nil" else codes[200] > 20, codes
