"""What the studio's programs wrote to their log files. Lossy: files are rotated, and only the log is a record."""

from __future__ import annotations

from typing import Annotated

from qi.limits import PageSize, Text, Whole
from qi.messages import Request, message


@message
class LogFile:
    name: str
    """`studio.jsonl`, `server.jsonl`, older ones with a number behind; `run:<id>` for the worker of a publish."""
    size: int
    """Bytes."""
    changed_at: int
    """Microseconds since the epoch."""


@message
class LogFileList:
    files: tuple[LogFile, ...]
    """Those of the studio by name, then those of the last publishes, newest first."""


@message
class ListLogFiles(Request[LogFileList], topic="studio.logs", needs="studio.manage"):
    """Which log files there are. What addons in processes of their own say is in the studio's."""


@message
class LogLine:
    at: int
    """Where it begins, in bytes from the file's begin."""
    time: str
    """ISO 8601 as it was written; empty where the file tells none."""
    level: str
    """`debug`, `info`, `warning`, `error` or `critical`; empty where the file tells none."""
    logger: str
    """Who says so; with it, behind a blank, the child process whose output it is."""
    message: str
    """Masked. May hold ANSI sequences for colours."""
    detail: str
    """Traceback, trace id and whatever else it says, one thing a line; masked."""


@message
class LogWindow:
    lines: tuple[LogLine, ...]
    """Oldest first; whole lines alone."""
    start: int
    """Everything from here to `end` was looked at: older lines are `before` it."""
    end: int
    """Newer lines are `after` it."""
    size: int
    """Of the file now, bytes."""
    file: str
    """Another one when the file was rotated: its begin is elsewhere then."""


@message
class ReadLogFile(Request[LogWindow], topic="studio.logs.read", needs="studio.manage"):
    """Lines of one log file, masked once more: the last ones, those before a place, or those after one.

    With `level` or `text` a window may hold few lines, or none: a part of the file is looked through at a time.
    """

    name: Annotated[str, Text(150, r"^([a-z]{1,20}\.jsonl(\.[0-9]{1,2})?|run:[A-Za-z0-9_]{1,128})$")]
    before: Whole = 0
    """The newest lines that end here or before; 0 for the file's end."""
    after: Annotated[int | None, Whole.__metadata__[0]] = None
    """The oldest lines that begin here or later, instead."""
    limit: PageSize = 1000
    level: Annotated[str, Text(10, "^(|debug|info|warning|error|critical)$")] = ""
    """This one and graver ones. What tells no level counts as `info`."""
    text: Annotated[str, Text(200)] = ""
    """Anywhere in what a line says; capitals make no difference."""
