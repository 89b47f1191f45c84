"""Publishes as the service sees them: whose they are, calling them off, looking at them in pages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from actors.publishes.service import WORKERS_MOST
from events.ids import new_id
from qi.contracts.auth import AddUser, Login
from qi.contracts.publish import CancelPublish, ListPublishes, ShowPublish
from qi.contracts.work import ReportWork, TakeWork
from qi.errors import Conflict, Forbidden, NotFound
from qi.testing.studio import RunningStudio, Shot

SLOW = """
    import subprocess, time

    class Slow(pyblish.api.ContextPlugin):
        order = pyblish.api.{order}Order

        def process(self, context):
            open({begun!r}, "w").write(str(subprocess.Popen(["sleep", "300"]).pid))
            time.sleep(300)
"""


@pytest.fixture
def note(tmp_path: Path) -> str:
    (tmp_path / "note.txt").write_text("hold the last frame", "utf-8")
    return str(tmp_path / "note.txt")


def wait_until_gone(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)


def test_a_publish_that_is_called_off_ends_its_worker_and_leaves_no_claim(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    begun = tmp_path / "child.pid"
    environment = plugins(SLOW.format(order="Extractor", begun=str(begun)))
    publish = studio.publish(shot, [note], product="notes", environment=environment)
    studio.wait_for_event("publish.step_started", stream=f"publish-{publish}")
    studio.wait_for(lambda: (begun.exists() and begun.read_text()) or None, f"qi.event.publish.{publish}.>")

    studio.bus.request(CancelPublish(publish=publish, reason="wrong shot", command=new_id()))

    info = studio.finished(publish)
    assert info.state == "cancelled"
    assert info.error is not None
    assert "wrong shot" in info.error.message
    assert studio.bus.request(ListPublishes(failed=True, project=shot.project)).publishes == ()
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{publish}")
    wait_until_gone(int(begun.read_text()))
    folder = studio.home.projects / shot.project / shot.entity / "publish" / "notes"
    assert [path.name for path in folder.iterdir()] == []
    # The number stays used: another publish takes the next one.
    assert studio.finished(studio.publish(shot, [note], product="notes")).version == 2


def test_one_that_waits_its_turn_can_be_called_off_and_the_next_gets_it(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    busy = plugins(SLOW.format(order="Extractor", begun=str(tmp_path / "child.pid")))
    holders = [studio.publish(shot, [note], environment=busy) for _ in range(WORKERS_MOST)]
    waits, next_one = (studio.publish(shot, [note], product="notes") for _ in range(2))
    assert not studio.events(stream=f"publish-{waits}", type="publish.worker_started")

    studio.bus.request(CancelPublish(publish=waits, command=new_id()))
    studio.bus.request(CancelPublish(publish=holders[0], command=new_id()))

    assert studio.finished(next_one).state == "succeeded"
    assert studio.finished(waits).state == "cancelled"
    assert not studio.events(stream=f"publish-{waits}", type="publish.worker_started")
    for publish in holders[1:]:
        studio.bus.request(CancelPublish(publish=publish, command=new_id()))
        studio.wait_for_event("publish.worker_ended", stream=f"publish-{publish}")


def test_an_artist_calls_off_no_other_ones_publish(studio: RunningStudio, shot: Shot, note: str) -> None:
    publish = studio.publish(shot, [note], product="notes")
    name = f"ada {new_id()[-8:]}"
    studio.bus.request(AddUser(name=name, password="correct horse", command=new_id()))
    participant = studio.join()
    participant.bus.request(Login(user=name, password="correct horse"))
    with pytest.raises(Forbidden):
        participant.bus.request(CancelPublish(publish=publish, command=new_id()))
    participant.leave()
    assert studio.finished(publish).state == "succeeded"
    with pytest.raises(Conflict, match="nothing left to cancel"):
        studio.bus.request(CancelPublish(publish=publish, command=new_id()))


def test_only_its_own_worker_speaks_for_a_publish(studio: RunningStudio, shot: Shot, note: str) -> None:
    publish = studio.publish(shot, [note], product="notes")
    with pytest.raises(Forbidden):
        studio.bus.request(TakeWork(publish=publish))
    with pytest.raises(Forbidden):
        studio.bus.request(ReportWork(publish=publish, events=(), command=new_id()))
    assert studio.finished(publish).state == "succeeded"


def test_publishes_are_listed_newest_first_in_pages(studio: RunningStudio, shot: Shot, note: str) -> None:
    made = [studio.publish(shot, [note], product="notes") for _ in range(3)]
    for publish in made:
        studio.finished(publish)
    first = studio.bus.request(ListPublishes(project=shot.project, limit=2))
    rest = studio.bus.request(ListPublishes(project=shot.project, limit=2, before=first.publishes[-1].publish))
    assert [info.publish for info in (*first.publishes, *rest.publishes)] == made[::-1]
    assert (first.more, rest.more) == (True, False)


def test_publishes_are_told_apart_by_state_user_product_plugin_and_words(
    studio: RunningStudio, shot: Shot, note: str
) -> None:
    def listed(**wanted: str) -> list[str]:
        found = studio.bus.request(ListPublishes(project=shot.project, **wanted)).publishes  # type: ignore[arg-type]
        return [info.publish for info in found]

    good = studio.publish(shot, [note], product="notes")
    user = studio.finished(good).user
    empty = Path(note).with_name("empty.txt")
    empty.touch()
    bad = studio.publish(shot, [str(empty)], product="scan")
    assert studio.finished(bad).state == "failed"
    assert (listed(state="succeeded"), listed(state="failed"), listed(state="running")) == ([good], [bad], [])
    assert (listed(plugin="extractsource"), listed(plugin="NotEmpty"), listed(plugin="none")) == (
        [good], [bad, good], []
    )  # fmt: skip
    assert (listed(product="Notes"), listed(user=user.upper()), listed(user="nobody")) == ([good], [bad, good], [])
    found = listed(text=f"SCAN {user}"), listed(text=shot.entity), listed(text=f"scan notes {user}")
    assert found == ([bad], [bad, good], [])


def test_a_publish_is_found_by_its_beginning_its_end_and_as_the_last(
    studio: RunningStudio, shot: Shot, note: str
) -> None:
    publish = studio.finished(studio.publish(shot, [note], product="notes")).publish
    for wanted in (publish, publish[-10:], publish[:28]):
        assert studio.bus.request(ShowPublish(publish=wanted)).publish == publish
    with pytest.raises(NotFound):
        studio.bus.request(ShowPublish(publish=publish[-5:]))
    with pytest.raises((Conflict, NotFound)):
        studio.bus.request(ShowPublish(publish="0" * 8))


def test_the_end_of_a_publish_keeps_its_time(studio: RunningStudio, shot: Shot, note: str) -> None:
    info = studio.finished(studio.publish(shot, [note], product="notes"))
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    later = studio.shown(info.publish)
    (succeeded,) = studio.events(stream=f"publish-{info.publish}", type="publish.succeeded")
    assert later.finished_at == succeeded.occurred_at
