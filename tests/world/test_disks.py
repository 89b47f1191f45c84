"""A publish, and the disks it needs: full, read-only, gone, another one. It says so, and a replay finishes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_disks import Disk, Share

from events.ids import new_id
from qi.contracts.bundles import ListBundles
from qi.contracts.db import CreateProject, ListProjects
from qi.contracts.log import VerifyLog
from qi.contracts.publish import ListFiles, PublishInfo
from qi.contracts.settings import GetSettings, PatchSettings, Setting
from qi.errors import NotFound, QiError
from qi.testing.processes import children
from qi.testing.studio import RunningStudio, Shot, start_studio

MIB = 1 << 20
CONTENT = "hold the last frame\n" * (3 * MIB // 20)


@pytest.fixture
def note(tmp_path: Path) -> str:
    """A source of 3 MiB."""
    (tmp_path / "note.txt").write_text(CONTENT, "utf-8")
    return str(tmp_path / "note.txt")


def product_of(root: Path, shot: Shot) -> Path:
    return root / shot.project / shot.entity / "publish" / "notes"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def refused(info: PublishInfo, why: str, remedy: str, step: str) -> None:
    assert info.state == "failed"
    assert info.error is not None
    assert (why in info.error.message, remedy in info.error.remedy, info.error.step) == (True, True, step), info.error
    assert info.path is None


def resumed(studio: RunningStudio, publish: str, product: Path, version: str = "v001") -> None:
    """A replay finishes it: one whole version and nothing beside it."""
    studio.replay(publish, "resume")
    info = studio.finished(publish)
    assert info.state == "succeeded", info.error
    (file,) = studio.bus.request(ListFiles(publish=publish)).files
    assert Path(file.path).read_text("utf-8") == CONTENT
    assert names(product) == [version]


def test_a_full_destination_is_said_and_a_replay_finishes_what_was_begun(
    studio: RunningStudio, disk: Disk, note: str
) -> None:
    disk.ballast.write_bytes(bytes(2 * MIB))
    shot = studio.given_project(root=str(disk.path))
    product = product_of(disk.path, shot)

    info = studio.finished(studio.publish(shot, [note], product="notes"))

    remedy = f"make room there, then resume the publish (`qi replay {info.publish}`)"
    refused(info, "the disk is full", remedy, "staged")
    assert str(product) in str(info.error)
    (reserved,) = studio.events(stream=f"publish-{info.publish}", type="publish.reserved")
    assert [str(product / name) for name in names(product)] == [reserved.data["staging"]]
    disk.free()
    resumed(studio, info.publish, product)


def test_a_destination_without_any_room_is_left_without_a_trace(studio: RunningStudio, disk: Disk, note: str) -> None:
    shot = studio.given_project(root=str(disk.path))
    product = product_of(disk.path, shot)
    disk.fill()

    info = studio.finished(studio.publish(shot, [note], product="notes"))

    refused(info, "the disk is full", "make room there", "reserved")
    assert names(product) == []
    disk.free()
    resumed(studio, info.publish, product)


def test_a_read_only_destination_is_said(studio: RunningStudio, disk: Disk, note: str) -> None:
    shot = studio.given_project(root=str(disk.path))
    disk.remount("ro")

    info = studio.finished(studio.publish(shot, [note], product="notes"))

    refused(info, "the disk is read-only", "how it is mounted", "reserved")
    assert names(disk.path) == []
    disk.remount("rw")
    resumed(studio, info.publish, product_of(disk.path, shot))


TAKES_IT_AWAY = """
    import os, subprocess

    class TakesTheDiskAway(pyblish.api.ContextPlugin):
        order = pyblish.api.ExtractorOrder - 0.4

        def process(self, context):
            if os.path.exists({armed!r}):
                os.unlink({armed!r})
                subprocess.run({command!r}, check=True)
