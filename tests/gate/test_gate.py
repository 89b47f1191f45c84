"""Who is let in by the broker, as whom, and who is cut off; asked with the real client and with a bare one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from events.ids import new_id
from events.record import Event
from events.state import StateDb
from qi.app.studio import Studio
from qi.bus import Bus, Credentials
from qi.contracts.auth import EndLogins, GrantRole, LoggedIn, Login, Logout
from qi.contracts.bundles import CreateBundle, GetBundle
from qi.contracts.log import ReadLog
from qi.contracts.session import EndSession, ListSessions, Opened, StartSession
from qi.credentials import guest
from qi.errors import DeadlineExceeded, Forbidden, QiError, Unauthenticated
from qi.session.participant import LEAVE_LIMIT_S, Participant
from qi.testing.mesh import eventually
from qi.wire import Message

Join = Callable[..., Participant]
LogIn = Callable[..., LoggedIn]


def refusals(owner: Bus, session: str) -> list[Event]:
    return list(owner.request(ReadLog(stream=f"session-{session}", type="session.refused")).events)


def refused(owner: Bus, session: str, what: str, subject: str = "") -> Event:
    """The event that tells of it, once there is one."""


    def told() -> Event | None:
        found = (e for e in refusals(owner, session) if (e.data["what"], e.data["subject"]) == (what, subject))
        return next(found, None)

    event = eventually(told, what=f"a record that {session} was refused to {what} {subject}")
    assert event is not None
    return event


def knock(credentials: Credentials, session: str = "") -> str:
    """Try to come in; the session id that was tried."""
    session = session or new_id()
    bus = Bus(credentials, session=session)
    try:
        bus.start()
    finally:
        bus.stop()
    return session


def started(running: Studio, kind: str = "worker") -> Opened:
    """A session as the studio opens one for a process it starts."""
    assert running._bus is not None
    return running._bus.request(StartSession(id=new_id(), kind=kind, user="ada"))


# -- keeping out ------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_by_the_broker_and_recorded(owner: Bus, credentials: Credentials) -> None:
    session = new_id()
    with pytest.raises(Unauthenticated, match="does not let this session in"):
        knock(replace(credentials, password="made-up"), session)
    told = refused(owner, session, "connect")
    assert told.data["reason"] == "this token opens nothing, or nothing any more"
    assert told.data["address"] == "127.0.0.1"
    assert "made-up" not in repr(told)


def test_a_connection_without_any_token_is_refused(credentials: Credentials) -> None:
    with pytest.raises(Unauthenticated):
        knock(replace(credentials, password=""))


def test_an_expired_log_in_is_refused(
    running: Studio, owner: Bus, credentials: Credentials, log_in: LogIn
) -> None:
    done = log_in("artist")
    state = StateDb(running.home.state)
    (key,) = [key for key, login in state.items("tokens") if login["user"] == done.session.user]
    state.put("tokens", key, {"user": done.session.user, "until": time.time() - 1})
    state.close()
    session = new_id()
    with pytest.raises(Unauthenticated):
        knock(replace(credentials, password=done.token), session)
    assert refused(owner, session, "connect").data["reason"] == "this log-in has expired"


def test_a_log_in_that_expires_ends_its_connection(running: Studio, join: Join, log_in: LogIn) -> None:
    done = log_in("artist")
    state = StateDb(running.home.state)
    (key,) = [key for key, login in state.items("tokens") if login["user"] == done.session.user]
    state.put("tokens", key, {"user": done.session.user, "until": time.time() + 6})
    state.close()
    later = join(done.token)
    assert later.bus.connected
    eventually(lambda: not later.bus.connected, what="the end of the connection")
    with pytest.raises(QiError):
        later.bus.request(GetBundle(), timeout_s=0.3)


def test_a_log_in_that_was_forgotten_is_refused_and_what_it_opened_is_cut_off(
    join: Join, log_in: LogIn, credentials: Credentials
) -> None:
    done = log_in("artist")
    later = join(done.token)
    assert later.bus.request(GetBundle()).name == "base"
    join().bus.request(Logout(token=done.token))
    eventually(lambda: not later.bus.connected, what="the end of the connection")
    with pytest.raises(Unauthenticated):
        knock(replace(credentials, password=done.token))
    with pytest.raises(QiError):
        later.bus.request(GetBundle(), timeout_s=0.3)
    began = time.monotonic()
    later.leave()
    assert time.monotonic() - began < LEAVE_LIMIT_S, "it waited for an answer that cannot come"


def test_ending_the_log_ins_of_a_user_cuts_off_all_and_is_an_event_with_author_and_reason(
    owner: Bus, join: Join, log_in: LogIn
) -> None:
    done, other = log_in("artist"), log_in("artist")
    first, second, bystander = join(done.token), join(done.token, kind="desktop"), join(other.token)
    owner.request(EndLogins(name=done.session.user, reason="a laptop was lost", command=new_id()))
    eventually(lambda: not first.bus.connected and not second.bus.connected, what="the end of both connections")
    assert bystander.bus.request(GetBundle()).name == "base"
    with pytest.raises(Unauthenticated):
        join(done.token)
    told = owner.request(ReadLog(type="user.logins_ended", newest=True, limit=1)).events[0]
    assert told.data["reason"] == "a laptop was lost"
    assert told.meta.session == owner.session
    # The account itself is untouched.
    assert join().bus.request(Login(user=done.session.user, password="correct horse battery")).token


def test_a_log_in_that_was_ended_while_the_studio_could_not_hear_of_it_is_cut_off_afterwards(
    running: Studio, owner: Bus, credentials: Credentials, log_in: LogIn
) -> None:
    """The announcement is lost with the studio's own connection: its listeners are taken away, then the connection.
    Whoever holds the log-in is no friend, and does not leave by himself."""
    done = log_in("artist")
    stolen = Bus(replace(credentials, password=done.token), session=new_id())
    stolen.start()
    studio = running._bus
    assert studio is not None
    link = studio._client

    def deafen() -> None:
        for entry in studio._subscriptions:
            if entry.subject == "qi.session.*.identity":
                link._writer.write(f"UNSUB {entry.sid}\r\n".encode())

    studio._loop.call_soon_threadsafe(deafen)
    studio.flush()
    before = studio.reconnects
    owner.request(EndLogins(name=done.session.user, reason="a laptop was lost", command=new_id()))
    studio._loop.call_soon_threadsafe(link.abort)
    eventually(lambda: studio.reconnects > before, what="the studio's return")
    eventually(lambda: not stolen.connected, what="the end of the connection")
    # What ends for want of an answer says why there is none.
    eventually(lambda: stolen._refused)
    with pytest.raises(DeadlineExceeded, match="does not let this session in any more") as caught:
        stolen.request(GetBundle(), timeout_s=0.3)
    assert "qi login" in caught.value.remedy
    stolen.stop()


def test_a_worker_token_opens_its_session_once_and_no_other(
    running: Studio, owner: Bus, credentials: Credentials
) -> None:
    opened = started(running)
    own = replace(credentials, password=opened.token)
    assert knock(own, opened.session.id) == opened.session.id
    with pytest.raises(Unauthenticated):
        knock(own)  # the same token under another id
    assert running._bus is not None
    running._bus.request(EndSession(id=opened.session.id))
    with pytest.raises(Unauthenticated):
        knock(own, opened.session.id)
    assert refused(owner, opened.session.id, "connect").data["reason"].startswith("this token opens nothing")


def test_nobody_takes_over_a_session_with_a_token_of_his_own(
    owner: Bus, join: Join, log_in: LogIn, credentials: Credentials
) -> None:
    victim, thief = join(log_in("admin").token), log_in("artist")
    for credential in (replace(credentials, password=thief.token), guest(credentials.url)):
        with pytest.raises(Unauthenticated):
            knock(credential, victim.session)
    assert refused(owner, victim.session, "connect").data["reason"] == "another token opened this session"
    assert victim.bus.request(GetBundle()).name == "base"
    victim.leave()
    with pytest.raises(Unauthenticated):  # nor when it has ended
        knock(replace(credentials, password=thief.token), victim.session)


@pytest.mark.parametrize("session", ["studio", " ", "*", ">", "a.b", "x" * 200])
def test_an_id_that_is_none_is_refused(credentials: Credentials, session: str) -> None:
    with pytest.raises(Unauthenticated):
        Bus(replace(credentials, user=session), session="s1").start()


# -- a session keeps to itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject",
    [
        "qi.rpc.{other}.bundle.get",  # in another's name
        "qi.rpc.studio.log.append",
        "qi.rpc.{own}.log.append",  # what only services ask
        "qi.addon.b.a.{other}.do",
        "qi.session.{other}.window.open",
        "qi.event.publish.1.publish.succeeded",  # a fact that is none
        "_INBOX.{other}.1",  # an answer that is none
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.USER.AUTH",
        "qi.feed.progress.somebodys_publish",
    ],
)
def test_a_session_publishes_under_its_own_name_only(
    running: Studio, owner: Bus, join: Join, log_in: LogIn, subject: str
) -> None:
    other, mine = join(), join(log_in("admin").token)
    subject = subject.format(other=other.session, own=mine.session)
    heard: list[Message] = []
    assert running._bus is not None
    entry = running._bus.subscribe(subject, heard.append)
    mine.bus.publish(subject, b"forged")
    mine.bus.flush()
    assert refused(owner, mine.session, "publish", subject).data["address"] == "127.0.0.1"
    running._bus.flush()
    running._bus.unsubscribe(entry)
    assert b"forged" not in [msg.data for msg in heard]


@pytest.mark.parametrize(
    "subject",
    [
        "_INBOX.>", "_INBOX.{other}.>", "qi.session.{other}.>", "qi.rpc.>", "qi.rpc.*.bundle.get", "$SYS.>",
        "$SRV.PING", ">",
    ],
)  # fmt: skip
def test_a_session_hears_what_is_meant_for_it_only(owner: Bus, join: Join, log_in: LogIn, subject: str) -> None:
    other, mine = join(), join(log_in("admin").token)
    subject = subject.format(other=other.session)
    with pytest.raises(Forbidden, match="may not listen"):
        mine.bus.subscribe(subject, lambda _: None)
    assert refused(owner, mine.session, "subscribe", subject)
    assert mine.bus.request(GetBundle()).name == "base"


def test_a_refusal_over_and_over_is_one_event_that_counts(owner: Bus, join: Join, log_in: LogIn) -> None:
    mine = join(log_in("artist").token)
    for _ in range(300):
        mine.bus.publish("qi.rpc.studio.log.append", b"{}")
    mine.bus.flush()
    refused(owner, mine.session, "publish", "qi.rpc.studio.log.append")
    mine.bus.publish("qi.rpc.studio.log.verify", b"{}")  # a later one, so that the first is over
    refused(owner, mine.session, "publish", "qi.rpc.studio.log.verify")
    found = [e for e in refusals(owner, mine.session) if e.data["subject"] == "qi.rpc.studio.log.append"]
    assert len(found) == 1
    assert 1 <= found[0].data["times"] <= 300


def test_a_guest_may_log_in_and_nothing_else(owner: Bus, credentials: Credentials, log_in: LogIn) -> None:
    user = log_in("artist").session.user
    visitor = Participant(guest(credentials.url), kind="desktop", beat_every_s=0.5)
    info = visitor.join()
    assert info is not None
    assert (info.user, info.permissions) == ("", ())
    with pytest.raises(Forbidden, match="needs the permission 'read'"):
        visitor.bus.request(GetBundle())
    with pytest.raises(Forbidden):
        visitor.bus.subscribe("qi.event.>", lambda _: None)
    done = visitor.log_in(user, "correct horse battery")
    assert done.session.id == visitor.session
    assert visitor.bus.request(GetBundle()).name == "base"
    assert {one.user for one in visitor.bus.request(ListSessions()).sessions if one.id == visitor.session} == {user}
    visitor.leave()


# -- rights that change -----------------------------------------------------------------------------------------


def test_a_role_that_is_granted_widens_a_connection_that_is_open(owner: Bus, join: Join, log_in: LogIn) -> None:
    done = log_in("artist")
    mine = join(done.token)
    with pytest.raises(Forbidden):
        mine.bus.request(CreateBundle(name=f"mine {new_id()[-6:]}", command=new_id()))
    owner.request(GrantRole(name=done.session.user, role="lead", command=new_id()))
    mine.bus.request(CreateBundle(name=f"mine {new_id()[-6:]}", command=new_id()))
    owner.request(GrantRole(name=done.session.user, role="lead", revoke=True, command=new_id()))
    with pytest.raises(Forbidden):
        mine.bus.request(CreateBundle(name=f"mine {new_id()[-6:]}", command=new_id()))


def test_sessions_outlive_the_service_that_knows_them(running: Studio, join: Join, log_in: LogIn) -> None:
    mine = join(log_in("artist").token)
    worker = started(running)
    supervisor = running._supervisor
    assert supervisor is not None

    def restarts() -> int:
        (child,) = (one for one in supervisor.states() if one.name == "sessions")
        return child.restarts if child.state == "running" else -1

    before = restarts()
    supervisor.restart_child("sessions")
    eventually(lambda: restarts() > before)
    known = {one.id: one.user for one in mine.bus.request(ListSessions(), timeout_s=20).sessions}
    assert known[mine.session]
    assert known[worker.session.id] == "ada"
