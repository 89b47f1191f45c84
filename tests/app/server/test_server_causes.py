"""Who asked, from where and in which tree: what a request causes says so, whichever way it came."""

from __future__ import annotations

import pytest

from events.ids import new_id
from qi.testing.server import Client, RunningServer

pytestmark = pytest.mark.xdist_group("server")

PATH = "publish.plugin_timeout_s"


def changed_by(server: RunningServer, at: int) -> tuple[str, str, str]:
    """User, host and trace of the event at a position."""
    (event,) = server.studio.events(after=at - 1, before=at + 1)
    return event.meta.user, event.meta.host, event.meta.trace


def test_the_user_the_address_and_the_trace_of_each_request_reach_the_events_it_causes(server: RunningServer) -> None:
    lin, trace = server.person("lin"), new_id()
    said = {"traceparent": f"00-{trace}-{trace[:16]}-01"}
    change = {"set": {PATH: 71}, "reason": "from elsewhere"}
    with server.client() as away:
        # The same log-in from another machine: what counts is where each request comes from.
        away.http.headers["authorization"] = f"Bearer {lin.access}"
        away.access = lin.access
        where = {"params": {"scope": "user"}, "json": change, "headers": {"if-match": "*", **said}}
        rest = away.http.patch("/settings/qi", **where).raise_for_status()
        assert changed_by(server, rest.json()["position"]) == ("lin", away.address, trace)
        assert rest.headers["x-trace"] == trace
        change["set"][PATH] = 72
        home = lin.http.patch("/settings/qi", **{**where, "headers": {"if-match": "*"}}).raise_for_status()
        assert changed_by(server, home.json()["position"]) == ("lin", lin.address, home.headers["x-trace"])
        told = [over_a_socket(one, value) for one, value in ((away, 73), (lin, 74))]
        traces = [changed_by(server, position) for position in told]
        assert [one[:2] for one in traces] == [("lin", away.address), ("lin", lin.address)]
    assert len({trace, home.headers["x-trace"], *(one[2] for one in traces)}) == 4
    # What an addon's route asks for is of the request to that route.
    name = f"Route {new_id()[-8:]}"
    routed = lin.http.post("/addons/sheets/projects", params={"name": name}, headers=said).raise_for_status()
    assert routed.json() == name
    made = server.studio.events(user="lin", type="project.created", trace=trace)
    assert [(event.data["name"], event.meta.host) for event in made] == [(name, lin.address)]


def over_a_socket(client: Client, value: int) -> int:
    """The position of the change it makes."""
    with client.socket() as window:
        setting = {"path": f"qi.{PATH}", "value": value}
        done = window.ask("config.patch", scope="user", settings=[setting], reason="here", command=new_id())
        return int(done["data"]["position"])
