"""An addon in a process of its own: it asks what it declared, and its environment holds nothing it does not need."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.checked import Checked
from qi.contracts.bundles import GetBundle
from qi.messages import PUBLIC, Request, message, to_addon
from qi.session.participant import Participant
from qi.testing.mesh import eventually

ADDON = """
    import os
    from typing import Any
    from qi.actor import handles
    from qi.addon import Addon
    from qi.contracts.bundles import CreateBundle, GetBundle
    from qi.contracts.db import ListProjects
    from qi.contracts.log import ReadLog
    from qi.contracts.settings import GetSettings
    from qi.errors import QiError
    from qi.messages import PUBLIC, Request, message

    @message
    class Told:
        outcomes: dict[str, str]
        environment: dict[str, str]
        caller: str

    @message
    class Probe(Request[Told], topic="prober.probe", needs=PUBLIC, timeout_s=20.0): ...

    @message
    class Who(Request[Told], topic="prober.who", needs="read"): ...

    class Prober(Addon):
        name = "prober"
        requests = (GetBundle, ListProjects, ReadLog, CreateBundle)

        @handles(Probe)
        def probe(self, _: Probe) -> Told:
            asked = {
                "declared": GetBundle(), "also declared": ListProjects(),
                "declared, without the permission": ReadLog(), "not declared": CreateBundle(name="x", command="c1"),
            }
            found = {}
            for what, request in asked.items():
                try:
                    self.request(request, timeout_s=5)
                    found[what] = "ok"
                except QiError as error:
                    found[what] = f"{error.code} {error.message}"
            for subject in ("qi.event.x.y.z", "qi.rpc.studio.log.append", "qi.session.s1.x"):
                self._bus.publish(subject, b"forged")
            try:
                self._bus.subscribe("qi.rpc.>", print)
                found["listening to others"] = "ok"
            except QiError as error:
                found["listening to others"] = f"{error.code}"
            self._bus.flush()
            return Told(outcomes=found, environment=dict(os.environ), caller="")

        @handles(Who)
        def who(self, _: Who) -> Told:
            return Told(outcomes={}, environment={}, caller=self.caller.user)
"""
MANIFEST = """
    name = "prober"
    version = "1.0.0"
    isolation = "process"
    requests = ["bundle.get", "db.project.list", "log.read"]
    permissions = ["read"]
"""


@message
class Told:
    outcomes: dict[str, str]
    environment: dict[str, str]
    caller: str


@message
class Probe(Request[Told], topic="prober.probe", needs=PUBLIC, timeout_s=20.0): ...


@message
class Who(Request[Told], topic="prober.who", needs="read"): ...


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "addons" / "prober"
    folder.mkdir(parents=True)
    (folder / "addon.toml").write_text(textwrap.dedent(MANIFEST), "utf-8")
    (folder / "addon.py").write_text(textwrap.dedent(ADDON), "utf-8")
    monkeypatch.setenv("STUDIO_API_KEY", "planted-4711")
    studio = Studio(read_launch_config(home=tmp_path / "home", addon_paths=(tmp_path / "addons",)))
    studio.start()
    try:
        connection = studio.home.connection()
        assert connection is not None
        participant = Participant(connection.credentials, kind="cli", codec=Checked())
        participant.join()
        address = to_addon(participant.bus.request(GetBundle()).id, "prober")
        eventually(lambda: studio._bus is not None)
        yield (
            participant.bus.request(Probe(), to=address), participant.bus.request(Who(), to=address),
            participant.bus.session, connection.token,
        )  # fmt: skip
        participant.leave()
    finally:
        studio.stop()


def test_an_addon_is_held_to_what_it_declared(told: Any) -> None:
    probed, who, _, token = told
    outcomes = probed.outcomes
    assert outcomes["declared"] == outcomes["also declared"] == "ok"
    assert outcomes["declared, without the permission"].startswith("403")
    assert outcomes["not declared"].startswith("403")
    assert outcomes["listening to others"] == "403"
    assert who.caller  # it learns who asks it
    assert "STUDIO_API_KEY" not in probed.environment
    assert not {"planted-4711", token} & set(probed.environment.values())
    assert not [name for name in probed.environment if name.startswith("QI_NATS")]
