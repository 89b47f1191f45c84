"""How often somebody may knock: log-ins and requests, both by client and by user. Event-loop thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from weakref import WeakValueDictionary

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from qi.errors import Busy

LOGINS_A_CLIENT = parse("20/minute")
REQUESTS_A_CLIENT = parse("1200/minute")
REQUESTS_A_USER = parse("12000/minute")
"""To the studio, from all of a user's windows and scripts together, whichever way they come."""
FREE_FAILURES = 4
"""So many wrong passwords cost nothing; each further one doubles the wait."""
LOCKED_FIRST_S, LOCKED_MOST_S = 2.0, 900.0
USERS_MOST = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0
    last: float = 0.0


class Doors:
    """Remembers who knocked; in memory, bounded."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._failures: dict[str, _Failures] = {}
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

    def require_open(self, user: str) -> None:
        """In turn, before a password is looked at. Raises :class:`Busy` while this user is locked out."""
        known = self._failures.get(_key(user))
        wait_s = known.until - time.monotonic() if known else 0.0
        if wait_s > 0:
            raise Busy(
                f"after several wrong passwords this user has to wait {_words(wait_s)}", retry_ms=int(wait_s * 1000)
            )

    def failed(self, user: str) -> None:
        """A wrong password."""
        if len(self._failures) >= USERS_MOST:
            oldest = min(self._failures, key=lambda one: self._failures[one].last)
            del self._failures[oldest]
        known = self._failures.setdefault(_key(user), _Failures())
        known.count += 1
        known.last = time.monotonic()
        if known.count > FREE_FAILURES:
            doublings = min(known.count - FREE_FAILURES - 1, 20)
            known.until = known.last + min(LOCKED_MOST_S, LOCKED_FIRST_S * 2.0**doublings)

    def succeeded(self, user: str) -> None:
        self._failures.pop(_key(user), None)

    def _require(self, limit: RateLimitItem, what: str, who: str, words: str) -> None:
        if not self._limiter.hit(limit, what, who):
            reset = self._limiter.get_window_stats(limit, what, who).reset_time
            raise Busy(words, retry_ms=max(1000, int((reset - time.time()) * 1000)))


def _key(user: str) -> str:
    return user.casefold()[:200]


def _words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
