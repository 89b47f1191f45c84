"""Ports for programs that a test starts and that have to be told theirs. Any thread."""

from __future__ import annotations

import contextlib
import os
import random
import socket

ASKED_FOR = range(30_000, 32_000)
"""Below those that systems give to whoever names none and to every connection that goes out: there one that was free is
another's a moment later. Above those that desktops ask for."""


PROCESSES = 8
"""So many of one test run have each its own of them: what one finds free no other one takes before it is used."""


def free_port() -> int:
    """One at which nothing listens on this machine. Raises AssertionError when there seems to be none."""
    digits = filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))  # gw0, gw1, …
    mine = int("".join(digits) or 0) % PROCESSES
    for port in random.sample(ASKED_FOR[mine::PROCESSES], 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("a hundred ports are taken")
