"""Log-in and tracker for a studio that has neither: password hashes and JSON files in the studio's home."""

from __future__ import annotations

from qi_local.passwords import Passwords
from qi_local.tracker import FileTracker

from qi.actor import handles
from qi.contracts.auth import StorePassword, Verified, VerifyPassword
from qi.messages import Done
from qi.tracker import TrackerAddon


class Local(TrackerAddon):
    """Users and a production tracker in files."""

    def open_tracker(self) -> FileTracker:
        return FileTracker(self.home / "tracker")

    def setup(self) -> None:
        super().setup()
        self._passwords = Passwords(self.home / "users.json")

    @handles(VerifyPassword)
    def verify(self, message: VerifyPassword) -> Verified:
        return Verified(user=self._passwords.verify(message.user, message.password))

    @handles(StorePassword)
    def store(self, message: StorePassword) -> Done:
        self._passwords.store(message.user, message.password)
        return Done()
