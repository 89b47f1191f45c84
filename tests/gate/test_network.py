"""A studio for other machines: two networks of their own, and between them a cable that can be cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from events.ids import new_id
from qi.home import Home
from qi.testing.mesh import eventually
from qi.testing.ports import free_port

PASSWORD = "correct horse battery"
SERVER, DESKTOP, STRANGER = "10.213.7.1", "10.213.7.2", "10.213.7.3"
LIMIT_S = 60.0

WORKSTATION = """
import sys, time
from qi.credentials import Credentials
from qi.checked import Checked
from qi.contracts.bundles import GetBundle
from qi.session.participant import Participant
url, ca, token = sys.stdin.readline().split()
one = Participant(Credentials(url, password=token, ca=ca), kind="desktop", codec=Checked(), beat_every_s=0.3)
print("joined as", one.join().user, flush=True)
was = None
while True:
    if one.detached != was:
        was = one.detached
        print("detached" if was else "attached", one.bus.request(GetBundle()).name if not was else "", flush=True)
    time.sleep(0.05)
"""


@dataclass
class Machine:
    """A network namespace: what a program in it sees of the network is all there is."""

    name: str

    def run(self, *command: str, stdin: str = "", code: int = 0, **environment: str) -> str:
        said = subprocess.run(
            ["ip", "netns", "exec", self.name, *command], input=stdin, capture_output=True, text=True, check=False,
            env={**os.environ, **environment}, timeout=LIMIT_S,
        )  # fmt: skip
        assert said.returncode == code, f"{command}: {said.returncode}\n{said.stdout}\n{said.stderr}"
        return said.stdout + said.stderr

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=LIMIT_S)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux and the package iproute2")
    tag = new_id()[-6:]
    server, desktop = Machine(f"qis{tag}"), Machine(f"qid{tag}")
    try:
        ip("netns", "add", server.name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces need root: {error.stderr.strip()}")
    try:
        ip("netns", "add", desktop.name)
        ip("link", "add", "cable", "netns", server.name, "type", "veth", "peer", "name", "cable", "netns", desktop.name)
        for machine, addresses in ((server, (SERVER,)), (desktop, (DESKTOP, STRANGER))):
            ip("-n", machine.name, "link", "set", "lo", "up")
            for address in addresses:
                ip("-n", machine.name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", machine.name, "link", "set", "cable", "up")
        yield server, desktop
    finally:
        for machine in (server, desktop):
            subprocess.run(["ip", "netns", "delete", machine.name], capture_output=True, check=False)


@dataclass
class Studio:
    home: Home
    url: str
    server: Machine
    desktop: Machine
    away: Path
    """The home of whoever sits at the desktop."""

    @property
    def ca(self) -> Path:
        return self.home.keys / "authority.pem"

    def here(self, *arguments: str, **more: str) -> str:
        """A command of the studio's owner."""
        return self.server.run(QI, "--home", str(self.home.root), *arguments, **more)

    def there(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """A command at the desktop."""
        where = ("--home", str(self.away), "--connect", self.url, "--connect-ca", str(self.ca))
        return self.desktop.run(QI, *where, *arguments, code=code, stdin=stdin)


QI = str(Path(sys.executable).with_name("qi"))


@pytest.fixture(scope="module")
def studio(machines: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    server, desktop = machines
    place, port = tmp_path_factory.mktemp("network"), free_port()
    made = Studio(Home(place / "home"), f"tls://{SERVER}:{port}", server, desktop, place / "away")
    process = server.start(
        QI, "--home", str(made.home.root), "serve", "--listen", f"{SERVER}:{port}", "--allow", f"{DESKTOP}/32"
    )
    try:
        made.here("status", "--wait")
        made.here("user", "add", "ada", "--password-stdin", stdin=PASSWORD + "\n")
        yield made
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def test_over_the_network_everybody_logs_in(studio: Studio) -> None:
    assert "qi login" in studio.there("project", "list", code=5)
    assert "artist" in studio.there("login", "ada", "--password-stdin", stdin=PASSWORD + "\n")
    studio.here("project", "create", "Lighthouse")
    assert "Lighthouse" in studio.there("project", "list")
    assert "needs the permission" in studio.there("bundle", "create", "mine", code=5)
    studio.there("logout")
    assert "qi login" in studio.there("project", "list", code=5)


def test_the_owners_token_is_worth_nothing_elsewhere(studio: Studio) -> None:
    connection = studio.home.connection()
    assert connection is not None
    Home(studio.away).keep_login(studio.url, "root", connection.token)
    assert "does not let this session in" in studio.there("project", "list", code=5)
    studio.away.joinpath("login.json").unlink()

    def told() -> bool:
        refused = json.loads(studio.here("history", "--type", "session.refused", "--json"))
        return any("own machine only" in event["data"]["reason"] for event in refused)

    eventually(told)


def test_nobody_is_trusted_without_the_certificate(studio: Studio) -> None:
    said = studio.desktop.run(QI, "--home", str(studio.away), "--connect", studio.url, "project", "list", code=3)
    assert "certificate" in said.lower()


def test_a_host_that_is_not_named_may_not_even_log_in(studio: Studio) -> None:
    route = ("-n", studio.desktop.name, "route", "change", "10.213.7.0/24", "dev", "cable", "src")
    ip(*route, STRANGER)
    try:
        said = studio.there("login", "ada", "--password-stdin", stdin=PASSWORD + "\n", code=5)
    finally:
        ip(*route, DESKTOP)
    assert "does not let this session in" in said

    def told() -> bool:
        refused = json.loads(studio.here("history", "--type", "session.refused", "--json"))
        return any(event["data"]["address"] == STRANGER for event in refused)

    eventually(told)


def test_a_studio_that_nobody_may_reach_does_not_start(studio: Studio, tmp_path: Path) -> None:
    said = studio.server.run(QI, "--home", str(tmp_path), "serve", "--listen", f"{SERVER}:4222", code=2)
    assert "--allow" in said


def test_a_cut_of_the_link_detaches_a_desktop_and_its_return_brings_it_back(studio: Studio) -> None:
    studio.there("login", "ada", "--password-stdin", stdin=PASSWORD + "\n")
    token = Home(studio.away).token_for(studio.url)
    desktop = studio.desktop.start(sys.executable, "-c", WORKSTATION)
    said: list[str] = []
    assert desktop.stdin is not None
    assert desktop.stdout is not None
    reader = threading.Thread(target=_read, args=(desktop.stdout.readline, said), daemon=True)
    reader.start()
    try:
        desktop.stdin.write(f"{studio.url} {studio.ca} {token}\n")
        desktop.stdin.flush()
        eventually(lambda: said == ["joined as ada", "attached base"], LIMIT_S, f"the join, but {said}")
        ip("-n", studio.server.name, "link", "set", "cable", "down")
        eventually(lambda: said[2:] == ["detached"], LIMIT_S, "the desktop's notice")
        ip("-n", studio.server.name, "link", "set", "cable", "up")
        eventually(lambda: said[3:] == ["attached base"], LIMIT_S, "its return")
        sessions = json.loads(studio.here("status", "--json"))["sessions"]
        assert [(one["kind"], one["state"]) for one in sessions if one["user"] == "ada"] == [("desktop", "open")]
    finally:
        desktop.kill()
        desktop.communicate()
        reader.join(LIMIT_S)


def _read(line: Callable[[], str], said: list[str]) -> None:
    while text := line():
        said.append(text.strip())
