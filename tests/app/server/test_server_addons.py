"""Routes of addons, and the pictures of versions."""

from __future__ import annotations

import httpx
import pytest

from qi.contracts.db import ListProducts, ListRepresentations, ListVersions
from qi.testing.server import RunningServer

pytestmark = pytest.mark.xdist_group("server")


def test_routes_of_addons_ask_as_whoever_asks_them(server: RunningServer) -> None:
    base = f"{server.url}/addons/sheets"
    assert httpx.get(f"{base}/greeting").json() == "good day"
    assert httpx.get(f"{base}/bundles").status_code == 401
    assert httpx.post(f"{base}/projects", params={"name": "Nobody"}).status_code == 401
    ada, lin = server.person("ada").http, server.person("lin").http
    assert ada.get("/addons/sheets/bundles").json() >= 1
    refused = ada.post("/addons/sheets/projects", params={"name": "Not hers"})
    assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "Forbidden")
    assert lin.post("/addons/sheets/projects", params={"name": "By a route"}).json() == "By a route"
    assert "/addons/sheets/greeting" in lin.get("/openapi.json").json()["paths"]


def test_routes_that_cannot_be_imported_are_reported_and_the_server_goes_on(server: RunningServer) -> None:
    assert httpx.get(f"{server.url}/addons/broken/anything").status_code == 404
    said = (server.studio.home.logs / "server.jsonl").read_text("utf-8")
    assert "the routes of the addon 'broken' (public.py) are not served" in said
    assert "SystemExit" in said
    assert httpx.get(f"{server.url}/readyz").json()["ready"] is True


@pytest.mark.parametrize("path", ["raises", "exits", "exits-at-once"])
def test_a_route_that_fails_is_answered_and_takes_neither_server_nor_connection_with_it(
    server: RunningServer, path: str
) -> None:
    with httpx.Client(base_url=server.url) as http:
        for _ in range(2):
            failed = http.get(f"/addons/sheets/{path}")
            assert (failed.status_code, failed.json()["error"]["message"]) == (500, "the server failed at this request")
            assert "x-trace" in failed.headers
            assert "content-security-policy" in failed.headers
        assert http.get("/readyz").json()["ready"] is True
    assert "this addon is broken" not in failed.text


def test_pictures_of_versions_are_shown_to_whoever_may_see_them(server: RunningServer, frames: str) -> None:
    studio = server.studio
    shot = studio.given_project(members=("lin",))
    assert studio.finished(studio.publish(shot, [frames])).state == "succeeded"
    (product,) = studio.bus.request(ListProducts(project=shot.project)).items
    (version,) = studio.bus.request(ListVersions(project=shot.project, product=product.id)).items
    kept = studio.bus.request(ListRepresentations(project=shot.project, version=version.id)).items
    picture = next(one.name for one in kept if one.files[0].path.endswith(".jpg"))
    pixels = next(one.name for one in kept if one.files[0].path.endswith(".exr"))
    address = f"/media/{shot.project}/{version.id}"
    lin, ada = server.person("lin").http, server.person("ada").http
    whole = lin.get(f"{address}/{picture}")
    assert (whole.status_code, whole.headers["content-type"], whole.content[:2]) == (200, "image/jpeg", b"\xff\xd8")
    part = lin.get(f"{address}/{picture}", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    # As a page asks for it: by the cookie alone.
    cookie = {"qi_view": lin.cookies.get("qi_view", path="/media")}
    assert httpx.get(f"{server.url}{address}/{picture}", cookies=cookie).content == whole.content
    assert lin.get(f"{address}/{pixels}").status_code == 404
    assert lin.get(f"{address}/none").status_code == 404
    assert ada.get(f"{address}/{picture}").status_code == 404
    assert httpx.get(f"{server.url}{address}/{picture}").status_code == 401
