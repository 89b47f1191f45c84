"""Jobs of addons: they go on after whatever was killed, end when called off, and tell whoever began them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.ids import new_id
from qi.checked import Checked
from qi.contracts.auth import AddUser
from qi.contracts.jobs import CancelJob, GetJob, JobInfo, ListJobKinds, ListJobs, ReportJob, StartJob
from qi.contracts.notices import ListNotices, Notice, ReadNotices, SendNotice
from qi.credentials import guest
from qi.errors import Conflict, Forbidden, NotFound
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.processes import children
from qi.testing.studio import RunningStudio, start_studio

ADDON = """
    import os, time
    from pathlib import Path
    from qi.addon import Addon
    from qi.errors import Invalid
    from qi.jobs import job

    class Counter(Addon):
        @job("count")
        def count(self, job):
            gate = Path(job.arguments["gate"])
            job.steps(job.arguments["to"])
            job.at = job.kept.get("done", 0)
            began = job.at
            while job.at < job.arguments["to"]:
                while job.at >= 2 and not gate.exists():
                    Path(f"{gate}.reached").touch()
                    time.sleep(0.02)
                    if job.cancelled.is_set():
                        break
                job.step(f"counted {job.at}")
                job.keep(done=job.at)
            job.note("counted it all", "success")
            return {"sum": job.at, "began_at": began, "pid": os.getpid()}

        @job("refuse")
        def refuse(self, job):
            raise Invalid("there is nothing to count")

        @job("die")
        def die(self, job):
            os._exit(9)
