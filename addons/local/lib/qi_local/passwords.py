"""Password hashes (argon2id) in one owner-only file. One thread."""

from __future__ import annotations

import json
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from events.names import fold_name
from qi.errors import Invalid, Unauthenticated
from qi.home import write_private

SHORTEST_CHARACTERS = 8


class Passwords:
    """Name → hash. The file is read anew each time: it is small, and another process may have written it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hasher = PasswordHasher()
        # An unknown name must take as long as a wrong password, or names could be guessed by the clock.
        self._nobody = self._hasher.hash("nobody has this password")

    def verify(self, user: str, password: str) -> str:
        """The user's name as it was stored. Raises :class:`Unauthenticated`."""
        known = self._read().get(fold_name(user))
        try:
            self._hasher.verify(known["hash"] if known else self._nobody, password)
        except (VerifyMismatchError, InvalidHashError):
            known = None
        if known is None:
            raise Unauthenticated("user name or password is wrong")
        if self._hasher.check_needs_rehash(known["hash"]):
            self.store(known["name"], password)
        return known["name"]

    def store(self, user: str, password: str) -> None:
        """A new user, or a new password. Raises :class:`Invalid` for one that is too short."""
        if len(password) < SHORTEST_CHARACTERS:
            raise Invalid(
                f"a password has at least {SHORTEST_CHARACTERS} characters", fields={"password": "is too short"}
            )
        everybody = self._read()
        everybody[fold_name(user)] = {"name": user, "hash": self._hasher.hash(password)}
        write_private(self._path, json.dumps(everybody, ensure_ascii=False))

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found
