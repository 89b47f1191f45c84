"""Password hashes in a file of their owner's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qi.addon_record import bundled_addons
from qi.errors import Invalid, Unauthenticated

sys.path.insert(0, str(bundled_addons() / "local" / "lib"))

from qi_local.passwords import Passwords

WRONG = [("ada", "wrong horse"), ("ada", ""), ("bob", "correct horse"), ("", "")]


@pytest.fixture
def passwords(tmp_path: Path) -> Passwords:
    return Passwords(tmp_path / "users.json")


def test_the_right_password_gives_the_name_as_it_was_stored(passwords: Passwords) -> None:
    passwords.store("Ada Lovelace", "correct horse")
    assert passwords.verify("ADA lovelace", "correct horse") == "Ada Lovelace"


@pytest.mark.parametrize(("user", "password"), WRONG)
def test_anything_else_is_told_alike(passwords: Passwords, user: str, password: str) -> None:
    passwords.store("ada", "correct horse")
    with pytest.raises(Unauthenticated, match="user name or password is wrong"):
        passwords.verify(user, password)


def test_a_new_password_replaces_the_old_one(passwords: Passwords) -> None:
    passwords.store("ada", "correct horse")
    passwords.store("ada", "another horse")
    assert passwords.verify("ada", "another horse") == "ada"
    with pytest.raises(Unauthenticated):
        passwords.verify("ada", "correct horse")


def test_a_short_password_is_refused_and_changes_nothing(passwords: Passwords, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        passwords.store("ada", "short")
    assert not (tmp_path / "users.json").exists()


def test_the_file_is_its_owners_alone_and_holds_no_password(passwords: Passwords, tmp_path: Path) -> None:
    passwords.store("ada", "correct horse")
    file = tmp_path / "users.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "correct horse" not in file.read_text()
    assert "argon2id" in file.read_text()


def test_what_another_process_wrote_is_seen(passwords: Passwords, tmp_path: Path) -> None:
    Passwords(tmp_path / "users.json").store("ada", "correct horse")
    assert passwords.verify("ada", "correct horse") == "ada"
