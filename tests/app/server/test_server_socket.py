"""The socket of a window: requests, facts in order, feeds, and readers that are too slow."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from websockets.exceptions import ConnectionClosed

from events.ids import new_id
from qi.app.server.facts import Fact, Facts, checked, matches
from qi.app.server.socket import SLOW
from qi.contracts.auth import AddUser, GrantRole
from qi.errors import BadRequest
from qi.testing.mesh import eventually
from qi.testing.server import LIMIT_S, PASSWORD, Client, RunningServer, Socket
from qi.wire import Message

pytestmark = pytest.mark.xdist_group("server")


def begun(window: Socket, number: int) -> int:
    """Where a subscription without a position begins: what was written a moment ago may come between two of them."""
    frame = window.next()
    assert (frame["op"], frame["id"]) == ("subscribed", number)
    return int(frame["head"])


def heard(window: Socket, number: int, *, until: str) -> list[dict]:
    """The events of one subscription, up to the one with this reason."""
    found = []
    while not found or found[-1]["data"].get("reason") != until:
        frame = window.next()
        if frame["op"] == "event" and frame["id"] == number:
            found.append(frame["event"])
    return found


def test_a_request_is_answered_as_whoever_logged_in(server: RunningServer) -> None:
    with server.person("ada").socket() as window:
        assert window.welcome["op"] == "welcome"
        assert window.welcome["user"]["name"] == "ada"
        patch = {"path": "qi.publish.tracker_timeout_s", "value": 7.5}
        done = window.ask("config.patch", scope="user", settings=[patch], reason="by hand", command=new_id())
        assert done["op"] == "reply", done
        (written,) = server.studio.events(user="ada", type="settings.*", newest=True, limit=1)
        assert written.position == done["data"]["position"]
        assert (written.meta.session, written.data["reason"]) == (window.welcome["session"], "by hand")
        assert written.meta.trace
        assert written.meta.host == server.person("ada").address
        asked = window.ask("config.get", path="qi.publish.tracker_timeout_s")
        assert asked["data"]["values"] == {"qi.publish.tracker_timeout_s": 7.5}


def test_what_a_role_does_not_allow_the_studio_refuses(server: RunningServer) -> None:
    with server.person("ada").socket() as window:
        refused = {
            topic: window.ask(topic, **data)["error"]
            for topic, data in {
                "auth.user.add": {"name": "mallory", "password": "long enough a word"},
                "log.append": {"events": [], "expected": {}},
                "session.identify": {"id": window.welcome["session"]},
                "studio.stop": {},
            }.items()
        }
        assert {topic: error["code"] for topic, error in refused.items()} == dict.fromkeys(refused, 403)
        assert window.ask("config.get", addon=5)["error"]["code"] == 422
        assert window.ask("auth.logout")["error"]["code"] == 400
        assert window.said(op="ping") == {"op": "pong"}


def test_facts_come_once_and_in_order_also_to_one_who_was_away(server: RunningServer) -> None:
    ada = server.person("ada")
    with ada.socket() as window:
        window.send(op="subscribe", id=1, subjects=["qi.event.settings.>"])
        assert begun(window, 1) >= window.welcome["head"]
        first = server.change(20)
        seen = heard(window, 1, until=first[-1])
    missed = server.change(30)
    with ada.socket() as window:
        # What is written while the log is being read is what could come twice, or not at all.
        window.send(op="subscribe", id=9, subjects=["qi.event.settings.>"], after=seen[-1]["position"])
        live = server.change(30)
        seen += heard(window, 9, until=live[-1])
        window.send(op="subscribe", id=10, subjects=["qi.event.user.>"], after=0)
        window.send(op="subscribe", id=11, subjects=["qi.event.settings.*.nothing"], after=0)
        answered: dict[int, dict] = {}
        came: list[int] = []
        while len(answered) < 2 or len(came) < 3:  # facts may come before the second subscription is answered
            frame = window.next()
            if frame["op"] == "subscribed":
                answered[frame["id"]] = frame
            else:
                came.append(frame["id"])
        assert {one["head"] for one in answered.values()} == {0}
        assert set(came) == {10}
        # What is left hears nothing that comes to another one, of the same socket, after it.
        window.send(op="unsubscribe", id=9)
        window.send(op="subscribe", id=12, subjects=["qi.event.settings.>"])
        while (frame := window.next())["op"] != "subscribed":
            assert frame["id"] != 11
        (last,) = server.change(1)
        frames: list[dict] = []
        while not frames or frames[-1]["event"]["data"].get("reason") != last:
            frames.append(window.next())
        assert {frame["id"] for frame in frames} <= {10, 12}
    written = [*first, *missed, *live]  # what the test before wrote may still be on its way when this one begins
    assert [reason for one in seen if (reason := one["data"].get("reason")) in written] == written
    positions = [one["position"] for one in seen]
    assert positions == sorted(set(positions))
    told = {event.position: event for event in server.studio.events(type="settings.*")}
    assert all(told[one["position"]].id == one["id"] and told[one["position"]].hash == one["hash"] for one in seen)


def test_announcements_that_were_lost_are_read_from_the_log(server: RunningServer) -> None:
    class Deaf(Facts):
        """Hears every third announcement."""

        def heard(self, msg: Message) -> None:
            if int(json.loads(msg.data)["position"]) % 3 == 0:
                super().heard(msg)

    participant = server.studio.join()

    async def listen() -> list[Fact]:
        with_gaps = Deaf(participant.bus)
        await with_gaps.begin()
        found: list[Fact] = []
        begin = with_gaps.position
        with_gaps.listen("test", found.append)
        following = asyncio.create_task(with_gaps.follow())
        await asyncio.to_thread(server.change, 25)
        async with asyncio.timeout(LIMIT_S):
            while with_gaps.position < begin + 25:
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.to_thread(participant.leave)
        assert [fact.position for fact in found[:25]] == list(range(begin + 1, begin + 26))
        return found

    found = asyncio.run(listen())
    assert all(json.loads(fact.json)["position"] == fact.position for fact in found)
    assert all(fact.subject.startswith("qi.event.") for fact in found)


def test_a_feed_is_conflated_and_its_last_word_arrives(server: RunningServer) -> None:
    bus = server.studio.bus
    with server.person("ada").socket() as window:
        subject = f"qi.feed.progress.{bus.session}"
        assert window.said(op="subscribe", id=4, subjects=[subject])["op"] == "subscribed"
        frames, began = [], time.monotonic()
        for number in range(3000):
            bus.publish(subject, b'{"step":%d}' % number, lossy=True)
        bus.flush()
        while not frames or frames[-1]["data"]["step"] != 2999:
            frames.append(window.next())
        took = time.monotonic() - began
        assert {(one["op"], one["id"], one["subject"]) for one in frames} == {("feed", 4, subject)}
        steps = [one["data"]["step"] for one in frames]
        assert steps == sorted(set(steps))
        assert len(frames) <= took * 30 + 2
        for foreign in ("qi.session.another.bundle", "qi.rpc.>", "qi.feed.a\r\nPUB x 0\r\n", "qi.feed.a b", "$SYS.>"):
            assert window.said(op="subscribe", id=5, subjects=[foreign])["error"]["code"] == 400


def test_a_reader_that_takes_nothing_is_let_go_and_the_others_are_not(server: RunningServer) -> None:
    with server.person("lin").socket() as well, server.person("ada").socket() as slow:
        # Its client's library stops reading when a few frames wait: then nothing is taken from the wire any more.
        for number in range(100):
            slow.send(op="subscribe", id=number, subjects=["qi.event.settings.>"])
        well.send(op="subscribe", id=1, subjects=["qi.event.settings.>"])
        assert well.next()["op"] == "subscribed"
        for number in range(100):
            begun(slow, number)
        reasons = server.change(40, size=9000)
        assert [one["data"]["reason"] for one in heard(well, 1, until=reasons[-1])] == reasons
        eventually(lambda: not server.holds(slow.raw.socket))
        with pytest.raises(ConnectionClosed) as closed:
            _drain(slow, 4000)
        # Its last word reaches only who begins to read again at once.
        assert closed.value.rcvd is None or closed.value.rcvd.code == SLOW


def test_a_frame_that_is_none_ends_the_connection_with_a_word(server: RunningServer) -> None:
    ada = server.person("ada")
    for wrong in ("[]", "no json", '{"op":"dance","id":1}', '{"op":"request","id":true}', b"bytes"):
        with ada.socket() as window:
            window.raw.send(wrong)
            assert window.next()["error"]["code"] == 400
            with pytest.raises(ConnectionClosed) as closed:
                window.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4409
    with ada.socket(hello=False) as window:
        assert window.said(op="hello", access="no token")["op"] == "bye"
    with ada.socket() as window:
        window.raw.send('{"op":"ping","pad":"' + "x" * 600_000 + '"}')
        with pytest.raises(ConnectionClosed):
            window.next()


def test_who_loses_his_roles_hears_no_more(server: RunningServer) -> None:
    bus = server.studio.bus
    bus.request(AddUser(name="tom", password=PASSWORD, command=new_id()))
    with server.client("tom") as tom, tom.socket() as window:
        assert window.said(op="subscribe", id=1, subjects=["qi.event.settings.>"])["op"] == "subscribed"
        reason = server.change(1)[0]
        heard(window, 1, until=reason)
        bus.request(GrantRole(name="tom", role="artist", revoke=True, command=new_id()))
        eventually(lambda: _permissions(tom) == [])
        with server.person("ada").socket() as well:
            well.send(op="subscribe", id=1, subjects=["qi.event.settings.>"])
            assert well.next()["op"] == "subscribed"
            reasons = server.change(3)
            heard(well, 1, until=reasons[-1])
        assert window.said(op="ping") == {"op": "pong"}


def _drain(window: Socket, frames: int) -> None:
    for _ in range(frames):
        window.next()


def _permissions(client: Client) -> list[str]:
    told: list[str] = client.http.post("/auth/refresh").raise_for_status().json()["user"]["permissions"]
    return told


@pytest.mark.parametrize(
    ("subject", "pattern", "fits"),
    [
        ("qi.event.a.b.c", "qi.event.>", True),
        ("qi.event.a.b.c.d", "qi.event.*.b.c.d", True),
        ("qi.event.a", "qi.event.a.>", False),
        ("qi.event.a.b", "qi.event.*", False),
        ("qi.event.ab.c", "qi.event.a.c", False),
    ],
)
def test_patterns_are_the_brokers(subject: str, pattern: str, fits: bool) -> None:
    assert matches(subject, (pattern,)) is fits


def test_subjects_are_bounded() -> None:
    for wrong in ([], "qi.event.>", ["qi.event.>"] * 51, [5], ["qi.event." + "x" * 300], ["qi.event..a"], ["qi.>"]):
        with pytest.raises(BadRequest):
            checked(wrong, "me")
    assert checked(["qi.session.me.>"], "me") == ("qi.session.me.>",)
