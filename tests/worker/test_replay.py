"""A publish again: going on where it stopped, or anew from its manifest with everything as it was then."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from events.blobs import Blobs
from events.ids import new_id
from events.record import Digest
from qi.contracts.bundles import CreateBundle, GetBundle, PromoteBundle
from qi.contracts.db import ListProducts, ListVersions
from qi.contracts.publish import ListFiles, ListPublishes, PublishInfo, Remap
from qi.contracts.settings import PatchSettings, Setting
from qi.errors import Conflict, Invalid
from qi.manifest import Manifest, Pinned
from qi.testing.fixtures import Said
from qi.testing.images import write_image
from qi.testing.studio import RunningStudio, Shot, start_studio

Plugins = Callable[..., dict[str, str]]

QUICK_S = 3.0
"""A tracker that is there answers within it, also on a busy machine."""
RECORDS_ITS_WORLD = """
    import os
    from pathlib import Path

    CONSTANT = "{constant}"

    class ExtractWorld(pyblish.api.InstancePlugin):
        order = pyblish.api.ExtractorOrder + 0.3

        def process(self, instance):
            timeout = instance.context.data["settings"]["qi"]["publish"]["plugin_timeout_s"]
            said = f"{{CONSTANT}} {{timeout}} {{os.environ['SHOW_LOOK']}} {{os.environ.get('BUNDLE_SAYS', 'nothing')}}"
            path = Path(instance.context.data["staging"]) / "world.txt"
            path.write_text(said)
            instance.data["representations"].append(
                {{"name": "world", "ext": "txt", "output": "world", "files": [str(path)], "role": "world"}})
