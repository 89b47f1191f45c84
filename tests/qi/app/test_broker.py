"""The embedded broker: its configuration as anybody may start it, and its end in every case."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from qi.app.broker import Broker, config_file, server_binary
from qi.app.keys import new_keys
from qi.bus import Bus, Credentials
from qi.errors import Unauthenticated, Unavailable
from qi.testing.mesh import eventually
from qi.testing.ports import free_port
from qi.testing.processes import has_ended

LIMIT_S = 30.0
VARIABLES = ("QI_NATS_LISTEN", "QI_NATS_SERVICE_PASSWORD", "QI_NATS_SYSTEM_PASSWORD", "QI_NATS_ISSUER")


def server_of(broker: Broker) -> psutil.Process:
    (server,) = psutil.Process(broker.pid).children()
    return server


def connects(credentials: Credentials) -> bool:
    bus = Bus(credentials, session="s1")
    try:
        bus.start()
    except (Unavailable, Unauthenticated):
        return False
    bus.stop()
    return True


def by_hand(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """As the head of the file says: nats-server -c nats.conf."""
    clean = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    return subprocess.Popen(
        [server_binary(), "-c", config_file()], env=clean | environment, stderr=subprocess.PIPE, text=True
    )


def test_the_configuration_names_the_variables_it_needs() -> None:
    text = "\n".join(line for line in config_file().read_text("utf-8").splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\$(QI_NATS_\w+)", text)) == set(VARIABLES)


def test_anybody_can_start_the_server_from_the_configuration() -> None:
    port = free_port()
    keys = new_keys()
    given = {"QI_NATS_LISTEN": f"127.0.0.1:{port}", **keys.for_broker()}
    with by_hand(given) as server:
        try:
            url = f"nats://127.0.0.1:{port}"
            eventually(lambda: connects(Credentials(url, "service", keys.service)))
            assert connects(Credentials(url, "system", keys.system))
            assert not connects(Credentials(url, "service", keys.system))
            # The gate answers for everybody else, and there is none.
            assert not connects(Credentials(url, password="a token"))
            assert not connects(Credentials(url))
        finally:
            server.terminate()


@pytest.mark.parametrize("missing", VARIABLES)
def test_an_unset_variable_stops_the_server_from_starting(missing: str) -> None:
    given = {"QI_NATS_LISTEN": f"127.0.0.1:{free_port()}", **new_keys().for_broker()}
    del given[missing]
    with by_hand(given) as server:
        try:
            _, said = server.communicate(timeout=LIMIT_S)
        finally:
            server.kill()
    assert server.returncode != 0
    assert missing in said


def test_the_embedded_server_listens_on_loopback_only(broker: Broker) -> None:
    listening = [c.laddr for c in server_of(broker).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(each.ip, each.port) for each in listening] == [("127.0.0.1", broker.port)]


def test_no_password_stands_in_a_command_line(broker: Broker) -> None:
    secrets = set(broker.keys.for_studio().values())
    assert len(secrets) == 3
    for process in (psutil.Process(broker.pid), server_of(broker)):
        assert not any(secret in argument for secret in secrets for argument in process.cmdline())
    assert not any(secret in repr(broker.keys) + repr(broker.service) for secret in secrets)


def test_a_taken_port_is_exchanged_for_another(broker: Broker) -> None:
    second = Broker()
    second._at(broker.port)
    second.start()
    try:
        assert second.port != broker.port
        assert connects(second.service)
    finally:
        second.stop()


def test_the_servers_last_words_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "nats.conf"
    broken.write_text("listen: {")
    monkeypatch.setattr("qi.app.broker.config_file", lambda: broken)
    made = Broker()
    with pytest.raises(Unavailable, match=r"did not start: .*Parse error on line 1"):
        made.start()
    made.stop()


def test_stopping_ends_guard_and_server() -> None:
    made = Broker()
    made.start()
    guard, server = psutil.Process(made.pid), server_of(made)
    made.stop()
    made.stop()
    assert has_ended(guard.pid)
    assert has_ended(server.pid)
    assert made.restarts == 0


@pytest.mark.parametrize("victim", ["server", "guard"])
def test_whichever_is_killed_the_broker_comes_back_on_its_port(victim: str) -> None:
    made = Broker()
    made.start()
    try:
        port, guard, server = made.port, psutil.Process(made.pid), server_of(made)
        (server if victim == "server" else guard).send_signal(signal.SIGKILL)
        eventually(lambda: has_ended(server.pid) and has_ended(guard.pid))
        eventually(lambda: made.restarts == 1)
        assert made.port == port
        assert connects(made.service)
    finally:
        made.stop()


def test_the_server_ends_when_its_studio_is_killed() -> None:
    program = (
        "import threading; from qi.app.broker import Broker; b = Broker(); b.start(); print(b.pid, flush=True);"
        "threading.Event().wait(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as studio:
        assert studio.stdout is not None
        guard = psutil.Process(int(studio.stdout.readline()))
        (server,) = guard.children()
        studio.kill()
        studio.wait()
        eventually(lambda: has_ended(server.pid) and has_ended(guard.pid))
