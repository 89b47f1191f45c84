"""From what an artist names to the files on the disk."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

LIBRARY = Path(__file__).parents[3] / "addons" / "media" / "lib"


@pytest.fixture(scope="module")
def sources() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(LIBRARY)
        import qi_media.sources

        yield qi_media.sources
    for name in [name for name in sys.modules if name.startswith("qi_media")]:
        del sys.modules[name]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def found(sources: Any, path: Path) -> tuple[str, tuple[int, ...]]:
    source = sources.find_source(str(path))
    return source.stem, source.frames


def test_padding_tells_two_sequences_apart(tmp_path: Path, sources: Any) -> None:
    touch(tmp_path, "a.0009.exr", "a.0010.exr", "a.08.exr", "a.1000.exr", "b.0001.exr", "a.0001.exr.bak", "xa.0001.exr")
    assert found(sources, tmp_path / "a.####.exr") == ("a", (9, 10, 1000))
    assert found(sources, tmp_path / "a.##.exr") == ("a", (8,))
    with pytest.raises(ValueError, match="Two sequences"):
        sources.find_source(str(tmp_path / "a.*.exr"))


def test_frames_may_outgrow_their_padding_or_have_none(tmp_path: Path, sources: Any) -> None:
    touch(tmp_path, *(f"a.{frame}.exr" for frame in (8, 9, 10, 11)), "b.9998.exr", "b.9999.exr", "b.10000.exr")
    assert found(sources, tmp_path / "a.%d.exr") == ("a", (8, 9, 10, 11))
    assert found(sources, tmp_path / "a.*.exr") == ("a", (8, 9, 10, 11))
    assert found(sources, tmp_path / "b.####.exr") == ("b", (9998, 9999, 10000))
    with pytest.raises(ValueError, match="No frame matches"):
        sources.find_source(str(tmp_path / "a.####.exr"))


def test_names_are_taken_literally(tmp_path: Path, sources: Any) -> None:
    touch(tmp_path, "镜头 [x]+.0001.exr", "镜头 [x]+.0002.exr", "shot#1.exr")
    assert found(sources, tmp_path / "镜头 [x]+.####.exr")[1] == (1, 2)
    assert found(sources, tmp_path / "shot#1.exr") == ("shot#1", ())


def test_a_relative_source_is_refused(sources: Any) -> None:
    with pytest.raises(ValueError, match="full path"):
        sources.find_source("beauty.####.exr")


@given(st.sets(st.integers(0, 300)))
def test_compact_frame_numbers_name_the_same_frames(sources: Any, frames: set[int]) -> None:
    named: set[int] = set()
    text = sources.compact(frames)
    for span in filter(None, text.split(", ")):
        first, _, last = span.partition("-")
        named |= set(range(int(first), int(last or first) + 1))
    assert named == frames
    assert text.count(",") == max(0, len([f for f in frames if f - 1 not in frames]) - 1)
