"""The media addon: what artists may publish, what they are told when they may not, and what comes out."""

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO
import pytest

from qi.discovery import Status, discover
from qi.plugin import Kind
from qi.testing.images import empty, truncate, write_image, write_parts, write_sequence

ADDON = Path(__file__).parents[3] / "addons" / "media"

# pyblish and the compatibility layer in it are older than these warnings.
pytestmark = [
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),
    pytest.mark.filterwarnings("ignore:_SixMetaPathImporter:ImportWarning"),
]


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(ADDON / "lib")
    yield
    for name in [name for name in sys.modules if name.startswith(("qi_media", "qi_plugin_"))]:
        del sys.modules[name]


def publish(tmp_path: Path, *sources: Path | str, **data: Any) -> tuple[Any, dict[str, Exception | None]]:
    """The context after the addon's plugins ran over it, and what each said, by its class."""
    import pyblish.api
    import pyblish.util

    staging = tmp_path / data.pop("staging", "staging")
    staging.mkdir()
    context = pyblish.api.Context()
    context.data.update(sources=[str(source) for source in sources], product="beauty", staging=str(staging), **data)
    records = discover(ADDON / "plugins", Kind.PUBLISH)
    assert all(record.status is Status.READY for record in records), records
    plugins = sorted((plugin for record in records for plugin in record.plugins), key=lambda plugin: plugin.order)
    pyblish.util.publish(context, plugins)
    return context, {result["plugin"].__name__: result["error"] for result in context.data["results"]}


def refusal(tmp_path: Path, *sources: Path | str, by: str) -> str:
    """What the only plugin that refuses tells the artist."""
    _, said = publish(tmp_path, *sources)
    assert [name for name, error in said.items() if error] == [by]
    error: Any = said[by]
    assert error.title
    assert error.remedy
    assert not any(name.startswith("Extract") for name in said)
    return str(error)


def representations(context: Any) -> dict[str, dict[str, Any]]:
    return {r["name"]: r for instance in context for r in instance.data["representations"]}


@pytest.mark.parametrize("pattern", ["beauty.####.exr", "beauty.%04d.exr", "beauty.*.exr"])
def test_a_sequence_is_published_with_thumbnail_and_review(tmp_path: Path, pattern: str) -> None:
    frames = write_sequence(tmp_path / "render", "beauty", 1001, 1005)
    context, said = publish(tmp_path, tmp_path / "render" / pattern, fps=25)
    assert not any(said.values())
    made = representations(context)
    assert list(made) == ["exr", "thumbnail", "review"]
    assert made["exr"] == {
        "name": "exr", "ext": "exr", "output": "", "files": [str(path) for path in frames],
        "frames": [1001, 1005], "role": "source",
    }  # fmt: skip
    (instance,) = context
    assert instance.data["inputs"] == [str(path) for path in frames]
    assert instance.data["metadata"] == {
        "range": [1001, 1005], "fps": 25.0, "resolution": [64, 36], "channels": ["R", "G", "B", "A"],
        "colour_space": "lin_rec709_scene",
    }  # fmt: skip


def decoded(path: str) -> tuple[list[np.ndarray], Any]:
    with av.open(path) as movie:
        stream = movie.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in movie.decode(stream)]
        return frames, (stream.width, stream.height, stream.average_rate, stream.codec_context.pix_fmt, movie.metadata)


def test_review_and_thumbnail_show_the_frames_in_srgb(tmp_path: Path) -> None:
    folder = tmp_path / "render"
    folder.mkdir()
    linear = np.array([0.18, 0.5, 0.02], np.float32)
    for frame in (1, 2, 3):
        spec = OpenImageIO.ImageSpec(64, 36, 3, OpenImageIO.HALF)
        write_parts(folder / f"grey.{frame}.exr", [(spec, np.broadcast_to(linear, (36, 64, 3)))])
    context, said = publish(tmp_path, folder / "grey.*.exr", fps=23.976)
    assert not any(said.values())
    made = representations(context)
    srgb = np.array([118, 188, 39])  # 255 * (1.055 * x ** (1 / 2.4) - 0.055), rounded
    frames, (*size, rate, pixel, metadata) = decoded(made["review"]["files"][0])
    assert (len(frames), size, rate, pixel) == (3, [64, 36], Fraction(24000, 1001), "yuv420p")
    assert "creation_time" not in metadata
    assert all(np.abs(frame - srgb).max() <= 4 for frame in frames)
    thumbnail = OpenImageIO.ImageBuf(made["thumbnail"]["files"][0]).get_pixels(OpenImageIO.UINT8).astype(int)
    assert np.abs(thumbnail - srgb).max() <= 4


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    write_sequence(tmp_path / "render", "beauty", 1, 4, size=(130, 70))
    first, second = (
        representations(publish(tmp_path, tmp_path / "render" / "beauty.####.exr", staging=name)[0])
        for name in ("first", "second")
    )
    for name in ("thumbnail", "review"):
        one, other = (Path(made[name]["files"][0]) for made in (first, second))
        assert one != other
        assert one.read_bytes() == other.read_bytes()
    assert OpenImageIO.ImageBuf(first["thumbnail"]["files"][0]).spec().get_string_attribute("DateTime") == ""


