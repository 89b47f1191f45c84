"""A publish of good files, and of files that are not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from actors.publishes.service import WORKERS_MOST
from events.ids import new_id
from events.record import Event
from qi.contracts.db import ListProducts, ListRepresentations, ListVersions
from qi.contracts.publish import ListFiles, PublishedFile, PublishInfo
from qi.errors import Conflict, Invalid, NotFound
from qi.testing.images import empty, truncate, write_image, write_sequence
from qi.testing.studio import RunningStudio, Shot
from qi.wire import Message


def files_of(studio: RunningStudio, publish: str) -> tuple[PublishedFile, ...]:
    return studio.bus.request(ListFiles(publish=publish)).files


def done(studio: RunningStudio, shot: Shot, source: str, **more: str) -> PublishInfo:
    return studio.finished(studio.publish(shot, [source], **more))


def test_a_good_sequence_is_published_byte_for_byte_with_thumbnail_and_movie(
    studio: RunningStudio, shot: Shot, frames: str
) -> None:
    info = done(studio, shot, frames)

    assert (info.state, info.version, info.error) == ("succeeded", 1, None)
    found = files_of(studio, info.publish)
    assert len(found) == info.files == 5
    sources = sorted(Path(frames).parent.iterdir())
    published = [Path(file.path) for file in found if file.representation == "exr"]
    assert [path.read_bytes() for path in published] == [source.read_bytes() for source in sources]
    for file in found:
        content = Path(file.path).read_bytes()
        assert (file.size, file.digest) == (len(content), blake3(content).hexdigest())
        assert Path(file.path).parent == Path(str(info.path))
    assert sorted(file.representation for file in found if file.representation != "exr") == ["review", "thumbnail"]
    shown = {path.name for path in Path(str(info.path)).iterdir() if not path.name.startswith(".")}
    assert shown == {Path(file.path).name for file in found}


@pytest.mark.parametrize("pattern", ["beauty.####.exr", "beauty.%04d.exr", "beauty.*.exr"])
def test_every_way_to_write_a_pattern_names_the_same_frames(
    studio: RunningStudio, shot: Shot, frames: str, pattern: str
) -> None:
    info = done(studio, shot, str(Path(frames).parent / pattern))

    assert (info.state, info.files) == ("succeeded", 5)


def test_a_single_file_is_a_version_without_a_movie(studio: RunningStudio, shot: Shot, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("hold the last frame", "utf-8")

    info = done(studio, shot, str(notes), product="notes")

    assert info.state == "succeeded"
    assert [Path(file.path).read_text("utf-8") for file in files_of(studio, info.publish)] == ["hold the last frame"]


def test_folders_and_names_may_hold_spaces_and_any_script(studio: RunningStudio, tmp_path: Path) -> None:
    shot = studio.given_project(f"Leuchtturm 灯台 {new_id()[-8:]}", entity="säq 1/shot ä", task="комп")
    write_sequence(tmp_path / "mit Leerzeichen 日本", "Schön heit", 1, 2, size=(16, 9))

    info = done(studio, shot, str(tmp_path / "mit Leerzeichen 日本" / "Schön heit.####.exr"), product="Schönheit")

    assert info.state == "succeeded", info.error
    assert all(Path(file.path).is_file() for file in files_of(studio, info.publish))


@pytest.mark.parametrize(
    ("fault", "validator"),
    [("missing", "ValidateFrameRange"), ("truncated", "ValidateReadable"), ("zero", "ValidateNotEmpty"),
     ("mixed", "ValidateSameFormat")],
)  # fmt: skip
def test_bad_frames_fail_at_their_validator_and_use_no_number(
    studio: RunningStudio, shot: Shot, frames: str, fault: str, validator: str
) -> None:
    second = Path(frames.replace("####", "1002"))
    match fault:
        case "missing":
            second.unlink()
        case "truncated":
            truncate(second)
        case "zero":
            empty(second)
        case "mixed":
            write_image(second, size=(16, 16))

    failed = done(studio, shot, frames)

    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.step.startswith(validator)
    assert failed.error.code == 422
    assert "1002" in failed.error.message
    assert failed.error.remedy
    assert (failed.version, failed.path, failed.files) == (None, None, 0)
    write_image(second, size=(32, 18))
    good = done(studio, shot, frames)
    assert (good.state, good.version) == ("succeeded", 1)


def test_a_source_that_is_not_there_is_refused_before_a_publish_exists(
    studio: RunningStudio, shot: Shot, tmp_path: Path
) -> None:
    command = new_id()

    with pytest.raises(NotFound, match="no such file"):
        studio.publish(shot, [str(tmp_path / "nothing.####.exr")], command=command)
    with pytest.raises(Invalid, match="folder"):
        studio.publish(shot, [str(tmp_path)], command=command)
    assert studio.events(stream=f"publish-{command}") == []


def test_a_product_name_that_makes_no_path_is_refused(studio: RunningStudio, shot: Shot, frames: str) -> None:
    with pytest.raises(Invalid):
        studio.publish(shot, [frames], product="../../outside")


def test_a_version_is_not_visible_before_it_is_complete(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    seen: list[set[str] | None] = []
    command, told = new_id(), tmp_path / "told.txt"
    folder = studio.home.projects / shot.project / shot.entity / "publish" / "beauty" / "v001"

    def look(_: Message) -> None:
        seen.append({path.suffix for path in folder.iterdir() if path.name[0] != "."} if folder.is_dir() else None)

    # What is heard may be heard late: that it is not there yet when all is extracted is for the worker to say.
    environment = plugins(f"""
        import os

        class LookBefore(pyblish.api.ContextPlugin):
            order = pyblish.api.ExtractorOrder + 0.45
            def process(self, context):
                open({str(told)!r}, "w").write(str(os.path.exists({str(folder)!r})))
    """)
    entry = studio.bus.subscribe(f"qi.event.publish.{command}.>", look)
    info = studio.finished(studio.publish(shot, [frames], command=command, environment=environment))
    studio.bus.unsubscribe(entry)

    assert info.path == str(folder)
    assert {there is None for there in seen} == {True, False}
    assert all(there in (None, {".exr", ".jpg", ".mp4"}) for there in seen)
    assert told.read_text() == "False"


def test_the_same_command_twice_is_one_publish(studio: RunningStudio, shot: Shot, frames: str) -> None:
    command = new_id()

    first = studio.publish(shot, [frames], command=command)
    again = studio.publish(shot, [frames], command=command)

    assert first == again == command
    assert studio.finished(command).version == 1
    assert len(studio.events(stream=f"publish-{command}", type="publish.requested")) == 1
    assert len(studio.events(stream=f"publish-{command}", type="publish.worker_started")) == 1
    with pytest.raises(Conflict):
        studio.publish(shot, [frames], command=command, product="another")


def test_fifty_publishes_of_one_product_at_once_are_fifty_whole_versions_and_never_fifty_processes(
    studio: RunningStudio, shot: Shot, tmp_path: Path
) -> None:
    def ask(number: int) -> str:
        note = tmp_path / f"note{number}.txt"
        note.write_text(f"note {number}", "utf-8")
        return studio.publish(shot, [str(note)], product="notes")

    with ThreadPoolExecutor(50) as pool:
        asked = list(pool.map(ask, range(50)))
    infos = [studio.finished(publish, 240) for publish in asked]

    assert [info.state for info in infos] == ["succeeded"] * 50
    assert sorted(info.version or 0 for info in infos) == list(range(1, 51))
    for number, info in enumerate(infos):
        (file,) = files_of(studio, info.publish)
        assert Path(file.path).read_text("utf-8") == f"note {number}"
    product = Path(str(infos[0].path)).parent
    assert sorted(path.name for path in product.iterdir()) == [f"v{number:03d}" for number in range(1, 51)]
    alive = most = 0
    wanted = {f"publish-{publish}" for publish in asked}
    studio.wait_for(lambda: True if ended_workers(studio, wanted) == 50 else None, "qi.event.publish.>")
    for event in studio.events(type="publish.worker_*"):
        if event.stream in wanted:
            alive += 1 if event.type == "publish.worker_started" else -1
            most = max(most, alive)
    assert (alive, most) == (0, WORKERS_MOST)


def ended_workers(studio: RunningStudio, streams: set[str]) -> int:
    return sum(event.stream in streams for event in studio.events(type="publish.worker_ended"))


def test_the_same_command_many_times_at_once_is_one_publish(studio: RunningStudio, shot: Shot, tmp_path: Path) -> None:
    note, command = tmp_path / "note.txt", new_id()
    note.write_text("only once", "utf-8")

    with ThreadPoolExecutor(8) as pool:
        asked = set(pool.map(lambda _: studio.publish(shot, [str(note)], product="notes", command=command), range(8)))

    assert asked == {command}
    assert studio.finished(command).version == 1
    for kind in ("requested", "worker_started", "reserved"):
        assert len(studio.events(stream=f"publish-{command}", type=f"publish.{kind}")) == 1, kind


def test_two_publishes_at_once_draw_two_unbroken_trees(
    studio: RunningStudio, shot: Shot, frames: str, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("beside it", "utf-8")

    first, second = studio.publish(shot, [frames]), studio.publish(shot, [str(note)], product="notes")
    assert studio.finished(first).state == studio.finished(second).state == "succeeded"

    trees = [tree_of(studio, publish) for publish in (first, second)]
    for publish, events in zip((first, second), trees, strict=True):
        roots = [event for event in events if event.meta.cause not in {other.id for other in events}]
        assert [root.type for root in roots] == ["publish.requested"]
        assert {event.stream for event in events if event.stream.startswith("publish-")} == {f"publish-{publish}"}
        assert {event.type for event in events} >= {"version.reserved", "publish.registered", "publish.succeeded"}
        assert {event.meta.user for event in events} == {roots[0].meta.user}
    assert not {event.id for event in trees[0]} & {event.id for event in trees[1]}


def tree_of(studio: RunningStudio, publish: str) -> list[Event]:
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{publish}")
    (asked,) = studio.events(stream=f"publish-{publish}", type="publish.requested")
    return studio.events(trace=asked.meta.trace)


def test_the_tracker_knows_a_published_version_whole(studio: RunningStudio, shot: Shot, frames: str) -> None:
    info = studio.finished(studio.publish(shot, [frames], comment="first pass"))

    (product,) = studio.bus.request(ListProducts(project=shot.project, entity=shot.entity)).items
    (version,) = studio.bus.request(ListVersions(project=shot.project, product=product.id)).items
    assert (version.number, version.publish, version.comment) == (1, info.publish, "first pass")
    found = studio.bus.request(ListRepresentations(project=shot.project, version=version.id)).items
    assert sorted(one.name for one in found) == ["exr", "review", "thumbnail"]
    exr = next(one for one in found if one.name == "exr")
    assert exr.folder == info.path
    assert [file.digest for file in exr.files] == [
        file.digest for file in files_of(studio, info.publish) if file.representation == "exr"
    ]
    assert exr.metadata["range"] == [1001, 1003]
    assert exr.metadata["fps"] == 24.0
    assert exr.metadata["resolution"] == [32, 18]
    assert exr.metadata["channels"] == ["R", "G", "B", "A"]
    assert exr.metadata["colour_space"]
