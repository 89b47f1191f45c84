"""A broker that the studio's people run themselves: `nats-server -c nats.conf`. Any thread."""

from __future__ import annotations

from qi.app.keys import Reached, given_keys


class GivenBroker(Reached):
    """Stands where the embedded one would; starts and stops nothing."""

    restarts = 0

    def __init__(self, url: str, ca: str = "") -> None:
        """Raises :class:`Invalid` when one of its keys is not given."""
        self.url = url
        self.ca = ca
        self.keys = given_keys(url)

    def start(self) -> None: ...

    def stop(self) -> None: ...
