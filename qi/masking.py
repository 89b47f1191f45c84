"""Secrets never reach a log, an event or a screen. Pure standard library; any thread."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from typing import Any

MASK = "••••"
SHORTEST_SECRET = 6

SECRET_NAME = re.compile(r"(password|passwd|passphrase|secret|token|api_?key|private_?key|credential|auth)", re.I)
"""A variable or key with such a name holds a secret."""

# From the begin of a word only, and without a step back: a long word costs no more than many short ones.
_ASSIGNED = re.compile(
    r"""(?ix)
        (?<! [\w\-.] )
        (?P<name> [\w\-.]*? (?:password|passwd|passphrase|secret|token|api_?key|private_?key|credentials?) [\w\-.]*+ )
        (?P<between> ["']? \s* [=:] \s* ["']? ) (?P<value> [^\s"',;&]{3,} )"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w\-.~+/]{8,}=*")
_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")

_COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")

_lock = threading.Lock()
_values: set[str] = set()
_known: re.Pattern[str] | None = None


def is_secret_name(name: str) -> bool:
    return SECRET_NAME.search(name) is not None


def hide(value: str) -> None:
    """From now on `value` is masked wherever it appears in this process's output. Too short ones are not."""
    global _known
    if len(value) < SHORTEST_SECRET:
        return
    with _lock:
        _values.add(value)
        _known = re.compile("|".join(re.escape(v) for v in sorted(_values, key=len, reverse=True)))


def mask(text: str) -> str:
    """`text` without known secrets and without what looks like one; without its colours, where those stood between."""
    if "\x1b" in text:
        plain = _COLOUR.sub("", text)
        hidden = _mask(plain)
        return text if hidden == plain else hidden
    return _mask(text)


def mask_value(value: Any) -> Any:
    """A copy of `value` with every text in it masked, and whatever stands under a name that speaks of a secret."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {
                key: MASK if is_secret_name(str(key)) and one not in (None, "") else mask_value(one)
                for key, one in value.items()
            }
        case list() | tuple():
            return [mask_value(one) for one in value]
    return mask(str(value))


def _mask(text: str) -> str:
    if _known is not None:
        text = _known.sub(MASK, text)
    text = _IN_URL.sub(MASK, text)
    text = _BEARER.sub(lambda found: f"{found[1]} {MASK}", text)
    return _ASSIGNED.sub(lambda found: f"{found['name']}{found['between']}{MASK}", text)


class MaskingFormatter(logging.Formatter):
    """For processes that log to a terminal only; a studio's own logs are masked by structlog's last processor."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that may be recorded: none whose name speaks of a secret, none that carries one in a URL."""
    return {k: v for k, v in environment.items() if not is_secret_name(k) and mask(v) == v}
