"""Processes that may end while one looks at them. Any thread."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children(pid: int, word: str) -> list[psutil.Process]:
    """Those below `pid`, at any depth, that are called `word` or have it in their command line.

    What has ended, or ends while it is looked at, is none of them. Raises :class:`psutil.NoSuchProcess` for `pid`.
    """
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if word in (one.name().removesuffix(".exe"), *one.cmdline()):
                found.append(one)
    return found


def zombies(pid: int) -> list[psutil.Process]:
    """Those that `pid` itself started, that have ended, and whose end it has not asked for."""
    return [one for one in psutil.Process(pid).children() if has_ended(one.pid) and one.is_running()]


def has_ended(pid: int) -> bool:
    """Whether it does nothing any more, though its parent may not have asked for its end."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
