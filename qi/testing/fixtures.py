"""Fixtures for tests that need a studio; import the ones you use into your `conftest.py`.

One studio serves all tests of a process that share a `conftest.py`; a test that kills or changes the studio itself
starts its own with :func:`qi.testing.studio.start_studio`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from qi.testing.images import write_sequence
from qi.testing.studio import RunningStudio, Shot, start_studio

FRAMES = (1001, 1003)
SIZE = (32, 18)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio that serves; its bus is its owner's."""
    with start_studio(tmp_path_factory.mktemp("studio") / "home") as running:
        yield running


@pytest.fixture
def shot(studio: RunningStudio) -> Shot:
    """A new project's shot with the task `comp`."""
    return studio.given_project()


@pytest.fixture
def frames(tmp_path: Path) -> str:
    """The pattern of a good sequence of three small frames."""
    write_sequence(tmp_path / "render", "beauty", *FRAMES, size=SIZE)
    return str(tmp_path / "render" / "beauty.####.exr")


@pytest.fixture
def plugins(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes the source of a studio's own plugin; returns the environment that names its folder."""
    folder = tmp_path / "studio_plugins"

    def write(source: str, name: str = "studio_plugin") -> dict[str, str]:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text("import pyblish.api\n" + textwrap.dedent(source), "utf-8")
        return {"PYBLISHPLUGINPATH": str(folder)}

    return write


def tells_and_dies(told: Path) -> str:
    """Source of a plugin that tells a farm, in a file, and is killed before it says so: nobody knows how it ended."""
    return f"""
        import os, signal

        class TellTheFarm(pyblish.api.ContextPlugin):
            order = pyblish.api.IntegratorOrder
            def process(self, context):
                open({str(told)!r}, "a").write("told\\n")
                os.kill(os.getpid(), signal.SIGKILL)
    """


@dataclass(frozen=True, slots=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def qi(studio: RunningStudio, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs one `qi` command on the studio's home."""
    (command,) = entry_points(group="console_scripts", name="qi")
    main = command.load()

    def run(*arguments: str, home: Path | None = None) -> Said:
        capsys.readouterr()
        code = main(["--home", str(home or studio.home.root), *arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
