"""Who may write: one studio on a home, one worker on a publish, one publish on a version's folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from holding import Holder, check

from events.ids import new_id
from events.publish_steps import AFTER_COMMIT, CrashPoint
from qi.app.join import join
from qi.app.launch import read_launch_config
from qi.contracts.log import ReadLog
from qi.contracts.publish import CancelPublish, ListFiles, PublishInfo, ShowPublish
from qi.contracts.studio import GetStatus, StopStudio
from qi.errors import NotFound
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio


def test_a_studio_started_for_a_read_resumes_nothing_and_the_next_command_that_acts_does(
    tmp_path: Path, hooked: dict[str, str], holder: Holder
) -> None:
    home = tmp_path / "home"
    with start_studio(home, environment=hooked) as studio:
        shot = studio.given_project()
        with holder.held(studio, shot, CrashPoint("planned", "planned", AFTER_COMMIT)) as at:
            studio.kill()
    config = read_launch_config(home=str(home))

    reads = join(config, acts=False)
    pid = reads.bus.request(GetStatus()).pid
    with pytest.raises(NotFound):  # an answer of the service that would have resumed it: it had its chance
        reads.bus.request(CancelPublish(publish=new_id(), command=new_id()))
    assert reads.bus.request(ShowPublish(publish=at.publish)).state == "planned"
    assert not reads.bus.request(ReadLog(stream=f"publish-{at.publish}", type="publish.resumed")).events

    acts = join(config, acts=True)  # it joins the studio that was started for a read
    assert acts.bus.request(GetStatus()).pid == pid
    looking = RunningStudio.__new__(RunningStudio)
    looking.home, looking.participant = studio.home, acts
    check(looking, shot, at, looking.finished(at.publish))
    (resumed,) = looking.events(stream=f"publish-{at.publish}", type="publish.resumed")
    assert resumed.meta.user == "studio"
    started = looking.events(stream=f"publish-{at.publish}", type="publish.worker_started")
    assert started[-1].position > resumed.position
    acts.bus.request(StopStudio())
    acts.leave()
    reads.leave()


def test_two_studios_on_one_disk_give_one_product_as_many_numbers_and_whole_folders(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with start_studio(tmp_path / "here") as here, start_studio(tmp_path / "there") as there:
        shots = [studio.given_project("Film", root=str(disk)) for studio in (here, there)]
        asked: list[tuple[RunningStudio, str]] = []

        def publish(number: int) -> tuple[RunningStudio, str]:
            studio, shot = ((here, shots[0]), (there, shots[1]))[number % 2]
            note = tmp_path / f"note{number}.txt"
            note.write_text(f"note {number}", "utf-8")
            return studio, studio.publish(shot, [str(note)], product="notes")

        with ThreadPoolExecutor(6) as pool:
            asked = list(pool.map(publish, range(6)))
        infos = [(studio, studio.finished(publish)) for studio, publish in asked]

        assert [info.error for _, info in infos] == [None] * 6
        numbers = [info.version for _, info in infos]
        assert len(set(numbers)) == 6
        for number, (studio, info) in enumerate(infos):
            assert texts(studio, info) == [f"note {number}"]
        (product,) = {Path(str(info.path)).parent for _, info in infos}
        assert sorted(path.name for path in product.iterdir()) == sorted(f"v{n:03d}" for n in numbers if n)


def texts(studio: RunningStudio, info: PublishInfo) -> list[str]:
    """What the version's files say, each proven against its digest."""
    files = studio.bus.request(ListFiles(publish=info.publish)).files
    for file in files:
        assert blake3(Path(file.path).read_bytes()).hexdigest() == file.digest
    return [Path(file.path).read_text() for file in files]


DIES_ONCE = """
import os
from pathlib import Path

from qi.contracts import db
from qi.tracker import ANSWERS

register = ANSWERS[db.RegisterVersion]

def dies(*given):
    made = register(*given)
    armed = Path(ARMED)
    if armed.exists():
        armed.unlink()
        os._exit(1)
    return made

ANSWERS[db.RegisterVersion] = dies
"""


def test_a_tracker_that_commits_and_dies_before_it_answers_has_exactly_one_version(
    tmp_path: Path, holder: Holder
) -> None:
    hooks, armed = tmp_path / "hooks", tmp_path / "armed"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(f"ARMED = {str(armed)!r}\n" + DIES_ONCE, "utf-8")
    # The tracker in a process of its own, so that it can die alone.
    environment = {"PYTHONPATH": str(hooks), "QI_ADDON_ISOLATION": "process"}
    with start_studio(tmp_path / "home", environment=environment) as studio:
        shot = studio.given_project()
        armed.touch()
        at = holder.begun(studio, shot)
        info = studio.finished(at.publish)
        assert not armed.exists(), "the tracker did not die"

        def restarts() -> list[int]:
            children = studio.bus.request(GetStatus()).children
            return [child.restarts for child in children if child.name == "addon_local"]

        # It serves, and is asked again, before its supervisor has counted it.
        eventually(lambda: restarts() == [1], what="one restart of the tracker")
        if info.state != "succeeded":
            # It was asked again until the project's time for a tracker was over; then a person resumes.
            assert info.error is not None
            assert (info.state, info.error.step) == ("failed", "registered")
            studio.wait_for_event("publish.worker_ended", stream=f"publish-{at.publish}")
            studio.replay(at.publish, "resume")
            info = studio.finished(at.publish)
        check(studio, shot, at, info)
