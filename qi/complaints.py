"""What the broker and the client complain of, read. Pure; any thread."""

from __future__ import annotations

import logging
import re

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"')
"""What the broker says, as the client passes it on: in lower case."""


def violation(error: BaseException) -> tuple[str, str] | None:
    """(`publish` or `subscription`, subject in lower case) when the broker kept this session from a subject."""
    found = _VIOLATION.search(str(error))
    return (found[1], found[2]) if found is not None else None


def is_refusal(error: BaseException) -> bool:
    """Whether the broker does not let this session in."""
    return "authorization violation" in str(error).lower()


def about_eof(record: logging.LogRecord) -> bool:
    """A filter: asyncio warns at the end of every TLS connection of the client; it means nothing."""
    return "eof_received" not in str(record.msg)
