"""A studio's life: what it starts with, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from events.ids import new_id
from qi.app.join import join, running
from qi.app.launch import read_launch_config
from qi.app.studio import CORE
from qi.contracts.bundles import CreateBundle, GetBundle, PromoteBundle
from qi.contracts.db import ListProjects
from qi.contracts.hosting import GetAddons
from qi.contracts.studio import GetStatus, RestartActor, StopStudio
from qi.errors import Busy, Conflict, Forbidden, Invalid, NotFound, Unavailable
from qi.home import Home
from qi.testing.mesh import eventually
from qi.testing.processes import has_ended
from qi.testing.studio import RunningStudio, launch, start_studio

GONE_LIMIT_S = 60


def addon(folder: Path, name: str, *, roles: str = "[]", code: str = "", toml: str = "") -> Path:
    """An addon folder of that name in `folder`, which is returned as the path to search."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "addon.toml").write_text(f'name = "{name}"\nversion = "1.0.0"\nroles = {roles}\n{toml}', "utf-8")
    if code:
        (place / "addon.py").write_text(textwrap.dedent(code), "utf-8")
    return folder


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, GONE_LIMIT_S)
    assert not [process for process in alive if not has_ended(process.pid)]


def family_of(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


@contextmanager
def gone_afterwards(home: Path) -> Iterator[None]:
    """Whatever the block leaves running on `home` is ended."""
    try:
        yield
    finally:
        connection = Home(home).connection()
        if connection is not None and psutil.pid_exists(connection.pid):
            os.kill(connection.pid, signal.SIGTERM)
            wait_until_gone([psutil.Process(connection.pid)] if psutil.pid_exists(connection.pid) else [])


def test_a_new_home_gets_base_with_the_providers_and_the_services(studio: RunningStudio) -> None:
    status = studio.bus.request(GetStatus())
    assert (status.stage, status.problems) == ("ready", ())
    order = [child.name for child in status.children]
    assert order[:4] == ["journal", "sessions", "gate", "addons"]
    assert {actor.name for actor in CORE} <= {*order}
    assert order.index("addon_local") < order.index("auth") < order.index("db") < order.index("publishes")
    assert {child.state for child in status.children} == {"running"}
    assert studio.bus.request(GetBundle()).name == "base"


def test_an_actor_is_started_anew_when_somebody_asks(studio: RunningStudio) -> None:
    with pytest.raises(NotFound):
        studio.bus.request(RestartActor(name="nobody"))

    def restarts(name: str) -> int:
        try:
            status = studio.bus.request(GetStatus())
        except (Unavailable, Busy):
            return -1  # at this moment nobody answers
        return next(child.restarts for child in status.children if child.name == name)

    for name in ("bundles", "studio"):  # another one, and the very one that is asked
        before = restarts(name)
        studio.bus.request(RestartActor(name=name))
        eventually(lambda: restarts(name) == before + 1)  # noqa: B023 - called at once
    assert studio.bus.request(GetBundle(bundle="production")).name == "base"


def test_two_providers_of_a_role_are_refused_with_what_was_found(tmp_path: Path) -> None:
    home, paths = tmp_path / "home", {"QI_ADDON_PATHS": str(addon(tmp_path / "more", "shotgrid", roles='["db"]'))}
    with pytest.raises(Invalid) as told:
        launch(home, environment=paths)
    assert told.value.data == {"role": "db", "found": ["local", "shotgrid"]}
    assert "exactly one addon with the role 'db'" in told.value.message
    assert "shotgrid 1.0.0 (db)" in told.value.remedy
    assert Home(home).connection() is None


def test_no_provider_is_refused_too_and_the_way_out_is_a_bundle_of_before(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with start_studio(home) as studio:
        studio.bus.request(CreateBundle(name="bare", addons=("media",), command=new_id()))
        studio.bus.request(PromoteBundle(bundle="bare", reason="a mistake", command=new_id()))
    with pytest.raises(Invalid) as told:
        launch(home)
    assert told.value.data == {"role": "auth", "found": []}
    assert "media" in told.value.remedy


def test_addons_that_do_not_load_are_reported_and_stop_nobody(tmp_path: Path) -> None:
    more = tmp_path / "more"
    addon(more, "broken", code="class Broken(:\n")
    addon(more, "leaving", code="import sys\nsys.exit(3)\n")
    addon(more, "odd", toml="isolation = 'balloon'\n")
    addon(
        more,
        "quits",
        code="""
        import sys
        from qi.addon import Addon

        class Quits(Addon):
            def setup(self):
                sys.exit(4)
    """,
    )
    addon(more, "misset")
    (more / "misset" / "settings.py").write_text("1 / 0\n", "utf-8")
    addon(more, "dreams")
    (more / "dreams" / "settings.py").write_text("import time\ntime.sleep(600)\n", "utf-8")
    addon(
        more,
        "fine",
        code="""
        from qi.addon import Addon

        class Fine(Addon):
            pass
    """,
    )
    with start_studio(tmp_path / "home", environment={"QI_ADDON_PATHS": str(more)}) as studio:
        found = {run.name: run for run in studio.bus.request(GetAddons()).addons}
        assert {name: run.status for name, run in found.items()} == {
            "broken": "failed", "leaving": "failed", "odd": "failed", "quits": "failed", "misset": "failed",
            "dreams": "failed", "fine": "enabled", "local": "enabled", "media": "enabled",
            "terminal": "enabled",
        }  # fmt: skip
        assert [found[name].stage for name in ("fine", "local", "media")] == ["started", "started", "registered"]
        assert "SyntaxError" in found["broken"].problem
        status = studio.bus.request(GetStatus())
        assert len(status.problems) == 6
        assert "did not load within" in found["dreams"].problem
        for name in ("broken", "leaving", "odd", "quits", "misset", "dreams"):
            assert [problem for problem in status.problems if f"'{name}'" in problem]
        studio.given_project()


def test_addons_that_hang_are_given_up_together_after_their_time(tmp_path: Path) -> None:
    more = addon(tmp_path / "more", "hangs", code="""
        import time
        from qi.addon import Addon

        class Hangs(Addon):
            def setup(self):
                time.sleep(600)
    """)  # fmt: skip
    addon(more, "stuck", code="import time\ntime.sleep(600)\n")
    with start_studio(tmp_path / "home", environment={"QI_ADDON_PATHS": str(more)}) as studio:
        found = {run.name: run for run in studio.bus.request(GetAddons()).addons}
        for name in ("hangs", "stuck"):
            assert found[name].status == "failed"
            assert "did not start" in found[name].problem
        studio.given_project()
        family = family_of(studio.pid)
    wait_until_gone(family)


def test_a_project_that_is_not_there_is_a_problem_to_be_read(tmp_path: Path) -> None:
    with start_studio(tmp_path / "home", environment={"QI_DEFAULT_PROJECT": "Atlantis"}) as studio:
        assert [p for p in studio.bus.request(GetStatus()).problems if "Atlantis" in p]


def test_a_stop_leaves_no_process_and_no_way_to_reach_it(tmp_path: Path) -> None:
    with start_studio(tmp_path / "home", environment={"QI_ADDON_ISOLATION": "process"}) as studio:
        studio.given_project()
        family = family_of(studio.pid)
        assert len(family) >= 4  # itself, an addon, the broker and its guard
        studio.bus.request(StopStudio())
        wait_until_gone(family)
        assert not studio.home.connection_file.exists()


def test_a_second_studio_on_one_home_is_refused_and_a_command_joins_the_first(studio: RunningStudio) -> None:
    with pytest.raises(Conflict) as told:
        launch(studio.home.root)
    assert told.value.data["home"] == str(studio.home.root)

    participant = join(read_launch_config(home=str(studio.home.root)), acts=False)
    assert participant.bus.request(GetStatus()).pid == studio.pid
    participant.leave()


def test_a_studio_that_a_command_started_is_gone_soon_after_its_last_client(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with gone_afterwards(home):
        participant = join(read_launch_config(home=str(home)), acts=True)
        status = participant.bus.request(GetStatus())
        family = family_of(status.pid)
        assert status.lives == "embedded"
        participant.leave()
        wait_until_gone(family)
        assert Home(home).connection() is None


def test_connect_joins_by_url_and_starts_nothing(studio: RunningStudio, tmp_path: Path) -> None:
    connection = studio.home.connection()
    assert connection is not None
    config = read_launch_config(home=str(tmp_path / "elsewhere"), connect=connection.url)
    participant = join(config, acts=False)
    assert participant.bus.request(GetStatus()).pid == studio.pid
    with pytest.raises(Forbidden, match="needs the permission 'read'"):
        participant.bus.request(GetBundle())
    participant.leave()
    assert not (tmp_path / "elsewhere").exists()


def test_connect_to_nobody_says_so(tmp_path: Path) -> None:
    config = read_launch_config(home=str(tmp_path), connect="nats://127.0.0.1:9")
    with pytest.raises(Unavailable):
        join(config, acts=False)


def test_a_client_speaks_for_nobody_but_itself(studio: RunningStudio) -> None:
    """The broker's permissions are its identity: the studio's own subjects are closed to it."""
    from qi.contracts.log import AppendEvents

    with pytest.raises(Forbidden):
        studio.bus.request(AppendEvents(events=(), expected={}))


def test_the_file_of_a_killed_studio_is_stale_and_does_no_harm(tmp_path: Path) -> None:
    home = tmp_path / "home"
    config = read_launch_config(home=str(home))
    with start_studio(home) as studio:
        shot = studio.given_project()
        family = family_of(studio.pid)
        studio.kill()
        wait_until_gone(family)
    assert Home(home).connection() is not None
    with pytest.raises(Unavailable), running(config):
        pytest.fail("nobody is there")
    with gone_afterwards(home):
        participant = join(config, acts=False)
        names = [project.name for project in participant.bus.request(ListProjects()).items]
        participant.leave()
        assert names == [shot.project]


def test_the_ways_to_reach_a_studio_are_its_owners_alone(studio: RunningStudio) -> None:
    assert studio.home.connection_file.stat().st_mode & 0o777 == 0o600
    assert studio.home.root.stat().st_mode & 0o077 == 0 or studio.home.keys.stat().st_mode & 0o077 == 0


def test_serve_stays_without_clients_and_ends_at_an_interrupt(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())"]
    with gone_afterwards(home), (tmp_path / "said").open("w") as said:
        served = subprocess.Popen([*command, "serve", "--home", str(home)], stderr=said, stdout=said)
        waiting = subprocess.run(
            [*command, "status", "--wait", "--json", "--home", str(home)], capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        status = json.loads(waiting.stdout)["studio"]
        assert (status["pid"], status["lives"], status["stage"]) == (served.pid, "served", "ready")
        family = family_of(served.pid)
        began = time.monotonic()
        served.send_signal(signal.SIGINT)
        assert served.wait(GONE_LIMIT_S) == 0
        assert time.monotonic() - began < GONE_LIMIT_S
        wait_until_gone(family)
    assert "is ready" in (tmp_path / "said").read_text()
    log = [json.loads(line) for line in (home / "logs" / "studio.jsonl").read_text().splitlines()]
    assert all(len(entry["trace"]) == 32 for entry in log)