"""


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("hold the last frame", "utf-8")
    return path


@contextmanager
def tracker_away(studio: RunningStudio) -> Iterator[None]:
    tracker = studio.home.root / "tracker"
    tracker.rename(tracker.with_name("tracker.away"))
    try:
        yield
    finally:
        shutil.rmtree(tracker, ignore_errors=True)
        tracker.with_name("tracker.away").rename(tracker)


def failed_to_register(studio: RunningStudio, shot: Shot, source: Path | str, **more: dict[str, str]) -> PublishInfo:
    """A publish whose tracker goes away once its number is reserved."""
    command = new_id()
    away = studio.home.root / "tracker.away"
    entry = studio.bus.subscribe(
        f"qi.event.publish.{command}.publish.reserved", lambda _: (studio.home.root / "tracker").rename(away)
    )
    try:
        return studio.finished(studio.publish(shot, [str(source)], command=command, **more))
    finally:
        studio.bus.unsubscribe(entry)
        away.rename(studio.home.root / "tracker")


def numbers_in_tracker(studio: RunningStudio, shot: Shot) -> list[int]:
    products = studio.bus.request(ListProducts(project=shot.project)).items
    pages = [studio.bus.request(ListVersions(project=shot.project, product=product.id)).items for product in products]
    return sorted(version.number for page in pages for version in page)


def test_a_publish_that_could_not_register_is_whole_on_disk_and_resumes_to_one_version(
    studio: RunningStudio, shot: Shot, note: Path
) -> None:
    quick = Setting(path="qi.publish.tracker_timeout_s", value=QUICK_S)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(quick,)))

    failed = failed_to_register(studio, shot, note)

    assert failed.error is not None
    assert (failed.state, failed.error.step, failed.version) == ("failed", "registered", 1)
    assert failed.error.remedy
    assert [path.read_text() for path in Path(str(failed.path)).glob("*.txt")] == ["hold the last frame"]
    assert numbers_in_tracker(studio, shot) == []
    assert failed.publish in unsuccessful(studio, shot)

    assert studio.replay(failed.publish, "resume") == failed.publish
    resumed = studio.finished(failed.publish)

    assert (resumed.state, resumed.version, resumed.path) == ("succeeded", 1, failed.path)
    assert resumed.made_good_by == failed.publish
    assert numbers_in_tracker(studio, shot) == [1]
    assert unsuccessful(studio, shot) == []
    assert len(studio.events(stream=f"publish-{failed.publish}", type="publish.committed")) == 1


def unsuccessful(studio: RunningStudio, shot: Shot) -> list[str]:
    found = studio.bus.request(ListPublishes(failed=True, project=shot.project)).publishes
    return [info.publish for info in found]


def test_a_rerun_gives_the_original_result_whatever_changed_since(tmp_path: Path, note: Path, plugins: Plugins) -> None:
    with start_studio(tmp_path / "home") as studio:
        shot = studio.given_project()
        environment = {**plugins(RECORDS_ITS_WORLD.format(constant="first")), "SHOW_LOOK": "warm"}
        settle(studio, shot, 31)
        failed = failed_to_register(studio, shot, note, environment=environment)
        assert failed.state == "failed"
        first = world(studio, failed)
        assert first == "first 31 warm nothing"

        settle(studio, shot, 77)
        plugins(RECORDS_ITS_WORLD.format(constant="second"))
        promote_another(studio)
        asked = {"environment": {**environment, "SHOW_LOOK": "cold"}, "bundle": "production"}
        fresh = studio.finished(studio.publish(shot, [str(note)], **asked))
        assert world(studio, fresh) == "second 77 cold something"

        rerun = studio.finished(studio.replay(failed.publish, "rerun"))

        assert (rerun.state, rerun.replay_of, rerun.version) == ("succeeded", failed.publish, 3)
        assert world(studio, rerun) == first
        assert digests(studio, rerun) == digests(studio, failed)
        assert (rerun.bundle_digest, rerun.position) == (failed.bundle_digest, failed.position)
        assert studio.shown(failed.publish).made_good_by == rerun.publish
        assert unsuccessful(studio, shot) == []


def settle(studio: RunningStudio, shot: Shot, timeout_s: int) -> None:
    changed = (
        Setting(path="qi.publish.plugin_timeout_s", value=timeout_s),
        Setting(path="qi.publish.tracker_timeout_s", value=QUICK_S),
    )
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=changed))


def promote_another(studio: RunningStudio) -> None:
    made = studio.bus.request(CreateBundle(name="next", environment={"BUNDLE_SAYS": "something"}, command=new_id()))
    studio.bus.request(PromoteBundle(bundle=made.name, reason="the next show", command=new_id()))
    assert studio.bus.request(GetBundle()).id == made.id


def world(studio: RunningStudio, info: PublishInfo) -> str:
    files = studio.bus.request(ListFiles(publish=info.publish)).files
    return next(Path(file.path).read_text() for file in files if file.representation == "world")


def digests(studio: RunningStudio, info: PublishInfo) -> set[tuple[str, str]]:
    return {(file.representation, file.digest) for file in studio.bus.request(ListFiles(publish=info.publish)).files}


def test_a_rerun_of_changed_inputs_is_refused_by_name_until_they_are_accepted(
    studio: RunningStudio, shot: Shot, frames: str
) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    write_image(Path(frames.replace("####", "1002")), size=(32, 18), step=9)

    refused = studio.finished(studio.replay(first.publish, "rerun"))

    assert refused.error is not None
    assert (refused.state, refused.error.code, refused.version) == ("failed", 409, None)
    assert "beauty.1002.exr has changed" in refused.error.message
    assert "--accept-changed" in refused.error.remedy
    accepted = studio.finished(studio.replay(first.publish, "rerun", accept_changed=True))
    assert (accepted.state, accepted.version) == ("succeeded", 2)


def test_inputs_that_moved_are_found_under_a_remap(studio: RunningStudio, shot: Shot, frames: str) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    old = Path(frames).parent
    new = old.rename(old.with_name("moved"))

    lost = studio.finished(studio.replay(first.publish, "rerun"))
    assert lost.state == "failed"
    assert lost.error is not None
    assert str(old) in lost.error.message

    found = studio.finished(studio.replay(first.publish, "rerun", remap=(Remap(old=str(old), new=str(new)),)))
    assert found.state == "succeeded", found.error
    assert digests(studio, found) == digests(studio, first)


def test_the_command_names_inputs_that_changed_or_moved_and_goes_on_when_told_how(
    qi: Callable[..., Said], studio: RunningStudio, shot: Shot, frames: str
) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    old = Path(frames).parent
    new = old.rename(old.with_name("elsewhere"))

    moved = qi("replay", first.publish, "--mode", "rerun", "--json")
    assert moved.code == 1
    assert str(old) in moved.json["error"]["message"]
    assert "--remap" in moved.json["error"]["remedy"]
    found = qi("replay", first.publish, "--mode", "rerun", "--remap", f"{old}={new}", "--json")
    assert (found.code, found.json["version"]) == (0, 2), found.err

    write_image(new / "beauty.1002.exr", size=(32, 18), step=9)
    changed = qi("replay", first.publish, "--mode", "rerun", "--remap", f"{old}={new}", "--json")
    assert changed.code == 1
    assert "beauty.1002.exr has changed" in changed.json["error"]["message"]
    assert "--accept-changed" in changed.json["error"]["remedy"]
    assert changed.json["version"] is None
    taken = qi("replay", first.publish, "--mode", "rerun", "--remap", f"{old}={new}", "--accept-changed", "--json")
    assert (taken.code, taken.json["version"]) == (0, 3), taken.err


def test_an_artist_who_mends_a_frame_resumes_with_a_word(studio: RunningStudio, shot: Shot, frames: str) -> None:
    second = Path(frames.replace("####", "1002"))
    second.unlink()
    failed = studio.finished(studio.publish(shot, [frames]))
    assert failed.state == "failed"
    write_image(second, size=(32, 18))

    studio.replay(failed.publish, "resume")
    again = studio.finished(failed.publish)
    assert again.state == "failed"
    assert again.error is not None
    assert "beauty.1002.exr is new" in again.error.message

    studio.replay(failed.publish, "resume", accept_changed=True)
    resumed = studio.finished(failed.publish)
    assert (resumed.state, resumed.version) == ("succeeded", 1), resumed.error


def test_a_follow_up_runs_once_also_when_the_publish_is_resumed(
    studio: RunningStudio, shot: Shot, note: Path, plugins: Plugins, tmp_path: Path
) -> None:
    told, broken = tmp_path / "told.txt", tmp_path / "broken"
    broken.touch()
    environment = plugins(f"""
        import os

        class TellTheFarm(pyblish.api.ContextPlugin):
            order = pyblish.api.IntegratorOrder
            def process(self, context):
                open({str(told)!r}, "a").write("told\\n")

        class TellTheClient(pyblish.api.ContextPlugin):
            order = pyblish.api.IntegratorOrder + 0.1
            def process(self, context):
                if os.path.exists({str(broken)!r}):
                    raise RuntimeError("the client does not answer")
    """)
    failed = studio.finished(studio.publish(shot, [str(note)], environment=environment))
    assert failed.error is not None
    assert (failed.state, failed.error.step) == ("failed", "TellTheClient")
    broken.unlink()

    studio.replay(failed.publish, "resume")
    resumed = studio.finished(failed.publish)

    assert resumed.state == "succeeded", resumed.error
    assert told.read_text() == "told\n"


def test_what_succeeded_cannot_be_resumed_and_what_never_collected_cannot_be_rerun(
    studio: RunningStudio, shot: Shot, note: Path, plugins: Plugins
) -> None:
    good = studio.finished(studio.publish(shot, [str(note)]))
    with pytest.raises(Conflict, match="nothing to resume"):
        studio.replay(good.publish, "resume")

    raises = plugins("""
        class Refuse(pyblish.api.ContextPlugin):
            order = pyblish.api.CollectorOrder
            def process(self, context):
                raise RuntimeError("no")
    """)
    bad = studio.finished(studio.publish(shot, [str(note)], environment=raises))
    with pytest.raises(Conflict, match="collected nothing"):
        studio.replay(bad.publish, "rerun")


def test_a_word_on_an_outcome_is_refused_where_all_are_known(studio: RunningStudio, shot: Shot, note: Path) -> None:
    quick = Setting(path="qi.publish.tracker_timeout_s", value=QUICK_S)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(quick,)))
    failed = failed_to_register(studio, shot, note)

    with pytest.raises(Invalid, match="all outcomes are known"):
        studio.replay(failed.publish, "resume", took_effect=True)


def test_the_manifest_holds_what_a_replay_needs_and_no_secret(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins
) -> None:
    environment = {**plugins(RECORDS_ITS_WORLD.format(constant="c")), "SHOW_LOOK": "warm", "FARM_TOKEN": "abcdefghij"}
    info = studio.finished(studio.publish(shot, [frames], environment=environment))

    blobs = Blobs(studio.home.blobs)
    manifest = msgspec.json.decode(blobs.get(Digest(info.manifest)), type=Manifest)
    pinned = msgspec.json.decode(blobs.get(Digest(manifest.pinned)), type=Pinned)
    assert {plugin.name for plugin in manifest.plugins} >= {"CollectFrames", "ValidateReadable", "ExtractWorld"}
    assert [tree.path for tree in manifest.plugin_trees] == [environment["PYBLISHPLUGINPATH"]]
    assert [Path(one.path).name for one in manifest.inputs] == [f"beauty.{n}.exr" for n in (1001, 1002, 1003)]
    assert all(len(one.digest) == 64 and one.size for one in manifest.inputs)
    assert [instance.family for instance in manifest.instances] == ["media"]
    assert (manifest.user, bool(manifest.host), bool(manifest.python)) == (info.user, True, True)
    assert manifest.versions["pyblish-base"]
    assert pinned.environment["SHOW_LOOK"] == "warm"
    assert "FARM_TOKEN" not in pinned.environment
    assert pinned.settings["qi"]["publish"]["plugin_timeout_s"] > 0
    assert {addon.name for addon in pinned.addons} >= {"local", "media"}
