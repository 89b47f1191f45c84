"""`qi doctor`: what Qi needs of this machine, and what the running studio says of itself. Main thread."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from events.disk import require_local
from events.repair import check_file
from events.sqlite import SqliteReader
from qi.app.broker import config_file, server_binary
from qi.app.join import running
from qi.app.launch import LaunchConfig
from qi.contracts.log import GetLogStats
from qi.contracts.studio import GetStatus
from qi.errors import QiError, Unavailable
from qi.home import Home
from qi.release import release

FREE_LEAST_BYTES = 1024**3
WAL_MOST_BYTES = 256 * 1024**2
OLDEST_SQLITE = (3, 37, 0)


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    ok: bool
    found: str
    remedy: str = ""


def examine(config: LaunchConfig) -> list[Finding]:
    """Every check's finding; a check that fails never hides the others."""
    checks: dict[str, Callable[[LaunchConfig], str]] = {
        "Qi": _release,
        "broker binary": _broker,
        "broker configuration": _configuration,
        "SQLite": _sqlite,
        "home": _home,
        "disk space": _space,
        "images": _images,
        "log": _log,
        "studio": _studio,
    }
    return [_checked(name, check, config) for name, check in checks.items()]


def _checked(name: str, check: Callable[[LaunchConfig], str], config: LaunchConfig) -> Finding:
    try:
        return Finding(name, True, check(config))
    except QiError as error:
        return Finding(name, False, error.message, error.remedy)
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _release(_: LaunchConfig) -> str:
    return f"{release()} on Python {platform.python_version()}"


def _broker(_: LaunchConfig) -> str:
    binary = server_binary()
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    return f"{said.strip()} ({binary})"


def _configuration(_: LaunchConfig) -> str:
    return str(config_file())


def _sqlite(_: LaunchConfig) -> str:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise QiError(f"SQLite {sqlite3.sqlite_version} has no STRICT tables", remedy="use a newer Python")
    return sqlite3.sqlite_version


def _home(config: LaunchConfig) -> str:
    nearest = _existing(config.home)
    if not os.access(nearest, os.W_OK):
        raise QiError(f"{nearest} cannot be written", remedy="choose another folder with --home or QI_HOME")
    require_local(nearest)
    return str(config.home) if nearest == config.home else f"{config.home}, not made yet"


def _space(config: LaunchConfig) -> str:
    free = shutil.disk_usage(_existing(config.home)).free
    if free < FREE_LEAST_BYTES:
        raise QiError(f"only {free // 1024**2} MiB are free in {config.home}", remedy="make room")
    return f"{free // 1024**3} GiB free"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _images(_: LaunchConfig) -> str:
    import av
    import OpenImageIO

    return f"OpenImageIO {OpenImageIO.VERSION_STRING}, PyAV {av.__version__}"


def _log(config: LaunchConfig) -> str:
    home = Home(config.home)
    if not home.events.exists():
        return "none yet: the first command makes it"
    check_file(home.events)
    reader = SqliteReader(home.events)
    try:
        head = reader.head()
    finally:
        reader.close()
    return f"{head.position} events, head {head.hash[:12]}; `qi log verify` proves all of it"


def _studio(config: LaunchConfig) -> str:
    try:
        with running(config) as participant:
            status = participant.bus.request(GetStatus())
            stats = participant.bus.request(GetLogStats())
    except Unavailable:
        return "none runs on this home; a command starts one"
    down = [child.name for child in status.children if child.state != "running"]
    if down:
        raise QiError(f"not running: {', '.join(down)}", remedy=f"look into {Home(config.home).logs}")
    if stats.wal_bytes > WAL_MOST_BYTES:
        raise QiError(f"the log's WAL has grown to {stats.wal_bytes // 1024**2} MiB", remedy="a reader holds it open")
    if status.problems:
        raise QiError("; ".join(status.problems))
    return f"{status.stage}, {len(status.children)} actors"
