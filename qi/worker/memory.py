"""How much memory a worker, and each process it starts, may take: not so much that the machine goes down with it."""

from __future__ import annotations

import os
import sys

GIB = 1024**3
SHARE_OF_MACHINE = 0.75


def limit_memory(gib: float) -> None:
    """Limit this process and those it starts from now on, each; 0 for three quarters of the machine's memory.

    What goes beyond fails with :class:`MemoryError` in the plugin that asked for it. Memory that only maps a file does
    not count. Linux; elsewhere it does nothing. Main thread.
    """
    if sys.platform != "linux":
        return
    import resource

    most = int(gib * GIB) or int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * SHARE_OF_MACHINE)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
