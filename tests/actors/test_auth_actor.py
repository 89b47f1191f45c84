"""Log-in, roles and grants, through the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.auth import TRIES_MOST
from events.ids import new_id
from qi.bus import Bus
from qi.contracts.auth import AddUser, GrantRole, ListUsers, LoggedIn, Login, Logout
from qi.contracts.bundles import CreateBundle, PromoteBundle
from qi.contracts.db import CreateProject, ListProjects
from qi.contracts.session import Beat, ListSessions, SessionInfo
from qi.errors import Busy, Conflict, Forbidden, Invalid, Locked, NotFound, QiError, Unauthenticated
from qi.testing.studio import RunningStudio

PASSWORD = "correct horse battery"


@pytest.fixture
def artist(studio: RunningStudio) -> str:
    """Name of a new user with the role `artist`."""
    name = f"ada {new_id()[-8:]}"
    studio.bus.request(AddUser(name=name, password=PASSWORD, command=new_id()))
    return name


@contextmanager
def logged_in(studio: RunningStudio, user: str, password: str = PASSWORD) -> Iterator[tuple[Bus, LoggedIn]]:
    participant = studio.join()
    try:
        done = participant.bus.request(Login(user=user, password=password))
        yield participant.bus, done
    finally:
        participant.leave()


def session_of(studio: RunningStudio, user: str) -> SessionInfo:
    return next(one for one in studio.bus.request(ListSessions()).sessions if one.user == user)


def test_a_log_in_binds_the_session_to_the_user_and_its_roles(studio: RunningStudio, artist: str) -> None:
    with logged_in(studio, artist.upper()) as (_, done):
        assert done.session.user == artist
        assert done.session.roles == ("artist",)
        assert session_of(studio, artist).id == done.session.id


def test_a_token_opens_later_sessions_until_it_is_forgotten(studio: RunningStudio, artist: str) -> None:
    with logged_in(studio, artist) as (bus, done):
        later = studio.join(done.token)
        assert session_of(studio, artist).permissions
        later.bus.request(Beat())
        later.leave()
        bus.request(Logout(token=done.token))
    with pytest.raises(Unauthenticated):
        studio.join(done.token)


@pytest.mark.parametrize("name", ["", "nobody at all"])
def test_a_wrong_password_and_an_unknown_name_are_told_alike(studio: RunningStudio, artist: str, name: str) -> None:
    with pytest.raises(Unauthenticated) as told, logged_in(studio, name or artist, "not the password"):
        pytest.fail("this must not log in")
    assert told.value.message == "user name or password is wrong"


def test_guessing_is_slowed_down_for_that_name_only(studio: RunningStudio, artist: str) -> None:
    answers: list[type[QiError]] = []
    participant = studio.join()
    for guess in range(TRIES_MOST + 1):
        with pytest.raises(QiError) as told:
            participant.bus.request(Login(user=artist, password=f"guess number {guess}"))
        answers.append(type(told.value))
    participant.leave()

    assert answers == [Unauthenticated] * TRIES_MOST + [Busy]
    other = f"bob {new_id()[-8:]}"
    studio.bus.request(AddUser(name=other, password=PASSWORD, command=new_id()))
    with logged_in(studio, other) as (_, done):
        assert done.session.user == other


def test_an_artist_publishes_but_does_not_manage(studio: RunningStudio, artist: str) -> None:
    with logged_in(studio, artist) as (bus, done):
        assert "publish.create" in done.session.permissions
        for forbidden in (
            CreateProject(name="Mine", command=new_id()),
            PromoteBundle(bundle="base", reason="why not", command=new_id()),
            CreateBundle(name="mine", command=new_id()),
            AddUser(name="friend", password=PASSWORD, command=new_id()),
            GrantRole(name=artist, role="admin", command=new_id()),
        ):
            with pytest.raises(Forbidden):
                bus.request(forbidden)


def test_a_granted_role_counts_at_the_next_request_and_is_an_event_with_author_and_reason(
    studio: RunningStudio, artist: str
) -> None:
    with logged_in(studio, artist) as (bus, _):
        with pytest.raises(Forbidden):
            bus.request(CreateProject(name=f"By {artist}", command=new_id()))
        studio.bus.request(GrantRole(name=artist, role="lead", reason="runs the show now", command=new_id()))
        bus.request(CreateProject(name=f"By {artist}", command=new_id()))
        studio.bus.request(GrantRole(name=artist, role="lead", revoke=True, reason="handed over", command=new_id()))
        with pytest.raises(Forbidden):
            bus.request(CreateProject(name=f"More by {artist}", command=new_id()))

    owner = studio.participant.session
    granted, revoked = (
        [e for e in studio.events(type=kind) if e.data["reason"] == reason][-1]
        for kind, reason in (("user.role_granted", "runs the show now"), ("user.role_revoked", "handed over"))
    )
    assert granted.data["role"] == revoked.data["role"] == "lead"
    assert granted.meta.session == owner
    assert granted.meta.user


def test_a_log_in_takes_the_owners_rights_away_at_once(studio: RunningStudio, artist: str) -> None:
    participant = studio.join()
    participant.bus.request(CreateProject(name=f"Owned, not by {artist}", command=new_id()))
    participant.bus.request(Login(user=artist, password=PASSWORD))
    with pytest.raises(Forbidden):
        participant.bus.request(CreateProject(name=f"No more by {artist}", command=new_id()))
    participant.leave()


def test_the_last_admin_stays_one(studio: RunningStudio) -> None:
    first, second = (f"{who} {new_id()[-8:]}" for who in ("root", "deputy"))
    for name in (first, second):
        studio.bus.request(AddUser(name=name, password=PASSWORD, roles=("admin",), command=new_id()))
    studio.bus.request(GrantRole(name=second, role="admin", revoke=True, command=new_id()))
    with pytest.raises(Locked):
        studio.bus.request(GrantRole(name=first, role="admin", revoke=True, command=new_id()))


def test_a_grant_sent_again_is_answered_again_and_recorded_once(studio: RunningStudio, artist: str) -> None:
    grant = GrantRole(name=artist, role="lead", reason="twice", command=new_id())
    assert studio.bus.request(grant) == studio.bus.request(grant)
    (user,) = {event.stream for event in studio.events(type="user.role_granted") if event.meta.command == grant.command}
    assert len(studio.events(stream=user, type="user.role_granted")) == 2  # artist, and lead once
    with pytest.raises(Conflict):
        studio.bus.request(GrantRole(name=artist, role="guest", command=grant.command))


def test_names_are_unique_however_they_are_typed(studio: RunningStudio, artist: str) -> None:
    with pytest.raises(Conflict):
        studio.bus.request(AddUser(name=artist.upper(), password=PASSWORD, command=new_id()))


def test_a_second_user_of_a_name_does_not_change_the_first_ones_password(studio: RunningStudio, artist: str) -> None:
    with pytest.raises(Conflict):
        studio.bus.request(AddUser(name=artist, password="another password", command=new_id()))
    with logged_in(studio, artist) as (_, done):
        assert done.session.user == artist


def test_a_password_that_is_too_short_makes_no_user(studio: RunningStudio) -> None:
    name = f"short {new_id()[-8:]}"
    with pytest.raises(Invalid):
        studio.bus.request(AddUser(name=name, password="short", command=new_id()))
    assert name not in {user.name for user in studio.bus.request(ListUsers()).users}


def test_unknown_users_and_roles_are_told(studio: RunningStudio, artist: str) -> None:
    with pytest.raises(NotFound):
        studio.bus.request(GrantRole(name="nobody at all", role="lead", command=new_id()))
    with pytest.raises(QiError) as told:
        studio.bus.request(GrantRole(name=artist, role="emperor", command=new_id()))
    assert told.value.code in (404, 422)
    assert "emperor" in told.value.message


def test_members_see_their_project_and_others_do_not(studio: RunningStudio, artist: str) -> None:
    theirs = studio.given_project(members=(artist,))
    hidden = studio.given_project(members=("somebody else",))
    with logged_in(studio, artist) as (bus, _):
        pages = bus.request(ListProjects(limit=1000))
        names = {project.name for project in pages.items}
    assert theirs.project in names
    assert hidden.project not in names
    assert hidden.project in {project.name for project in studio.bus.request(ListProjects(limit=1000)).items}
