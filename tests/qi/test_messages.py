"""A message type is its topic; an address is where it goes."""

from dataclasses import FrozenInstanceError

import mesh_actors as a
import pytest

from qi.errors import Invalid
from qi.messages import SERVICE, TOPICS, to_addon, to_session


def test_a_request_names_topic_reply_permission_and_patience() -> None:
    assert (a.Read.topic, a.Read.reply, a.Read.needs, a.Read.timeout_s) == ("test.read", a.Text1, "read", 10.0)
    assert TOPICS["test.read"] is a.Read


def test_a_message_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        a.Read(text="x").text = "y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        a.Read("x")  # type: ignore[misc]


def test_an_address_holds_who_asks() -> None:
    assert SERVICE.subject("s1", "db.project.list") == "qi.rpc.s1.db.project.list"
    assert to_addon("b1", "media").subject("s1", "x.y") == "qi.addon.b1.media.s1.x.y"
    assert to_session("s2").subject("s1", "window.open") == "qi.session.s2.window.open"


@pytest.mark.parametrize("token", ["", "a.b", "a b", "*", ">", "ä", "{session}", "a\n"])
def test_what_is_no_token_cannot_stand_in_a_subject(token: str) -> None:
    with pytest.raises(Invalid):
        to_session(token)
    with pytest.raises(Invalid):
        to_addon("b1", token)
