"""One studio for all tests of the desktop; the addon `painting` brings an application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from painting import given_painting

from qi.testing.studio import RunningStudio, start_studio


@pytest.fixture(scope="session")
def addons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("addons")
    given_painting(folder)
    return folder


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory, addons: Path) -> Iterator[RunningStudio]:
    home = tmp_path_factory.mktemp("desktop") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(addons)}) as running:
        yield running
