import pytest

from events import users
from events.errors import Conflict, Invalid, Locked, NotFound
from events.names import NameClaimed
from events.users import (
    PERMISSIONS,
    AddUser,
    GrantRole,
    RevokeRole,
    RoleGranted,
    RoleRevoked,
    User,
    UserAdded,
    find_user,
    permissions,
    user_stream,
)
from qi.testing.decider import Scenario


def scenario() -> Scenario:
    return Scenario(users.FOLDS, users.decide, user="root").when(AddUser(id="u1", name="Ada", roles=("admin",)))


def test_a_new_user_claims_the_name_and_gets_the_roles() -> None:
    scenario().when(AddUser(id="u2", name="Bob", reason="new")).then(
        NameClaimed(kind="user", name="Bob", owner="u2"),
        UserAdded(name="Bob"),
        RoleGranted(role="artist", reason="new"),
    )


def test_two_users_never_share_a_name_however_it_is_typed() -> None:
    made = scenario()
    made.refused(Conflict, AddUser(id="u2", name="ADA"))
    made.refused(Conflict, AddUser(id="u1", name="Bob"))


def test_a_grant_remembers_who_when_and_why() -> None:
    made = scenario().when(AddUser(id="u2", name="Bob"))
    made.user = "ada"
    made.when(GrantRole(user="u2", role="lead", reason="promotion")).then(RoleGranted(role="lead", reason="promotion"))
    grant = made.state(User, user_stream("u2")).roles["lead"]
    assert (grant.by, grant.reason, grant.at) == ("ada", "promotion", made.facts[-1].at)


def test_granting_what_is_held_and_revoking_what_is_not_change_nothing() -> None:
    made = scenario().when(GrantRole(user="u1", role="admin"))
    made.then()
    made.when(RevokeRole(user="u1", role="lead")).then()


def test_a_revoked_role_is_gone() -> None:
    made = scenario().when(GrantRole(user="u1", role="lead")).when(RevokeRole(user="u1", role="lead", reason="left"))
    made.then(RoleRevoked(role="lead", reason="left"))
    assert set(made.state(User, user_stream("u1")).roles) == {"admin"}


def test_the_last_admin_stays_one() -> None:
    made = scenario().when(AddUser(id="u2", name="Bob"))
    made.refused(Locked, RevokeRole(user="u1", role="admin"))


def test_revoking_an_admin_expects_the_other_admin_to_stay() -> None:
    made = scenario().when(AddUser(id="u2", name="Bob", roles=("admin",)))
    made.when(RevokeRole(user="u1", role="admin"))
    assert made.last.expected == {user_stream("u1"): 2, user_stream("u2"): 2}


def test_two_admins_do_not_revoke_each_other_in_one_breath() -> None:
    made = scenario().when(AddUser(id="u2", name="Bob", roles=("admin",)))
    made.refused(Locked, RevokeRole(user="u1", role="admin"), RevokeRole(user="u2", role="admin"))


def test_unknown_roles_and_users_are_refused() -> None:
    made = scenario()
    made.refused(Invalid, AddUser(id="u2", name="Bob", roles=("boss",)))
    made.refused(NotFound, GrantRole(user="u9", role="lead"))


@pytest.mark.parametrize(("lower", "higher"), [("guest", "artist"), ("artist", "lead"), ("lead", "admin")])
def test_each_role_may_do_more_than_the_one_below(lower: str, higher: str) -> None:
    assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_roles_add_up_and_an_unknown_one_allows_nothing() -> None:
    assert permissions(["guest", "artist"]) == PERMISSIONS["artist"]
    assert permissions(["boss"]) == permissions([]) == frozenset()


def test_only_admins_promote_and_manage_users() -> None:
    allowed = {role for role in PERMISSIONS if {"bundle.promote", "user.manage"} <= permissions([role])}
    assert allowed == {"admin"}


def test_a_user_is_found_however_the_name_is_typed() -> None:
    found = find_user(scenario().known, "ADA")
    assert found is not None
    assert found.id == "u1"
    assert find_user(scenario().known, "nobody") is None
