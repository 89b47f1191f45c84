"""A log file in windows of whole lines, each masked. Any thread."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from qi.contracts.log_files import LogLine, LogWindow, ReadLogFile
from qi.errors import NotFound
from qi.masking import mask, mask_value

LOOKED_AT_BYTES = 256 * 1024
"""Of the file, for one window."""
REPLY_MOST_BYTES = 160 * 1024
MESSAGE_LONGEST, DETAIL_LONGEST = 4_000, 16_000
LEVELS = ("debug", "info", "warning", "error", "critical")

_decode = msgspec.json.Decoder().decode


def window(path: Path, asked: ReadLogFile, size_of: Callable[[LogLine], int]) -> LogWindow:
    """`size_of` tells how many bytes a line takes in a reply. Raises :class:`NotFound` for no plain file."""
    try:
        # Nobody leads this out of the home by a link.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise NotFound(f"there is no log '{asked.name}': {error.strerror}", name=asked.name) from error
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise NotFound(f"'{asked.name}' is no file", name=asked.name)
    with os.fdopen(handle, "rb") as file:
        forward = asked.after is not None
        if asked.after is not None:
            start, end = asked.after, min(about.st_size, asked.after + LOOKED_AT_BYTES)
        else:
            end = min(asked.before or about.st_size, about.st_size)
            start = max(0, end - LOOKED_AT_BYTES)
        file.seek(max(0, start - 1))
        data = file.read(max(0, end - max(0, start - 1)))
    pieces, start, end = _whole_lines(data, start, end)
    taken: list[LogLine] = []
    left, room = asked.limit, REPLY_MOST_BYTES
    for at, piece in pieces if forward else reversed(pieces):
        one = parsed(at, piece, asked.level)
        if one is not None and _says(one, asked.text):
            room -= size_of(one)
            if left == 0 or (room < 0 and taken):
                if forward:
                    end = at
                else:
                    start = at + len(piece) + 1
                break
            taken.append(one)
            left -= 1
    lines = tuple(taken if forward else reversed(taken))
    return LogWindow(lines=lines, start=start, end=end, size=about.st_size, file=f"{about.st_dev:x}-{about.st_ino:x}")


def parsed(at: int, line: bytes, least: str = "") -> LogLine | None:
    """One line, of JSON or not, with nothing in it that looks like a secret; None when less grave than `least`."""
    text = line.decode("utf-8", "replace")
    said: Any = None
    if text.startswith("{"):
        with contextlib.suppress(msgspec.DecodeError):  # then it is shown as the text it is
            said = _decode(text)
    structured = isinstance(said, dict) and "event" in said
    level = str(said.pop("level", "")) if structured else ""
    level = level if level in LEVELS else ""
    if least and LEVELS.index(level or "info") < LEVELS.index(least):
        return None
    if not structured:
        return LogLine(at=at, time="", level="", logger="", message=_cut(mask(text), MESSAGE_LONGEST), detail="")
    time = str(said.pop("timestamp", ""))[:40]
    said = mask_value(said)
    logger = " ".join(filter(None, (str(said.pop("logger", "")), str(said.pop("child", "")))))[:200]
    message = _cut(str(said.pop("event")), MESSAGE_LONGEST)
    detail = "\n".join(f"{key}: {_shown(value)}" for key, value in said.items() if value not in ("", None))
    return LogLine(
        at=at, time=time, level=level, logger=logger, message=message, detail=_cut(detail, DETAIL_LONGEST)
    )  # fmt: skip


def _whole_lines(data: bytes, begin: int, end: int) -> tuple[list[tuple[int, bytes]], int, int]:
    """Each line with its place; from where to where they reach. `data` begins a byte before `begin`.

    A line longer than all of it is left out: half a line may be half a secret. Without a line all is passed over; but
    not what is still being written.
    """
    start = begin
    if begin > 0:
        # In the middle of a line, unless the byte before ends one.
        lead = data.find(b"\n") + 1
        if lead == 0:
            return [], begin, end
        start, data = begin - 1 + lead, data[lead:]
    cut = data.rfind(b"\n") + 1
    if cut == 0:
        return [], begin, end if len(data) >= LOOKED_AT_BYTES else start
    found = []
    at = start
    for piece in data[: cut - 1].split(b"\n"):
        found.append((at, piece))
        at += len(piece) + 1
    return [(at, piece) for at, piece in found if piece.strip()], start, start + cut


def _says(line: LogLine, text: str) -> bool:
    text = text.casefold()
    return not text or any(text in part.casefold() for part in (line.message, line.detail, line.logger))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"
