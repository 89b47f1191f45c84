"""Disks that a test may fill, take away and make read-only."""

from __future__ import annotations

import subprocess
from pathlib import Path

BLOCK = 4096


class Disk:
    """A small disk in memory."""

    def __init__(self, path: Path, size_mib: int) -> None:
        self.path = path
        self.ballast = path / "ballast"
        mount("-t", "tmpfs", "-o", f"size={size_mib}m", "qi-test", str(path))

    def fill(self) -> None:
        """Leave no room at all."""
        with self.ballast.open("ab", buffering=0) as file:
            block = 1 << 20
            while block >= BLOCK:
                try:
                    file.write(bytes(block))
                except OSError:
                    block //= 2

    def free(self) -> None:
        self.ballast.unlink()

    def remount(self, options: str) -> None:
        mount("-o", f"remount,{options}", str(self.path))


class Share:
    """A folder of a file server: what lies on it outlives its being taken away."""

    def __init__(self, server: Path, path: Path) -> None:
        self.server = server
        self.path = path
        self.bring()

    def bring(self) -> None:
        mount("--bind", str(self.server), str(self.path))

    def take(self) -> list[str]:
        """The command that takes it away, whoever uses it."""
        return ["umount", "--lazy", str(self.path)]


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def unmount(path: Path) -> None:
    # A bind of the same file system looks like no mount to os.path.ismount.
    while any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        subprocess.run(["umount", "--lazy", str(path)], check=True, capture_output=True)
