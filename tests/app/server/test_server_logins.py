"""Logging in at the server: tokens, codes, lock-out."""

from __future__ import annotations

import asyncio
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from events.ids import new_id
from qi.app.server import logins as logins_
from qi.app.server.logins import Logins
from qi.contracts.auth import EndLogins
from qi.contracts.session import ListSessions
from qi.errors import Unauthenticated
from qi.home import Home
from qi.testing.mesh import eventually
from qi.testing.server import PASSWORD, RunningServer

pytestmark = pytest.mark.xdist_group("server")


def test_a_log_in_is_a_session_of_its_own_on_the_mesh(server: RunningServer) -> None:
    with server.client("ada") as ada:
        listed = {one.id: one for one in server.studio.bus.request(ListSessions()).sessions}
        assert (listed[ada.session].user, listed[ada.session].kind) == ("ada", "web")
        ada.http.post("/auth/logout").raise_for_status()
        eventually(lambda: ada.session not in {o.id for o in server.studio.bus.request(ListSessions()).sessions})
        assert ada.http.post("/auth/refresh").status_code == 401


def test_a_wrong_password_is_refused_and_many_of_them_lock_the_user_out(server: RunningServer) -> None:
    with server.client() as nobody, ThreadPoolExecutor(7) as at_once:
        guess = partial(nobody.http.post, "/auth/login", json={"user": "eve", "password": "x"})
        refused = sorted(at_once.map(lambda _: guess(), range(7)), key=lambda one: one.status_code)
    assert [one.status_code for one in refused] == [401] * 5 + [429] * 2
    assert int(refused[-1].headers["retry-after"]) >= 1
    assert "wait" in refused[-1].json()["error"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has no second address")
def test_who_guesses_is_locked_out_in_whatever_spelling_and_the_user_is_not_elsewhere(server: RunningServer) -> None:
    spellings = ["kim", "KIM", "k\u200dim", "ki\u200dm", "k\u200di\u200dm", "\uff4bim", "Kim", "kiM"]
    with server.client() as thief, server.client() as home:
        guess = partial(thief.http.post, "/auth/login")
        refused = [guess(json={"user": user, "password": "x"}).status_code for user in spellings]
        assert refused == [401] * 5 + [429] * 3
        assert guess(json={"user": "kim", "password": PASSWORD}).status_code == 429
        home.log_in("kim")


def test_a_refresh_token_is_good_once_and_a_stolen_one_ends_the_log_in(server: RunningServer) -> None:
    with server.client("ada") as ada, server.client() as thief:
        first = ada.http.cookies["qi_refresh"]
        ada.entered(ada.http.post("/auth/refresh"))
        second = ada.http.cookies["qi_refresh"]
        ada.entered(ada.http.post("/auth/refresh"))
        assert len({first, second, ada.http.cookies["qi_refresh"]}) == 3
        # The one before the last may come from a second window at the same moment; an older one may not.
        assert thief.http.post("/auth/refresh", headers={"cookie": f"qi_refresh={first}"}).status_code == 401
        assert ada.http.post("/auth/refresh").status_code == 401


def test_a_refresh_token_that_a_dying_server_changed_without_saying_so_is_changed_again(
    server: RunningServer, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    shutil.copy2(server.studio.home.connection_file, home.connection_file)

    async def one_after_the_other() -> None:
        died = Logins(home)
        entered = await died.by_password("ada", PASSWORD, "")
        lost = await died.by_refresh(entered.refresh, "")
        await died.close()
        began = Logins(home)
        again = await began.by_refresh(entered.refresh, "")
        assert again.refresh not in (entered.refresh, lost.refresh)
        assert (await began.by_refresh(entered.refresh, "")).refresh == again.refresh
        with pytest.raises(Unauthenticated, match="two places"):
            await began.by_refresh(lost.refresh, "")
        await began.close()

    asyncio.run(one_after_the_other())


def test_of_a_user_who_never_logs_out_the_log_in_that_was_used_longest_ago_ends(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    shutil.copy2(server.studio.home.connection_file, home.connection_file)
    monkeypatch.setattr(logins_, "KEPT_MOST", 2)

    async def one_after_the_other() -> None:
        logins = Logins(home)
        first, second = [await logins.by_password("ada", PASSWORD, "") for _ in range(2)]
        other = await logins.by_password("lin", PASSWORD, "")
        first = await logins.by_refresh(first.refresh, "")
        await logins.by_password("ada", PASSWORD, "")
        with pytest.raises(Unauthenticated):
            await logins.by_refresh(second.refresh, "")
        for kept in (first, other):
            assert (await logins.by_refresh(kept.refresh, "")).login.id == kept.login.id
        await logins.close()

    asyncio.run(one_after_the_other())


def test_a_code_opens_one_window_once(server: RunningServer) -> None:
    code = server.front.link("/history").partition("#code=")[2]
    with server.client() as window, server.client() as other:
        window.entered(window.http.post("/auth/redeem", json={"code": code}))
        assert window.http.get("/settings").status_code == 200
        assert other.http.post("/auth/redeem", json={"code": code}).status_code == 401
        assert other.http.post("/auth/code", headers={"authorization": "Qi-Key guessed"}).status_code == 401
        again = window.http.post("/auth/code").json()["code"]
        other.entered(other.http.post("/auth/redeem", json={"code": again}))
        assert other.session != window.session


def test_a_code_of_somebody_who_logged_out_opens_nothing_least_of_all_the_owners_session(server: RunningServer) -> None:
    with server.client("ada") as ada, server.client() as window:
        code = ada.http.post("/auth/code").raise_for_status().json()["code"]
        ada.http.post("/auth/logout").raise_for_status()
        refused = window.http.post("/auth/redeem", json={"code": code})
        assert refused.status_code == 401
        assert "logged out" in refused.json()["error"]["message"]


def test_a_page_of_another_site_may_ask_nothing(server: RunningServer) -> None:
    with server.client("ada") as ada:
        evil = {"origin": "https://evil.example"}
        assert ada.http.post("/auth/refresh", headers=evil).status_code == 403
        with pytest.raises((ConnectionClosed, InvalidStatus)), ada.socket(additional_headers=evil):
            pass


def test_what_the_studio_ends_is_over_in_the_window_too(server: RunningServer) -> None:
    with server.client("kim") as kim, kim.socket() as window:
        server.studio.bus.request(EndLogins(name="kim", reason="left", command=new_id()))
        said = window.next()
        assert (said["op"], said["error"]["code"]) == ("bye", 401)
        with pytest.raises(ConnectionClosed) as closed:
            window.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_headers_and_bounds_hold(server: RunningServer) -> None:
    with server.client() as nobody:
        page = nobody.http.get("/")
        for answer in (page, nobody.http.get("/healthz"), nobody.http.get("/api/none")):
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        too_much = nobody.http.post("/auth/login", content=b"{" + b" " * 2_000_000)
        assert too_much.status_code == 400
        assert nobody.http.get("/healthz").json() == {"alive": True}
        form = nobody.http.get("/auth/form").json()
        assert (form["provider"], form["fields"]) == ("Users and a production tracker in files", ["user", "password"])
        assert nobody.http.get("/readyz").json()["ready"] is True
        for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/.source-hash"):
            assert "root:" not in nobody.http.get(path).text
