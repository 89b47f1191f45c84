"""A broker that the studio's people run themselves: `nats-server -c nats.conf`. Any thread."""

from __future__ import annotations

import os

from qi.bus import Credentials
from qi.errors import Invalid

PASSWORDS = {"service": "QI_NATS_SERVICE_PASSWORD", "session": "QI_NATS_SESSION_PASSWORD"}
"""The same variables that `nats.conf` reads."""


class GivenBroker:
    """Stands where the embedded one would; starts and stops nothing."""

    restarts = 0

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def service(self) -> Credentials:
        return self._credentials("service")

    @property
    def session(self) -> Credentials:
        return self._credentials("session")

    def start(self) -> None:
        """Raises :class:`Invalid` when a password is not given."""
        for user in PASSWORDS:
            self._credentials(user)

    def stop(self) -> None: ...

    def _credentials(self, user: str) -> Credentials:
        password = os.environ.get(PASSWORDS[user], "")
        if not password:
            raise Invalid(
                f"the broker at {self.url} needs the password of its user '{user}'",
                remedy=f"set {PASSWORDS[user]} to what nats-server was started with",
            )
        return Credentials(self.url, user, password)
