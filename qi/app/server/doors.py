"""How often somebody may knock: log-ins and requests, both by client and by user. Event-loop thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from weakref import WeakValueDictionary

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from events.names import fold_name
from qi.errors import Busy

LOGINS_A_CLIENT = parse("20/minute")
REQUESTS_A_CLIENT = parse("1200/minute")
REQUESTS_A_USER = parse("12000/minute")
"""To the studio, from all of a user's windows and scripts together, whichever way they come."""
FREE_FAILURES, FREE_FROM_EVERYWHERE = 4, 50
"""So many wrong passwords of a user cost nothing, from one address and from all together; each further one doubles the
wait there. From all together only strangers wait, so that who guesses from many addresses locks nobody out for good."""
LOCKED_FIRST_S, LOCKED_MOST_S = 2.0, 900.0
FORGOTTEN_S = 3600.0
"""Without a further one, wrong passwords are forgotten."""
KNOWN_MOST = 10_000
EVERYWHERE = ""


@dataclass(slots=True)
class _Failures:
    free: int
    count: int = 0
    until: float = 0.0
    last: float = 0.0

    def add(self, now: float) -> None:
        self.count = 1 if now - self.last > FORGOTTEN_S else self.count + 1
        self.last = now
        if self.count > self.free:
            doublings = min(self.count - self.free - 1, 20)
            self.until = now + min(LOCKED_MOST_S, LOCKED_FIRST_S * 2.0**doublings)


class Doors:
    """Remembers who knocked; in memory, bounded."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._welcome: dict[tuple[str, str], None] = {}
        """Whose password was right from where, the latest last."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def knock(self, client: str) -> None:
        """Raises :class:`Busy` for a client that asks too much."""
        self._require(REQUESTS_A_CLIENT, "request", client, "too many requests from this machine")

    def ask(self, user: str) -> None:
        """Before the studio is asked. Raises :class:`Busy` for a user who asks too much."""
        self._require(REQUESTS_A_USER, "ask", _key(user), "too many requests of this user")

    def log_in(self, client: str) -> None:
        """Before a password or a code is looked at. Raises :class:`Busy` with when to come again."""
        self._require(LOGINS_A_CLIENT, "login", client, "too many log-ins from this machine")

    def turn(self, user: str) -> asyncio.Lock:
        """Held while a user's password is looked at: of many guesses at once the later ones know of the earlier."""
        return self._turns.setdefault(_key(user), asyncio.Lock())

    def require_open(self, user: str, client: str) -> None:
        """In turn, before a password is looked at. Raises :class:`Busy` while this user is locked out there."""
        name, now = _key(user), time.monotonic()
        places = [client] if (name, client) in self._welcome else [client, EVERYWHERE]
        known = [self._failures[name, place] for place in places if (name, place) in self._failures]
        wait_s = max((one.until - now for one in known), default=0.0)
        if wait_s > 0:
            raise Busy(
                f"after several wrong passwords this user has to wait {_words(wait_s)}", retry_ms=int(wait_s * 1000)
            )

    def failed(self, user: str, client: str) -> None:
        """A wrong password."""
        name, now = _key(user), time.monotonic()
        for place, free in ((client, FREE_FAILURES), (EVERYWHERE, FREE_FROM_EVERYWHERE)):
            if len(self._failures) >= KNOWN_MOST:
                oldest = min(self._failures, key=lambda one: self._failures[one].last)
                del self._failures[oldest]
            self._failures.setdefault((name, place), _Failures(free)).add(now)

    def succeeded(self, user: str, client: str) -> None:
        """The right one."""
        here = (_key(user), client)
        self._failures.pop(here, None)
        self._welcome.pop(here, None)
        if len(self._welcome) >= KNOWN_MOST:
            del self._welcome[next(iter(self._welcome))]
        self._welcome[here] = None

    def _require(self, limit: RateLimitItem, what: str, who: str, words: str) -> None:
        if not self._limiter.hit(limit, what, who):
            reset = self._limiter.get_window_stats(limit, what, who).reset_time
            raise Busy(words, retry_ms=max(1000, int((reset - time.time()) * 1000)))


def _key(user: str) -> str:
    return fold_name(user)[:200]


def _words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
