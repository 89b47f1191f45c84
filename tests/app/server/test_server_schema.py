"""The API as its own description draws it: what that allows, and what it forbids, is never the server's fault."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from qi.testing.server import RunningServer

pytestmark = pytest.mark.xdist_group("server")

EXAMPLES = int(os.environ.get("QI_API_EXAMPLES", "3"))
"""Of each operation, asked by somebody who may do everything. A larger number is a longer search."""
SLOW = {"/api/bundle/check": 5}
"""Each answer starts a process: only so large a part is asked, in a short search nothing."""
LEFT_OUT = ("/api/studio/stop", "/api/studio/restart", "/auth/logout")
"""After these there is nobody left to ask."""
SEED = 20
LIMIT_S = 60.0


def test_nothing_that_the_description_allows_or_forbids_is_answered_with_a_fault(server: RunningServer) -> None:
    root = server.person("root")
    described = schemathesis.openapi.from_dict(root.http.get("/openapi.json").json(), config=SchemathesisConfig())
    faults: dict[str, str] = {}
    answered: dict[str, set[int]] = defaultdict(set)
    with requests.Session() as session:
        for made in described.get_all_operations():
            operation = made.ok()
            examples = EXAMPLES // SLOW.get(operation.path, 1)
            if operation.path in LEFT_OUT or not examples:
                continue
            headers = {"authorization": f"Bearer {server.person('root').access}"}
            cases = operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE)

            @seed(SEED)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases)
            def ask(case: schemathesis.Case) -> None:
                sent = case.as_transport_kwargs(base_url=server.url, headers=headers)  # noqa: B023 - asked at once
                # Of an answer that is a stream only the beginning is read.
                with session.request(**sent, stream=True, timeout=LIMIT_S) as answer:
                    answered[case.operation.path] |= {answer.status_code}
                    if answer.status_code == 500:
                        faults[case.operation.label] = f"{case.as_curl_command()[:500]}: {answer.text[:500]}"

            ask()
    assert faults == {}
    # What was asked was understood, and not only refused at the door.
    assert sum(200 in codes for codes in answered.values()) > 20
    assert [path for path, codes in answered.items() if 429 in codes and not path.startswith("/auth/")] == []


def test_the_description_says_what_needs_a_token_and_how_an_error_looks(server: RunningServer) -> None:
    described = server.person("lin").http.get("/openapi.json").json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["security"] == [{"token": []}]
    paths = described["paths"]
    assert "security" not in paths["/settings"]["get"]
    assert paths["/auth/login"]["post"]["security"] == paths["/readyz"]["get"]["security"] == []
    assert paths["/addons/sheets/greeting"]["get"]["security"] == [{}, {"token": []}]
    assert "security" not in paths["/addons/sheets/projects"]["post"]
    error = {"$ref": "#/components/schemas/Refused"}
    for path in paths.values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert operation["responses"]["default"]["content"]["application/json"]["schema"] == error


def test_an_address_that_no_file_can_have_is_that_of_no_file(server: RunningServer) -> None:
    http = server.person("lin").http
    long = "x" * 300
    for path in ("/%00.js", f"/{long}.js", "/media/addons/base/media/%00.js", f"/media/addons/base/media/{long}.js"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404), path
    for path in ("/%00", f"/{long}"):
        assert "<html" in http.get(path).text  # a page's own address, which the page will not find
    for name, code in (("n" * 240, 200), ("n" * 241, 400), ("%00", 400)):
        assert http.put(f"/uploads/batch0001/{name}", content=b"pixels").status_code == code, name


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/" + "x" * 300, "the name is too long for the disk"),
        ("/etc/hostname/below", "does not exist"),
        ("/proc/self/cwd/\0", "the request is not valid"),
        ("backup.db", "does not say where it lies"),
    ],
)
def test_a_path_that_no_disk_takes_is_a_fault_of_whoever_named_it(server: RunningServer, path: str, said: str) -> None:
    http = server.person("root").http
    install = http.post("/api/addon/install", json={"file": path})
    create = http.post("/api/db/project/create", json={"name": "named", "root": path})
    backup = http.post("/api/log/backup", json={"path": path})
    assert {answer.status_code for answer in (install, create, backup)} <= {404, 422}, (install.text, backup.text)
    assert said in backup.json()["error"]["message"]
