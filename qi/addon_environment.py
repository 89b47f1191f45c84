"""What an addon needs of Python packages, installed in a folder of its own, by what is asked for. Any thread."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from qi.errors import QiError
from qi.home import Home
from qi.least import least_environment
from qi.masking import mask

INSTALL_LIMIT_S = 600.0
WORDS_LONGEST = 1_000
PIPS_OWN = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How pip is told where a studio keeps its packages."""


def environment_of(home: Home, requirements: Sequence[str]) -> Path | None:
    """The folder to import them from, made when there is none; None when nothing is required. Raises QiError.

    Its name covers the requirements and the interpreter, so two addons with the same needs share it, and a change of
    either makes another. It appears whole or not at all.
    """
    if not requirements:
        return None
    needs = "\n".join([sys.implementation.cache_tag, *sorted(requirements)])
    place = home.environments / sha256(needs.encode()).hexdigest()[:32]
    if place.is_dir():
        return place
    home.environments.mkdir(exist_ok=True)
    with FileLock(home.environments / f".{place.name}.lock"):
        if not place.is_dir():
            with TemporaryDirectory(dir=home.environments, prefix=f".{place.name}.") as made:
                _install(requirements, Path(made) / "site")
                (Path(made) / "site").rename(place)
    return place


def _install(requirements: Sequence[str], target: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--target", str(target), "--", *requirements,
    ]  # fmt: skip
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=INSTALL_LIMIT_S,
            env=least_environment({k: v for k, v in os.environ.items() if k.upper().startswith(PIPS_OWN)}),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise QiError(f"its Python packages were not installed within {INSTALL_LIMIT_S:.0f} s") from error
    if said.returncode:
        why = mask((said.stderr or said.stdout).strip())[-WORDS_LONGEST:]
        raise QiError(
            f"its Python packages cannot be installed: {why}",
            remedy="check the names and ranges under python in its addon.toml, and that the package index is reachable",
            requirements=list(requirements),
        )
    target.mkdir(exist_ok=True)
