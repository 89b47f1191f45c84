"""REST: settings, bundles, topics, facts as a stream, media, uploads, routes of addons."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from events.ids import new_id
from events.record import Meta
from qi.app.server import export
from qi.app.server.pages import Pages
from qi.contracts.bundles import CreateBundle
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.server import RunningServer

pytestmark = pytest.mark.xdist_group("server")

PATH = "qi.publish.plugin_timeout_s"


def told(server: RunningServer, user: str, path: str, **more: str) -> dict:
    return server.person(user).http.get(path, params=more).raise_for_status().json()


def frames(answer: httpx.Response) -> Iterator[dict]:
    """The facts of a stream of Server-Sent Events."""
    found: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(("id: ", "event: ", "data: ")):
            name, _, value = line.partition(": ")
            found[name] = value
        elif not line and "data" in found:
            yield {**json.loads(found["data"]), "sent as": (int(found["id"]), found["event"])}
            found = {}


def reason_of(server: RunningServer, value: float) -> str:
    """One more event, by the owner; its reason."""
    reason = f"because {new_id()}"
    server.studio.bus.request(
        PatchSettings(scope="user", settings=(Setting(path=PATH, value=value),), reason=reason, command=new_id())
    )
    return reason


def test_a_change_of_settings_says_what_it_was_made_upon(server: RunningServer) -> None:
    http = server.person("ada").http
    read = http.get("/settings/qi")
    assert read.json()["values"]["qi"]["publish"]["plugin_timeout_s"] == 900
    tag, change = read.headers["etag"], {"set": {"publish.plugin_timeout_s": 60}, "reason": "short ones"}
    assert http.patch("/settings/qi", params={"scope": "user"}, json=change).status_code == 428
    first = http.patch("/settings/qi", params={"scope": "user"}, json=change, headers={"if-match": tag})
    assert first.raise_for_status().json()["changed"] == 1
    late = http.patch(
        "/settings/qi", params={"scope": "user"}, json={"set": {"publish.plugin_timeout_s": 70}},
        headers={"if-match": tag},
    )  # fmt: skip
    assert (late.status_code, late.json()["error"]["kind"]) == (412, "PreconditionFailed")
    assert told(server, "ada", "/settings/qi")["values"]["qi"]["publish"]["plugin_timeout_s"] == 60
    anyway = http.patch(
        "/settings/qi",
        params={"scope": "user"},
        json={"unset": ["publish.plugin_timeout_s"]},
        headers={"if-match": "*"},
    )
    assert anyway.json()["changed"] == 1
    (written, *_) = server.studio.events(user="ada", type="settings.*", newest=True, limit=1)
    assert written.meta.session == server.person("ada").session
    wrong = http.patch(
        "/settings/qi", params={"scope": "user"}, json={"set": {"publish.plugin_timeout_s": "x"}},
        headers={"if-match": "*"},
    )  # fmt: skip
    assert wrong.status_code == 422
    assert http.patch("/settings/qi", params={"scope": "none"}, json=change).status_code == 422


def test_production_is_moved_by_who_may_and_only_from_what_it_was(server: RunningServer) -> None:
    bundles = told(server, "ada", "/bundles")["bundles"]
    active = server.person("root").http.get("/bundles/active")
    assert active.json()["bundle"] in {one["name"] for one in bundles}
    move = {"bundle": f"next {new_id()[-8:]}", "reason": "tried"}
    server.studio.bus.request(CreateBundle(name=move["bundle"], environment={"LOOK": "warm"}, command=new_id()))
    root, ada = server.person("root").http, server.person("ada").http
    assert root.put("/bundles/active", json=move).status_code == 428
    wrong = {"if-match": '"' + "0" * 64 + '"'}
    assert root.put("/bundles/active", json=move, headers=wrong).status_code == 412
    refused = ada.put("/bundles/active", json=move, headers={"if-match": active.headers["etag"]})
    assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "Forbidden")
    done = root.put("/bundles/active", json=move, headers={"if-match": active.headers["etag"]})
    assert (done.status_code, done.json()["name"]) == (200, move["bundle"]), done.text
    now = ada.get("/bundles/active")
    assert (now.json()["bundle"], now.json()["by"]) == (move["bundle"], "root")
    back = {**move, "bundle": active.json()["bundle"]}
    assert root.put("/bundles/active", json=back, headers={"if-match": active.headers["etag"]}).status_code == 412
    assert root.put("/bundles/active", json=back, headers={"if-match": now.headers["etag"]}).status_code == 200
    assert told(server, "ada", "/bundles/active")["digest"] == active.json()["digest"]


def test_questions_are_gets_and_commands_are_posts_by_the_types_of_the_messages(server: RunningServer) -> None:
    document = server.person("ada").http.get("/openapi.json").json()
    paths = document["paths"]
    assert {"get"} == set(paths["/api/db/project/list"])
    for command in ("db/project/create", "notice/read", "addon/ensure", "config/patch"):
        assert {"post"} == set(paths[f"/api/{command}"])
    assert not [path for path in paths if path.startswith(("/api/log/append", "/api/session/start", "/api/provider"))]
    assert len([path for path in paths if path.startswith("/api/")]) > 60
    made = server.person("lin").http.post("/api/db/project/create", json={"name": f"Rest {new_id()[-8:]}"})
    name = made.raise_for_status().json()["name"]
    found = told(server, "lin", "/api/db/project/get", project=name)
    assert found["id"] == made.json()["id"]
    nobody = httpx.get(f"{server.url}/api/db/project/list")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, 401)
    ada = server.person("ada").http
    assert ada.post("/api/db/project/create", json={"name": "Not hers"}).status_code == 403
    assert ada.get("/api/db/project/get", params={"project": "there is none"}).status_code == 404
    assert ada.get("/api/db/project/list", params={"limit": 10**9}).status_code == 422
    assert ada.get("/api/none").status_code == 404


def test_a_stream_of_facts_goes_on_where_it_was_left(server: RunningServer) -> None:
    http = server.person("ada").http
    ask = {"subject": "qi.event.settings.>"}
    with http.stream("GET", "/events", params=ask) as stream:
        lines = frames(stream)
        # Its first bytes say that it listens.
        first = reason_of(server, 11)
        got = next(lines)
        assert got["data"]["reason"] == first
        assert got["sent as"] == (got["position"], got["type"])
    missed = [reason_of(server, 20 + number) for number in range(5)]
    with http.stream("GET", "/events", params=ask, headers={"last-event-id": str(got["position"])}) as stream:
        lines = frames(stream)
        live = reason_of(server, 30)
        assert [next(lines)["data"]["reason"] for _ in range(6)] == [*missed, live]
    assert http.get("/events", params={"subject": "qi.feed.>"}).status_code == 400
    assert http.get("/events", headers={"last-event-id": "soon"}).status_code == 400
    with server.client("ada") as other, other.http.stream("GET", "/events", params=ask) as stream:
        lines = frames(stream)
        reason_of(server, 31)
        next(lines)
        httpx.post(f"{server.url}/auth/logout", cookies={"qi_refresh": other.http.cookies["qi_refresh"]})
        with pytest.raises(StopIteration):
            next(lines)


def test_dropped_files_are_kept_within_bounds_and_go_with_their_log_in(server: RunningServer) -> None:
    with server.client("ada") as ada:
        done = ada.http.put("/uploads/batch0001/beauty.0001.exr", content=b"pixels" * 1000).raise_for_status().json()
        path = Path(done["path"])
        assert path.is_relative_to(server.studio.home.uploads)
        assert path.read_bytes() == b"pixels" * 1000 == b"pixels" * (done["bytes"] // 6)
        assert path.parent.parent.stat().st_mode & 0o077 == 0
        # Whoever reads of the publish reads its path: nothing of the refresh token is in it.
        assert ada.http.cookies["qi_refresh"].partition(".")[0] not in done["path"]
        assert ada.http.put("/uploads/batch0001/beauty.0001.exr", content=b"other").status_code == 409
        for wrong in ("batch0001/.hidden", "batch0001/%2e%2e%2fevil", "B/x.exr", "batch0001/a%5Cb", "batch0001/a%00b"):
            assert ada.http.put(f"/uploads/{wrong}", content=b"x").status_code in (400, 404, 405), wrong
        ada.http.post("/auth/logout").raise_for_status()
        assert not path.exists()
    assert httpx.put(f"{server.url}/uploads/batch0001/x.exr", content=b"x").status_code == 401


def test_no_token_and_no_password_is_in_a_log(server: RunningServer) -> None:
    ada = server.person("ada")
    ada.http.get("/settings")
    with ada.socket() as window:
        window.ask("config.get")
    said = "".join(file.read_text("utf-8") for file in server.studio.home.logs.glob("*.jsonl"))
    assert said
    key = json.loads(server.studio.home.server_file.read_text("utf-8"))["key"]
    for secret in (ada.access, ada.http.cookies["qi_refresh"], key, "correct horse battery"):
        assert secret not in said
    assert server.studio.home.server_file.stat().st_mode & 0o077 == 0
    assert server.studio.home.web_logins.stat().st_mode & 0o077 == 0


def test_pages_are_one_page_whose_inline_script_is_known_by_its_digest_and_styles_by_a_nonce(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<head><script>start()</script><script src='/a.js'></script></head>")
    (tmp_path / "immutable").mkdir()
    (tmp_path / "immutable" / "a.js").write_text("1")
    pages = Pages(tmp_path)
    first, second = pages.answer("/"), pages.answer("/")
    rules = dict(rule.split(" ", 1) for rule in first.headers["content-security-policy"].split("; "))
    assert rules["script-src"] == "'self' 'sha256-DIm7WJS6ZKDYe5qFLPy+h4JFI9Bol5QmYC57mt3Fb00='"
    # Styles that are made as the page runs know what is new with each answer.
    nonces = [re.search('nonce="([^"]{20,})"', bytes(one.body).decode())[1] for one in (first, second)]
    assert [f"'nonce-{nonces[0]}'" in rules["style-src"], f"'nonce-{nonces[1]}'" in rules["style-src"]] == [True, False]
    assert "unsafe-inline" not in first.headers["content-security-policy"]
    (tmp_path / "index.html").write_text("<script>start(2)</script>")  # built anew while the server runs
    assert rules["script-src"] not in pages.answer("/").headers["content-security-policy"]
    assert pages.answer("/publishes/123").headers["cache-control"] == "no-cache"
    assert "immutable" in pages.answer("/immutable/a.js").headers["cache-control"]
    assert Pages(tmp_path / "none").answer("/").status_code == 503


def test_everything_that_a_filter_finds_is_exported_however_many_pages_that_are(server: RunningServer) -> None:
    ada, reason = server.person("ada"), "Ωmega, " * 1000
    for value in range(100, 130):
        setting = Setting(path=PATH, value=value)
        server.studio.bus.request(PatchSettings(scope="user", settings=(setting,), reason=reason, command=new_id()))
    expected = [event for event in server.studio.events() if event.data.get("reason") == reason.strip()]
    assert len(expected) == 30  # four times what one reply holds
    filter_ = {"text": "ωMEGA, ωmega", "entity": "qi", "type": "settings.*"}
    with httpx.Client(base_url=server.url) as browser:  # names nothing but the address, as a link does
        cookie = ada.http.cookies.get("qi_view", path="/export")
        answer = browser.get("/export/history", params=filter_, headers={"cookie": f"qi_view={cookie}"})
        assert 'filename="history.jsonl"' in answer.raise_for_status().headers["content-disposition"]
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [(one["position"], one["hash"], one["data"]) for one in lines] == [
            (one.position, one.hash, one.data) for one in expected
        ]
        assert browser.get("/export/history").status_code == 401
    answer = ada.http.get("/export/history", params={**filter_, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["position"]) for row in rows] == [one.position for one in expected]
    assert json.loads(rows[0]["data"]) == expected[0].data
    called = replace(expected[0], meta=Meta(user="=HYPERLINK(1)"))
    assert "'=HYPERLINK(1)" in export._table((called,)).split(",")
    for wrong in ({"format": "xml"}, {"text": "x" * 201}, {"since": "-1"}):
        assert ada.http.get("/export/history", params=wrong).status_code == 422
