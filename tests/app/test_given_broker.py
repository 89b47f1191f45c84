"""A studio on a broker that was started by hand with Qi's own configuration."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qi.app.broker import config_file, server_binary
from qi.app.keys import new_keys
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.bus import Bus
from qi.contracts.session import OpenSession
from qi.contracts.studio import GetStatus
from qi.errors import Invalid, Unavailable
from qi.testing.ports import free_port

START_LIMIT_S = 30.0


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    port = free_port()
    keys = new_keys()
    for name, value in keys.for_studio().items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [server_binary(), "-c", config_file()],
        env={**os.environ, "QI_NATS_LISTEN": f"127.0.0.1:{port}", **keys.for_broker()},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    deadline = time.monotonic() + START_LIMIT_S
    while "Server is ready" not in server.stderr.readline():
        assert time.monotonic() < deadline
    drain = threading.Thread(target=server.stderr.read, daemon=True)
    drain.start()
    yield f"nats://127.0.0.1:{port}"
    server.terminate()
    server.wait(START_LIMIT_S)
    drain.join(START_LIMIT_S)
    server.stderr.close()


def test_a_studio_serves_on_it_and_leaves_it_running(url: str, tmp_path: Path) -> None:
    studio = Studio(read_launch_config(home=tmp_path / "home", broker=url))
    studio.start()
    connection = studio.home.connection()
    assert connection is not None
    joined = Bus(connection.credentials, session="visitor")
    joined.start()
    joined.request(OpenSession(kind="cli", os_user="ada"))
    assert joined.request(GetStatus()).stage == "ready"
    studio.stop()
    with pytest.raises(Unavailable):
        joined.request(GetStatus())
    assert joined.connected
    joined.stop()


def test_a_missing_key_is_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QI_NATS_SYSTEM_PASSWORD")
    with pytest.raises(Invalid, match="QI_NATS_SYSTEM_PASSWORD"):
        Studio(read_launch_config(home=tmp_path / "home", broker=url)).start()