"""


@pytest.mark.parametrize("below", [True, False], ids=["root below the mount", "root is the mount"])
def test_a_destination_that_goes_amid_a_publish_is_missed_and_nothing_is_written_in_its_place(
    studio: RunningStudio, share: Share, note: str, plugins: Callable[..., dict[str, str]], tmp_path: Path, below: bool
) -> None:
    armed = tmp_path / "armed"
    armed.touch()
    root = share.path / "projects" if below else share.path
    root.mkdir(exist_ok=True)
    shot = studio.given_project(root=str(root))
    environment = plugins(TAKES_IT_AWAY.format(armed=str(armed), command=share.take()))

    info = studio.finished(studio.publish(shot, [note], product="notes", environment=environment))

    refused(info, "not there" if below else "no longer there", "ount", "staged")
    studio.replay(info.publish, "resume")
    refused(studio.finished(info.publish), "not there" if below else "no longer there", "ount", "staged")
    assert names(share.path) == []
    share.bring()
    product = product_of(root, shot)
    assert names(product) == [".v001.qi"]
    resumed(studio, info.publish, product)


def test_a_claim_that_somebody_tidied_away_is_made_again(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]]
) -> None:
    product = product_of(studio.home.projects, shot)
    environment = plugins(f"""
        import shutil

        class Tidies(pyblish.api.ContextPlugin):
            order = pyblish.api.ExtractorOrder - 0.4

            def process(self, context):
                shutil.rmtree({str(product / ".v001.qi")!r})
    """)

    info = studio.finished(studio.publish(shot, [note], product="notes", environment=environment))

    refused(info, "no longer there", "resume the publish", "staged")
    assert names(product) == []
    resumed(studio, info.publish, product)


def test_a_destination_on_another_file_system_gets_copies(studio: RunningStudio, disk: Disk, frames: str) -> None:
    shot = studio.given_project(root=str(disk.path))
    assert disk.path.stat().st_dev != studio.home.runs.stat().st_dev

    info = studio.finished(studio.publish(shot, [frames]))

    assert (info.state, info.files) == ("succeeded", 5), info.error
    for file in studio.bus.request(ListFiles(publish=info.publish)).files:
        found = Path(file.path).stat()
        assert (found.st_size, found.st_nlink, found.st_dev) == (file.size, 1, disk.path.stat().st_dev)


def test_a_link_out_of_the_root_is_refused_and_nothing_is_written_behind_it(
    studio: RunningStudio, shot: Shot, note: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = studio.home.projects / shot.project
    link.symlink_to(outside)

    info = studio.finished(studio.publish(shot, [note], product="notes"))

    refused(info, f"'{link}' is a link that leads out of", "Put a folder in its place", "reserved")
    assert names(outside) == []
    link.unlink()
    resumed(studio, info.publish, product_of(studio.home.projects, shot))


def test_a_link_that_comes_amid_a_publish_is_refused_too(
    studio: RunningStudio, shot: Shot, note: str, plugins: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    project, outside = studio.home.projects / shot.project, tmp_path / "outside"
    environment = plugins(f"""
        import os

        class Redirects(pyblish.api.ContextPlugin):
            order = pyblish.api.ExtractorOrder - 0.4

            def process(self, context):
                os.rename({str(project)!r}, {str(outside)!r})
                os.symlink({str(outside)!r}, {str(project)!r})
    """)

    info = studio.finished(studio.publish(shot, [note], product="notes", environment=environment))

    refused(info, "is a link that leads out of", "Put a folder in its place", "staged")
    assert [path.name for path in outside.rglob("*") if path.is_file()] == [".qi.json"]
    project.unlink()
    outside.rename(project)
    resumed(studio, info.publish, product_of(studio.home.projects, shot))


def test_a_linked_source_is_published_as_a_file_and_a_dead_link_is_refused(
    studio: RunningStudio, shot: Shot, note: str, tmp_path: Path
) -> None:
    link, dead = tmp_path / "latest.txt", tmp_path / "dead.txt"
    link.symlink_to(note)
    dead.symlink_to(tmp_path / "nothing")

    info = studio.finished(studio.publish(shot, [str(link)], product="notes"))

    assert info.state == "succeeded", info.error
    (file,) = studio.bus.request(ListFiles(publish=info.publish)).files
    assert not Path(file.path).is_symlink()
    assert Path(file.path).read_text("utf-8") == CONTENT
    with pytest.raises(NotFound, match="no such file"):
        studio.publish(shot, [str(dead)], product="notes")


FILLS_THE_HOME = """
    import os

    class FillsTheHome(pyblish.api.ContextPlugin):
        order = pyblish.api.ExtractorOrder - 0.4

        def process(self, context):
            if os.path.exists({armed!r}):
                os.unlink({armed!r})
                with open({ballast!r}, "ab", buffering=0) as file:
                    block = 1 << 20
                    while block >= 4096:
                        try:
                            file.write(bytes(block))
                        except OSError:
                            block //= 2
"""


def test_on_a_full_home_everything_is_answered_and_nothing_is_half_kept(
    mountable: Path, tmp_path: Path, plugins: Callable[..., dict[str, str]]
) -> None:
    disk = Disk(mountable, 64)
    (tmp_path / "note.txt").write_text("hold", "utf-8")
    armed, root = tmp_path / "armed", tmp_path / "root"
    root.mkdir()

    def patch(value: int) -> int:
        done = studio.bus.request(
            PatchSettings(
                scope="user", settings=(Setting(path="media.thumbnail_size", value=value),), command=new_id()
            )
        )
        return int(done.revision)

    with start_studio(disk.path / "home") as studio:
        shot = studio.given_project(root=str(root))
        patch(32)
        before = len(studio.events())
        disk.fill()

        for _ in range(3):
            with pytest.raises(QiError, match="cannot be used: database or disk is full") as full:  # noqa: PT012
                for size in range(64, 2000):  # what is left of the WAL's last page
                    patch(size)
            assert "space" in full.value.remedy
        with pytest.raises(QiError, match="the disk is full") as full:
            studio.bus.request(CreateProject(name="No room", command=new_id()))
        assert "make room" in full.value.remedy
        with pytest.raises(QiError, match="full"):
            studio.publish(shot, [str(tmp_path / "note.txt")], product="notes")
        assert studio.bus.request(GetSettings(addon="media")).values
        assert studio.bus.request(ListBundles()).bundles
        assert shot.project in [project.name for project in studio.bus.request(ListProjects()).items]

        disk.free()
        assert studio.bus.request(VerifyLog()).events == len(studio.events())
        assert all(event.type.startswith("settings.") for event in studio.events(after=before))
        patch(128)

        armed.touch()
        environment = plugins(FILLS_THE_HOME.format(armed=str(armed), ballast=str(disk.ballast)))
        publish = studio.publish(shot, [str(tmp_path / "note.txt")], product="notes", environment=environment)
        studio.wait_for(lambda: disk.ballast.exists() or None, "qi.feed.>", 30)
        studio.wait_for(lambda: not children(studio.pid, "qi.worker") or None, "qi.feed.>", 30)
        disk.free()
        stopped = studio.finished(publish)
        assert stopped.state in ("failed", "interrupted"), stopped
        assert not list(root.rglob("v001"))
        studio.wait_for_event("publish.worker_ended", stream=f"publish-{publish}")
        studio.replay(publish, "resume")
        info = studio.finished(publish)
        assert info.state == "succeeded", info.error
        assert names(product_of(root, shot)) == ["v001"]
        assert studio.bus.request(VerifyLog()).events == len(studio.events())


