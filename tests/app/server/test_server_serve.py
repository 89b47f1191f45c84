"""`qi serve` and the server beside it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from qi.app import front
from qi.app.certificates import Certificate, certificate_for
from qi.app.launch import read_launch_config
from qi.errors import Invalid
from qi.home import Home
from qi.testing.mesh import eventually
from qi.testing.ports import free_port
from qi.testing.processes import has_ended

pytestmark = pytest.mark.xdist_group("server")

QI = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())"]
LIMIT_S = 60


def test_a_served_studio_has_a_server_with_tls_which_goes_when_the_studio_is_killed(tmp_path: Path) -> None:
    home, said = Home(tmp_path / "home"), tmp_path / "said.log"
    with said.open("w") as words:
        command = [*QI, "--home", str(home.root), "serve", "--http", f"0.0.0.0:{free_port()}"]
        command += ["--allow", "10.0.0.0/8"]
        served = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
    try:
        eventually(lambda: home.server_file.is_file() or served.poll() is not None, LIMIT_S)
        assert served.poll() is None, said.read_text()
        link = subprocess.run(
            [*QI, "--home", str(home.root), "open", "history", "--print"], capture_output=True, text=True,
            timeout=LIMIT_S, check=True,
        ).stdout.strip()  # fmt: skip
        url, _, code = link.partition("/history#code=")
        assert url.startswith("https://localhost:")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
        with httpx.Client(base_url=url, verify=front_context(home)) as browser:
            entered = browser.post("/auth/redeem", json={"code": code}).raise_for_status().json()
            assert "user.manage" in entered["user"]["permissions"]
            (cookie,) = [one for one in browser.cookies.jar if one.name == "qi_refresh"]
            assert cookie.secure
        eventually(lambda: url in said.read_text(), LIMIT_S)
        assert code not in said.read_text()

        # The server dies beside a studio that is well: it comes back at its place, and the studio says so.
        killed = json.loads(home.server_file.read_text("utf-8"))["pid"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: (one := front.ServerFile.read(home)) and one.pid != killed, LIMIT_S)
        assert front.find(home).url == url
        assert front.find(home).answers()
        for verb in ("status", "doctor"):
            # It serves a moment before who started it knows.
            eventually(lambda: "ended with signal 9; it was started again" in told(home, verb), LIMIT_S)  # noqa: B023

        pid = json.loads(home.server_file.read_text("utf-8"))["pid"]
        os.kill(served.pid, signal.SIGKILL)
        eventually(lambda: has_ended(pid), LIMIT_S)
        assert front.ServerFile.read(home) is None
    finally:
        served.kill()
        served.wait()


def told(home: Home, verb: str) -> str:
    said = subprocess.run([*QI, "--home", str(home.root), verb], capture_output=True, text=True, timeout=LIMIT_S)
    return " ".join((said.stdout + said.stderr).split())


def front_context(home: Home) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(home.keys / "authority.pem"))


def test_a_certificate_of_ones_own_takes_the_place_of_the_one_that_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    made = certificate_for(read_launch_config(home=home.root), home, "0.0.0.0", "server")
    trusted = ssl.create_default_context(cafile=str(made.authority))
    assert len(trusted.get_ca_certs()) == 1
    given = read_launch_config(home=home.root, tls_cert=str(made.file), tls_key=str(made.key))
    assert certificate_for(given, home, "0.0.0.0", "server") == Certificate(made.file, made.key, made.file)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.file, made.key)
    for cert, key in ((made.file, tmp_path / "none.pem"), (tmp_path / "none.pem", made.key)):
        half = read_launch_config(home=home.root, tls_cert=str(cert), tls_key=str(key))
        with pytest.raises(Invalid, match=r"none\.pem is not there"):
            certificate_for(half, home, "0.0.0.0", "server")
