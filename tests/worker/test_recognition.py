"""What is recognised before a publish, and where its version would go."""

from __future__ import annotations

from pathlib import Path

import pytest

from qi.contracts.preview import PreviewVersion, Recognise
from qi.errors import Invalid, NotFound
from qi.testing.studio import RunningStudio, Shot


def recorded(studio: RunningStudio) -> list[str]:
    """Ids of all events but the last of a publish, which comes when its version is long there."""
    return [event.id for event in studio.events() if event.type != "publish.worker_ended"]


def test_collectors_say_what_they_find_and_where_it_would_go_and_nothing_is_recorded(
    studio: RunningStudio, shot: Shot, frames: str
) -> None:
    (Path(frames).parent / "beauty.1002.exr").unlink()
    where = {"project": shot.project, "entity": shot.entity, "task": shot.task, "product": "plate"}
    before = recorded(studio)

    found = studio.bus.request(Recognise(**where, sources=(frames,)))
    (one,) = found.instances
    assert (one.name, one.family, one.families) == ("plate", "media", ("image",))
    assert (one.sequence, one.files, one.first, one.last) == ("beauty.####.exr", 2, 1001, 1003)
    assert (one.gaps, one.missing, one.collected_by) == ("1002", 1, "CollectFrames")
    assert one.size == sum(path.stat().st_size for path in Path(frames).parent.iterdir())
    assert one.taken_by[0] == "ValidateFrameRange"
    assert "ExtractReview" in one.taken_by

    told = studio.bus.request(PreviewVersion(**where))
    assert (told.version, Path(told.path).name) == (1, "v001")
    assert told.file.endswith("1001.exr")

    with pytest.raises(NotFound, match="no such file"):
        studio.bus.request(Recognise(**where, sources=("/nowhere/a.####.exr",)))
    with pytest.raises(Invalid, match="Two sources have the same name"):
        studio.bus.request(Recognise(**where, sources=(frames, str(Path(frames).with_name("beauty.%04d.exr")))))
    assert recorded(studio) == before
    assert list(studio.home.runs.glob(".look-*")) == []

    (Path(frames).parent / "beauty.1003.exr").unlink()
    done = studio.finished(studio.publish(shot, [str(Path(frames).with_name("beauty.1001.exr"))], product="plate"))
    again = studio.bus.request(PreviewVersion(**where))
    assert (done.path, again.version) == (told.path, 2)
