"""From what an artist names (`beauty.####.exr`) to files on the disk. Any thread; reads folders only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import clique

from qi_media.errors import MediaError

IMAGE_EXTENSIONS = frozenset(
    {"bmp", "cin", "dpx", "exr", "hdr", "iff", "jpeg", "jpg", "png", "psd", "sgi", "tga", "tif", "tiff", "tx", "webp"}
)

_PLACEHOLDER = re.compile(r"#+|%0?\d*d|\*")


@dataclass(frozen=True)
class Source:
    """The files that one named source stands for."""

    named: str
    """As the artist named it."""
    stem: str
    """Its file name without frame number and extension."""
    ext: str
    """Extension, lower-case and without the dot."""
    files: tuple[Path, ...]
    """Absolute paths, by frame."""
    frames: tuple[int, ...]
    """Frame numbers, rising; none for a single file."""

    @property
    def is_image(self) -> bool:
        return self.ext in IMAGE_EXTENSIONS


def find_source(named: str) -> Source:
    """The files of `name.####.exr`, `name.%04d.exr`, `name.*.exr`, or of one file named as it is.

    Raises :class:`MediaError` when there are none, or when two sequences match.
    """
    path = Path(named)
    if not path.is_absolute():
        raise MediaError(
            "The source has no full path",
            f"'{named}' is relative, and the publish does not run in the folder you are in.",
            "Name the source by its full path.",
        )
    if path.is_file():
        return Source(named, _tidy(path.stem), path.suffix[1:].lower(), (path,), ())
    placeholders = _PLACEHOLDER.findall(path.name)
    if len(placeholders) != 1:
        problem = "is a folder" if path.is_dir() else "does not exist" if not placeholders else "names the frame twice"
        raise MediaError(
            "The source cannot be found",
            f"'{named}' {problem}.",
            "Name a file, or a sequence by one placeholder such as 'beauty.####.exr'.",
        )
    return _find_sequence(path, placeholders[0])


def compact(frames: Iterable[int]) -> str:
    """Frame numbers for people: `1001-1003, 1007`."""
    spans: list[list[int]] = []
    for frame in sorted(frames):
        if spans and frame == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], frame]
        else:
            spans.append([frame])
    return ", ".join("-".join(str(frame) for frame in span) for span in spans)


def _find_sequence(path: Path, placeholder: str) -> Source:
    head, tail = path.name.split(placeholder)
    digits = re.compile(re.escape(head) + clique.DIGITS_PATTERN + re.escape(tail) + "$")
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    found, _ = clique.assemble([name for name in names if digits.match(name)], patterns=[digits], minimum_items=1)
    padding = _padding(placeholder)
    matching = [c for c in found if padding is None or _pads_to(c, padding)]
    if not matching:
        there = f" There is '{found[0].format()}'." if found else ""
        raise MediaError(
            "No frame matches the source",
            f"No file in '{path.parent}' is named like '{path.name}'.{there}",
            "Check the name and how many digits the frame numbers have.",
        )
    if len(matching) > 1:
        both = " and ".join(f"'{collection.format()}'" for collection in matching)
        raise MediaError(
            "Two sequences match the source",
            f"'{path.name}' stands for {both}, whose frame numbers are padded differently.",
            "Name one of them by its digits, such as '####'.",
        )
    (collection,) = matching
    frames = tuple(sorted(collection.indexes))
    files = tuple(path.parent / f"{head}{frame:0{collection.padding}d}{tail}" for frame in frames)
    return Source(str(path), _tidy(head or tail), path.suffix[1:].lower(), files, frames)


def _padding(placeholder: str) -> int | None:
    """Digits that a placeholder asks for: 0 is unpadded, None is any."""
    if placeholder == "*":
        return None
    return len(placeholder) if placeholder[0] == "#" else int(placeholder[1:-1] or 0)


def _pads_to(collection: clique.Collection, padding: int) -> bool:
    # Without a leading zero anywhere, 1001-1010 is both padded to 4 digits and not padded at all.
    if collection.padding:
        return bool(collection.padding == padding)
    return all(len(str(frame)) >= padding for frame in collection.indexes)


def _tidy(stem: str) -> str:
    """A name that can be part of a published file's: dots would be taken for frame or extension."""
    return re.sub(r"[.\s_-]+", "_", stem).strip("_") or "file"