"""


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("addons") / "counter"
    folder.mkdir()
    (folder / "addon.toml").write_text('name = "counter"\nversion = "1.0.0"\nisolation = "process"\n', "utf-8")
    (folder / "addon.py").write_text(textwrap.dedent(ADDON), "utf-8")
    return folder.parent


@pytest.fixture(scope="module")
def running(more: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    home = tmp_path_factory.mktemp("studio") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(more)}) as studio:
        yield studio


def start(studio: RunningStudio, kind: str, **arguments: object) -> JobInfo:
    return studio.bus.request(StartJob(addon="counter", kind=kind, arguments=arguments, command=new_id()))


def ended(studio: RunningStudio, job: str) -> JobInfo:
    def look() -> JobInfo | None:
        info = studio.bus.request(GetJob(id=job))
        return info if info.state in ("succeeded", "failed", "cancelled") else None

    return eventually(look)


def at_the_gate(studio: RunningStudio, job: str, gate: Path) -> None:
    """Its second step is done and kept: it may be told before it is kept."""
    eventually(Path(f"{gate}.reached").exists)
    assert studio.bus.request(GetJob(id=job)).step == 2


def test_a_job_tells_how_far_it_is_and_what_came_of_it(running: RunningStudio, tmp_path: Path) -> None:
    heard: list[Notice] = []
    bus = running.bus
    bus.subscribe(f"qi.session.{bus.session}.notice", lambda msg: heard.append(bus.codec.decode(Notice, msg.data)))
    info = start(running, "count", to=5, gate=str(tmp_path / "gate"))
    assert (info.state, info.addon, info.step) == ("queued", "counter", 0)
    at_the_gate(running, info.id, tmp_path / "gate")
    now = running.bus.request(GetJob(id=info.id))
    assert (now.state, now.steps, now.message) == ("running", 5, "counted 1")
    (tmp_path / "gate").touch()
    done = ended(running, info.id)
    assert (done.state, done.step, done.result["sum"], done.tries) == ("succeeded", 5, 5, 1)
    assert running.bus.request(ListJobs(state="succeeded")).jobs[0].id == info.id
    assert running.bus.request(ListJobKinds(addon="counter")).kinds == ("count", "die", "refuse")
    eventually(lambda: heard)
    assert (heard[0].text, heard[0].source, heard[0].about) == ("counted it all", "addon counter", info.id)
    (notice, *_) = running.bus.request(ListNotices(unread=True)).notices
    running.bus.request(ReadNotices(id=notice.id))
    assert notice.id not in {one.id for one in running.bus.request(ListNotices(unread=True)).notices}


def test_the_same_command_is_the_same_job(running: RunningStudio, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    asked = StartJob(
        addon="counter", kind="count", arguments={"to": 3, "gate": str(tmp_path / "gate")}, command=new_id()
    )
    assert running.bus.request(asked).id == running.bus.request(asked).id
    with pytest.raises(Conflict):
        running.bus.request(StartJob(addon="counter", kind="refuse", command=asked.command))
    assert ended(running, asked.command).tries == 1


def test_a_job_that_is_called_off_ends_at_its_next_step(running: RunningStudio, tmp_path: Path) -> None:
    info = start(running, "count", to=5, gate=str(tmp_path / "gate"))
    at_the_gate(running, info.id, tmp_path / "gate")
    running.bus.request(CancelJob(id=info.id))
    assert ended(running, info.id).state == "cancelled"


def test_what_goes_wrong_is_told_to_whoever_began_it(running: RunningStudio) -> None:
    for kind, why in (("refuse", "nothing to count"), ("unheard_of", "no jobs of the kind")):
        done = ended(running, start(running, kind).id)
        assert done.state == "failed"
        assert why in done.message
        assert any(why in one.text for one in running.bus.request(ListNotices()).notices)
    nobody = running.bus.request(StartJob(addon="nobody", kind="count", command=new_id()))
    assert "pins no addon" in ended(running, nobody.id).message
    with pytest.raises(NotFound, match="pins no addon"):
        running.bus.request(ListJobKinds(addon="nobody"))
    with pytest.raises(NotFound):
        running.bus.request(GetJob(id="none"))


def test_a_killed_addon_begins_its_job_again_where_it_was(running: RunningStudio, tmp_path: Path) -> None:
    info = start(running, "count", to=4, gate=str(tmp_path / "gate"))
    at_the_gate(running, info.id, tmp_path / "gate")
    killed = children(running.pid, "qi.child")
    assert len(killed) == 1
    killed[0].kill()
    (tmp_path / "gate").touch()
    done = ended(running, info.id)
    assert (done.state, done.result["began_at"], done.tries) == ("succeeded", 2, 2)
    assert done.result["pid"] != killed[0].pid


def test_only_its_addon_reports_and_only_its_owner_calls_off(running: RunningStudio, tmp_path: Path) -> None:
    info = start(running, "count", to=4, gate=str(tmp_path / "gate"))
    with pytest.raises(Forbidden):
        running.bus.request(ReportJob(id=info.id, state="succeeded"))
    with pytest.raises(Forbidden):
        running.bus.request(SendNotice(user="ada", text="forged"))
    running.bus.request(AddUser(name="eve", password="correct horse", command=new_id()))
    connection = running.home.connection()
    assert connection is not None
    eve = Participant(guest(connection.url), kind="cli", codec=Checked())
    eve.join()
    eve.log_in("eve", "correct horse")
    with pytest.raises(Forbidden, match="this is a job of"):
        eve.bus.request(CancelJob(id=info.id))
    assert eve.bus.request(ListNotices()).notices == ()
    eve.leave()
    running.bus.request(CancelJob(id=info.id))
    assert ended(running, info.id).state == "cancelled"


def test_a_job_goes_on_after_the_studio_was_killed(more: Path, tmp_path: Path) -> None:
    home, environment = tmp_path / "home", {"QI_ADDON_PATHS": str(more)}
    with start_studio(home, environment=environment) as studio:
        info = start(studio, "count", to=4, gate=str(tmp_path / "gate"))
        at_the_gate(studio, info.id, tmp_path / "gate")
        deadly = start(studio, "die")
        studio.kill()
    (tmp_path / "gate").touch()
    with start_studio(home, environment=environment) as studio:
        done = ended(studio, info.id)
        assert (done.state, done.result["sum"], done.result["began_at"]) == ("succeeded", 4, 2)
        assert ended(studio, deadly.id).state == "failed"
