"""What may become part of a path: the rules for one value and for one finished path segment.

A value never adds a level to a path, never climbs out of one, and gives a name that Linux, macOS and Windows
all accept. Any script and spaces are fine. Any thread.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TypeAlias

Scalar: TypeAlias = str | int | None
Values: TypeAlias = Mapping[str, Scalar | Mapping[str, Scalar]]
"""What a template is filled with, e.g. `{"project": {"name": "Nova"}, "version": 3}`. None and "" are missing."""

MAX_SEGMENT_BYTES = 255
MAX_NUMBER_DIGITS = 15

_WINDOWS_FORBIDS = '<>:"|?*'
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
# These reorder the text around them, so that a name reads as another name.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def normal(text: str) -> str:
    """`text` in the composed form (NFC): macOS and Linux would otherwise spell one name in two ways."""
    return unicodedata.normalize("NFC", text)


def text_fault(text: str) -> str:
    """Why `text` cannot be a value in a path, or "" when it can."""
    if not text:
        return "is empty"
    if "/" in text or "\\" in text:
        return "holds a path separator"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _BIDI_CONTROLS for c in text):
        return "holds a control character"
    if forbidden := sorted(set(text) & set(_WINDOWS_FORBIDS)):
        return f"holds {' '.join(forbidden)}, which Windows forbids in names"
    if unicodedata.category(text[0]).startswith("M"):
        return "begins with a combining mark"
    if text[0].isspace() or text[-1].isspace():
        return "begins or ends with a space"
    if text[0] == "." or text[-1] == ".":
        return "begins or ends with a dot"
    if is_reserved(text):
        return "is a name that Windows reserves"
    return ""


def segment_fault(segment: str) -> str:
    """Why a finished `segment` cannot be a folder's or a file's name, or "" when it can."""
    if fault := text_fault(segment):
        return fault
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"is longer than {MAX_SEGMENT_BYTES} bytes"
    return ""


def is_reserved(name: str) -> bool:
    """Whether Windows takes `name` for a device, with or without an extension."""
    return _RESERVED.fullmatch(name.partition(".")[0].rstrip()) is not None
