"""A validator's own repair: asked for by a person, done in the worker, validated again, and named in the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from events.ids import new_id
from qi.contracts.db import ListProducts, ListRepresentations, ListVersions
from qi.contracts.publish import ListFiles, RepairPublish
from qi.errors import Conflict, Invalid
from qi.testing.fixtures import Said
from qi.testing.studio import RunningStudio, Shot


def test_frames_are_held_where_some_are_missing_and_a_rerun_holds_them_too(
    studio: RunningStudio, shot: Shot, frames: str, qi: Callable[..., Said]
) -> None:
    folder = Path(frames).parent
    (folder / "beauty.1002.exr").unlink()
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    failed = studio.finished(studio.publish(shot, [frames]))
    assert failed.state == "failed"
    (offer,) = failed.offers
    assert (offer.plugin, offer.title) == ("ValidateFrameRange", "Hold the frame before each gap")
    with pytest.raises(Invalid, match="offers no repair"):
        studio.bus.request(RepairPublish(publish=failed.publish, steps=("ValidateReadable:beauty",), command=new_id()))

    assert f"{offer.title} (ValidateFrameRange of beauty)" in qi("show", failed.publish).out
    assert qi("replay", failed.publish, "--repair").code == 0
    done = studio.finished(failed.publish)

    assert (done.state, done.version, done.offers) == ("succeeded", 1, ())
    held = studio.bus.request(ListFiles(publish=done.publish)).files
    exr = sorted(Path(file.path) for file in held if file.representation == "exr")
    assert [path.read_bytes() for path in exr] == [
        there["beauty.1001.exr"], there["beauty.1001.exr"], there["beauty.1003.exr"]
    ]  # fmt: skip
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == there
    (product,) = studio.bus.request(ListProducts(project=shot.project, entity=shot.entity)).items
    (version,) = studio.bus.request(ListVersions(project=shot.project, product=product.id)).items
    known = studio.bus.request(ListRepresentations(project=shot.project, version=version.id)).items
    assert next(one.metadata for one in known if one.name == "exr")["held"] == [1002]
    steps = [(step.plugin, step.outcome) for step in done.steps if step.plugin.startswith("ValidateFrameRange")]
    assert steps == [
        ("ValidateFrameRange", "failed"), ("ValidateFrameRange.repair", "ok"), ("ValidateFrameRange", "ok")
    ]  # fmt: skip
    (asked,) = [event for event in studio.events() if event.type == "publish.repair_asked"
                and event.stream == f"publish-{done.publish}"]  # fmt: skip
    assert (asked.data["plugin"], asked.data["title"]) == (offer.plugin, offer.title)
    assert asked.data["user"] == done.user == done.repairs[0].user
    with pytest.raises(Conflict, match="nothing to repair"):
        studio.bus.request(RepairPublish(publish=done.publish, steps=(offer.step,), command=new_id()))

    again = studio.finished(studio.replay(done.publish, "rerun"))
    assert (again.state, again.version, again.files) == ("succeeded", 2, done.files)
    assert again.repairs == done.repairs
