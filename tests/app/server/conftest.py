"""One studio and one server for all tests here; `ada` is an artist, `lin` a lead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qi.testing.server import RunningServer, start_server
from qi.testing.studio import RunningStudio, start_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with start_studio(tmp_path_factory.mktemp("served") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def server(studio: RunningStudio) -> Iterator[RunningServer]:
    with start_server(studio) as running:
        yield running
