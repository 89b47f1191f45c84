"""Disks that a test may fill, take away and make read-only. They need the right to mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disks import Disk, Share, mount, unmount

from qi.testing.fixtures import frames, plugins, qi, shot, studio

__all__ = ["disk", "frames", "plugins", "qi", "share", "shot", "studio"]


@pytest.fixture
def mountable(tmp_path: Path) -> Iterator[Path]:
    """A folder to mount on."""
    if sys.platform != "linux":
        pytest.skip("needs Linux's mounts")
    path = tmp_path / "mounted"
    path.mkdir()
    try:
        mount("-t", "tmpfs", "qi-test", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs the right to mount: {error}")
    unmount(path)
    yield path
    unmount(path)


@pytest.fixture
def disk(mountable: Path) -> Disk:
    """A disk of 4 MiB."""
    return Disk(mountable, 4)


@pytest.fixture
def share(mountable: Path, tmp_path: Path) -> Share:
    server = tmp_path / "server"
    server.mkdir()
    return Share(server, mountable)
