"""Opaque, time-ordered ids (UUIDv7, RFC 9562 §5.7) as 32 hex digits: safe in subjects, stream names and file names.

Python has `uuid.uuid7` from 3.14 on only, and foreign interpreters can load no compiled wheel. Any thread.
"""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A new id; ids made in one process sort in the order in which they were made."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 12 bits of sub-millisecond count, strictly rising within the process.
        stamp = time.time_ns() // 1_000_000 << 12 | (time.time_ns() % 1_000_000 * 4096 // 1_000_000)
        _last = stamp = max(stamp, _last + 1)
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | tail
    return f"{value:032x}"