def test_odd_and_large_frames_make_a_movie_of_even_size(tmp_path: Path) -> None:
    write_sequence(tmp_path / "render", "odd", 1, 2, size=(641, 361))
    context, said = publish(
        tmp_path, tmp_path / "render" / "odd.####.exr", settings={"media": {"review_size": 320, "thumbnail_size": 64}}
    )
    assert not any(said.values())
    made = representations(context)
    _, (width, height, *_) = decoded(made["review"]["files"][0])
    assert (width, height) == (320, 180)
    thumbnail = OpenImageIO.ImageBuf(made["thumbnail"]["files"][0]).spec()
    assert (thumbnail.width, thumbnail.height) == (64, 36)


@pytest.mark.parametrize("channels", [("Y",), ("u", "v"), ("R", "G", "B", "A", "Z"), ("a.R", "a.G", "a.B", "b.R")])
def test_images_of_any_channels_get_a_picture(tmp_path: Path, channels: tuple[str, ...]) -> None:
    write_sequence(tmp_path / "render", "pass", 1, 2, channels=channels)
    context, said = publish(tmp_path, tmp_path / "render" / "pass.####.exr")
    assert not any(said.values())
    made = representations(context)
    pixels = OpenImageIO.ImageBuf(made["thumbnail"]["files"][0]).get_pixels(OpenImageIO.UINT8).astype(int)
    assert pixels.shape == (36, 64, 3)
    assert pixels.max() > 200
    grey = np.abs(pixels - pixels.mean(axis=2, keepdims=True)).max() < 12
    assert grey == (len(channels) < 3)


def write_multipart(path: Path) -> None:
    """A depth part first, then colours in a data window that reaches out of the display window."""
    depth = OpenImageIO.ImageSpec(64, 36, 1, OpenImageIO.HALF)
    depth.channelnames = ("Z",)
    colour = OpenImageIO.ImageSpec(32, 60, 3, OpenImageIO.HALF)
    colour.x, colour.y = 16, -10
    for name, spec in (("depth", depth), ("colour", colour)):
        spec.full_width, spec.full_height = 64, 36
        spec.attribute("oiio:subimagename", name)
        spec.attribute("name", name)
    red = np.broadcast_to(np.array([1, 0, 0], np.float32), (60, 32, 3))
    write_parts(path, [(depth, np.zeros((36, 64, 1), np.float32)), (colour, red)])


def test_of_several_parts_the_one_with_colours_is_shown_in_the_display_window(tmp_path: Path) -> None:
    for frame in (1, 2):
        write_multipart(tmp_path / f"multi.{frame:04d}.exr")
    context, said = publish(tmp_path, tmp_path / "multi.####.exr")
    assert not any(said.values())
    (instance,) = context
    assert instance.data["metadata"]["resolution"] == [64, 36]
    assert instance.data["metadata"]["channels"] == ["Z", "R", "G", "B"]
    made = representations(context)
    pixels = OpenImageIO.ImageBuf(made["thumbnail"]["files"][0]).get_pixels(OpenImageIO.UINT8).astype(int)
    assert pixels.shape == (36, 64, 3)
    assert (np.abs(pixels[:, 20:44] - [255, 0, 0]) < 30).all()
    assert (pixels[:, :12] < 30).all()
    assert (pixels[:, 52:] < 30).all()


def test_a_damaged_later_part_is_found(tmp_path: Path) -> None:
    for frame in (1, 2):
        write_multipart(tmp_path / f"multi.{frame:04d}.exr")
    truncate(tmp_path / "multi.0002.exr", 0.9)
    assert "multi.0002.exr" in refusal(tmp_path, tmp_path / "multi.####.exr", by="ValidateReadable")


