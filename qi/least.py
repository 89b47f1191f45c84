"""The least environment: what a child process of the studio is given of the studio's own. Any thread."""

from __future__ import annotations

import os
from collections.abc import Mapping

NEEDED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "TERM", "DISPLAY",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV",
    "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR",
    # Windows starts no program without these
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT",
    "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA",
})  # fmt: skip
BEGINNINGS = ("LC_", "PYTHON")


def least_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs need to run at all, and `more`. A studio's keys and a user's secrets are not among it."""
    kept = {k: v for k, v in os.environ.items() if k.upper() in NEEDED or k.startswith(BEGINNINGS)}
    return {**kept, **(more or {})}
