"""Small image sequences for tests: a pattern that moves, the same on every machine. Any thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import OpenImageIO


def write_sequence(
    folder: Path,
    name: str,
    first: int,
    last: int,
    *,
    size: tuple[int, int] = (64, 36),
    channels: Sequence[str] = ("R", "G", "B", "A"),
    padding: int = 4,
) -> list[Path]:
    """Write half-float EXR frames `name.<frame>.exr`, linear, and return their paths. `size` is width, height."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{frame:0{padding}d}.exr" for frame in range(first, last + 1)]
    for number, path in enumerate(paths):
        write_image(path, size=size, channels=channels, step=number)
    return paths


def write_image(
    path: Path, *, size: tuple[int, int] = (64, 36), channels: Sequence[str] = ("R", "G", "B", "A"), step: int = 0
) -> None:
    """Write one picture of the pattern, `step` pixels along; alpha is 1. The extension decides the format."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    ramp = ((columns + step) % width) / width
    pattern = [ramp, rows / height, (ramp + rows / height) / 2]
    layers = [np.ones_like(ramp) if c == "A" else pattern[at % 3] for at, c in enumerate(channels)]
    spec = OpenImageIO.ImageSpec(
        width, height, len(channels), OpenImageIO.HALF if path.suffix == ".exr" else OpenImageIO.UINT8
    )
    spec.channelnames = tuple(channels)
    write_parts(path, [(spec, np.stack(layers, axis=-1))])


def write_parts(path: Path, parts: Sequence[tuple[OpenImageIO.ImageSpec, np.ndarray]]) -> None:
    """Write the parts of one file; pixels are shaped (height, width, channels)."""
    output = OpenImageIO.ImageOutput.create(str(path))
    if output is None:
        raise OSError(OpenImageIO.geterror())
    specs = [spec for spec, _ in parts]
    done = output.open(str(path), tuple(specs)) if len(specs) > 1 else output.open(str(path), specs[0])
    for number, (spec, pixels) in enumerate(parts):
        if number:
            done = done and output.open(str(path), spec, "AppendSubimage")
        done = done and output.write_image(np.ascontiguousarray(pixels))
    if not (done and output.close()):
        raise OSError(output.geterror())


def truncate(path: Path, keep: float = 0.5) -> None:
    """Leave the first part of a file, as a render that was stopped does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def empty(path: Path) -> None:
    """Leave a file of no bytes."""
    path.write_bytes(b"")