def test_a_single_image_is_published_without_frames_and_review(tmp_path: Path) -> None:
    write_image(tmp_path / "concept v2.png", channels=("R", "G", "B"))
    context, said = publish(tmp_path, tmp_path / "concept v2.png")
    assert not any(said.values())
    made = representations(context)
    assert list(made) == ["png", "thumbnail"]
    assert "frames" not in made["png"]
    (instance,) = context
    assert "range" not in instance.data["metadata"]
    assert instance.data["metadata"]["colour_space"] != "lin_rec709_scene"
    shown = OpenImageIO.ImageBuf(made["thumbnail"]["files"][0]).get_pixels(OpenImageIO.UINT8).astype(int)
    original = OpenImageIO.ImageBuf(str(tmp_path / "concept v2.png")).get_pixels(OpenImageIO.UINT8).astype(int)
    assert np.abs(shown - original).mean() < 4


def test_a_file_that_is_no_image_is_published_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "robot.usd").write_text("#usda 1.0")
    context, said = publish(tmp_path, tmp_path / "robot.usd")
    assert not any(said.values())
    assert list(representations(context)) == ["usd"]


def test_several_sources_become_one_version_with_distinct_names(tmp_path: Path) -> None:
    write_sequence(tmp_path, "beauty", 1, 2)
    write_sequence(tmp_path, "depth", 1, 2, channels=("Z",))
    context, said = publish(tmp_path, tmp_path / "beauty.####.exr", tmp_path / "depth.####.exr")
    assert not any(said.values())
    made = representations(context)
    assert sorted(made) == [
        "beauty_exr", "beauty_review", "beauty_thumbnail", "depth_exr", "depth_review", "depth_thumbnail",
    ]  # fmt: skip
    assert len({path for r in made.values() for path in r["files"]}) == 8


def test_missing_frames_are_listed_compactly(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 12, size=(8, 8))
    for index in (2, 5, 6, 7, 9):
        frames[index].unlink()
    assert "lacks 3, 6-8, 10;" in refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateFrameRange")


def test_a_frame_of_no_bytes_is_refused(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 3)
    empty(frames[1])
    assert "beauty.0002.exr" in refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateNotEmpty")


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.99])
def test_a_half_written_frame_is_refused(tmp_path: Path, keep: float) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 3)
    truncate(frames[1], keep)
    said = refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateReadable")
    assert "1 of 3 frames" in said
    assert "beauty.0002.exr" in said


def test_a_frame_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 2)
    content = bytearray(frames[0].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = b"\xff" * 200
    frames[0].write_bytes(content)
    assert "beauty.0001.exr" in refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateReadable")


def test_a_change_of_resolution_or_channels_is_refused(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 3)
    write_image(frames[1], size=(32, 36))
    said = refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateSameFormat")
    assert "beauty.0002.exr has 32 x 36, but beauty.0001.exr has 64 x 36" in said


def test_a_change_of_channels_is_refused(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path, "beauty", 1, 3)
    write_image(frames[2], channels=("R", "G", "B"))
    said = refusal(tmp_path, tmp_path / "beauty.####.exr", by="ValidateSameFormat")
    assert "beauty.0003.exr has R G B, but beauty.0001.exr has R G B A" in said


def test_an_unknown_colour_space_is_told(tmp_path: Path) -> None:
    write_sequence(tmp_path, "beauty", 1, 2)
    _, said = publish(tmp_path, tmp_path / "beauty.####.exr", settings={"media": {"colour_space": "house_log"}})
    assert "house_log" in str(said["ExtractThumbnail"])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("none.####.exr", "No file in"),
        ("none.exr", "does not exist"),
        ("beauty.###.exr", "There is 'beauty.%04d.exr"),
        ("folder", "is a folder"),
        ("beauty.####.####.exr", "names the frame twice"),
        ("away/beauty.####.exr", "No file in"),
    ],
)
def test_a_source_that_cannot_be_found_is_told(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    write_sequence(tmp_path, "beauty", 1, 2)
    assert told in refusal(tmp_path, tmp_path / source, by="CollectFrames")


def test_a_publish_needs_a_source_with_a_full_path(tmp_path: Path) -> None:
    assert "names no source" in refusal(tmp_path, by="CollectFrames")


def test_sources_of_one_name_are_told(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_sequence(tmp_path / folder, "beauty", 1, 2)
    sources = [tmp_path / folder / "beauty.####.exr" for folder in ("a", "b")]
    assert "same published name" in refusal(tmp_path, *sources, by="CollectFrames")


def test_finding_the_plugins_loads_no_image_library() -> None:
    program = (
        "import sys; from pathlib import Path; from qi.discovery import discover; sys.path.insert(0, sys.argv[2])\n"
        "records = discover(Path(sys.argv[1]))\n"
        "assert len(records) == 9 and not any(record.reason for record in records), records\n"
        "print([name for name in ('OpenImageIO', 'av', 'numpy') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, ADDON / "plugins", ADDON / "lib"], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
