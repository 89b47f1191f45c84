"""One spelling for each JSON value, so that equal content has equal bytes and equal digests. Any thread."""

from __future__ import annotations

import json
from typing import Any

from blake3 import blake3

from events.errors import Invalid
from events.record import Digest

EXACT_FLOAT_LIMIT = 2**53
"""Above it a JSON reader may not tell neighbouring whole numbers apart."""


def plain(value: Any) -> Any:
    """`value` as JSON alone: tuples become lists, `2.0` becomes `2` (a browser writes it so); a copy, safe to keep.

    Raises :class:`Invalid` for what JSON cannot say: other types, keys that are not text, NaN, infinity, half a
    surrogate pair.
    """
    match value:
        case None | bool() | int():
            return value
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise Invalid(f"{value} is not a JSON number")
            return int(value) if value.is_integer() and abs(value) < EXACT_FLOAT_LIMIT else value
        case str():
            if any("\ud800" <= c <= "\udfff" for c in value):
                raise Invalid("text holds half a surrogate pair: it is not Unicode")
            return value
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise Invalid("the keys of a JSON object are text")
            return {plain(key): plain(item) for key, item in value.items()}
        case _:
            raise Invalid(f"{type(value).__name__} is not a JSON value")


def canonical(value: Any) -> bytes:
    """UTF-8 JSON of :func:`plain` `value`, keys sorted, no spaces. Raises :class:`Invalid`."""
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def digest_of(value: Any) -> Digest:
    """BLAKE3 of :func:`canonical` `value`: also its name in the content store. Raises :class:`Invalid`."""
    return Digest(blake3(canonical(value)).hexdigest())
