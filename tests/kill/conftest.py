from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from holding import ARRIVE_LIMIT_S, HOOKS, TEXT, Holder

from qi.testing.fixtures import frames, plugins, qi, shot
from qi.testing.studio import RunningStudio, start_studio

__all__ = ["frames", "plugins", "qi", "shot"]

# The test reads the table of points from the file that stops the processes.
sys.path.insert(0, str(HOOKS))


@pytest.fixture(scope="session")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says where to stop."""
    return tmp_path_factory.mktemp("hold") / "armed.json"


@pytest.fixture(scope="session")
def hooked(armed: Path) -> dict[str, str]:
    """The environment of a studio that can be stopped."""
    return {"QI_TEST_HOLD": str(armed), "PYTHONPATH": str(HOOKS)}


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory, hooked: dict[str, str]) -> Iterator[RunningStudio]:
    """For the tests that leave studio and broker alive."""
    with start_studio(tmp_path_factory.mktemp("studio") / "home", environment=hooked) as running:
        yield running


@pytest.fixture
def holder(tmp_path: Path, armed: Path, plugins: Callable[..., dict[str, str]]) -> Iterator[Holder]:
    note = tmp_path / "note.txt"
    note.write_text(TEXT, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ARRIVE_LIMIT_S)
        yield Holder(armed, tmp_path / "told.txt", note, plugins, listener)
    armed.unlink(missing_ok=True)
