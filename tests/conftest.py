"""What all tests share: one real broker a worker process, and a mesh on it for each test that asks."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright, sync_playwright

from qi.app.broker import Broker
from qi.testing.mesh import Mesh


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The real nats-server of this test process. Whoever kills it starts one of his own instead."""
    made = Broker()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver of browsers. While it is there this thread's event loop is its own, so it goes with its module."""
    with sync_playwright() as made:
        yield made


@pytest.fixture
def mesh(broker: Broker) -> Iterator[Mesh]:
    """A mesh that is empty at the start and at the end of the test."""
    with Mesh(broker) as made:
        yield made
