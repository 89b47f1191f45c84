"""Small pictures and movies for people to look at. The same input gives the same bytes: replays compare digests.

Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENCODER_THREADS = 4
"""Fixed, because the encoder's output depends on it."""

JPEG_QUALITY = 90


def write_thumbnail(pixels: NDArray[np.uint8], path: Path, size: int) -> None:
    """Write an sRGB JPEG whose longer side is `size` pixels at most. Raises :class:`OSError`."""
    import av
    import OpenImageIO

    height, width = pixels.shape[:2]
    new_width, new_height = _fitted(width, height, size, even=False)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    small = frame.reformat(width=new_width, height=new_height, interpolation="AREA").to_ndarray(format="rgb24")
    picture = OpenImageIO.ImageBuf(small)
    picture.specmod().attribute("Compression", f"jpeg:{JPEG_QUALITY}")
    if not picture.write(str(path)):
        raise OSError(picture.geterror())


def write_movie(frames: Iterable[NDArray[np.uint8]], path: Path, *, fps: float, size: int, crf: int) -> None:
    """Write an H.264 movie of sRGB frames, `size` pixels on the longer side at most. Raises :class:`OSError`."""
    import av

    rate = frame_rate(fps)
    options = {"movflags": "faststart", "fflags": "bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as movie:
        stream = None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = movie.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"})
                height, width = pixels.shape[:2]
                stream.width, stream.height = _fitted(width, height, size, even=True)
                stream.pix_fmt = "yuv420p"
                codec = stream.codec_context
                codec.thread_count, codec.time_base = ENCODER_THREADS, 1 / rate
                # Rec.709 matrix and primaries, sRGB curve, video range: what the conversion below makes.
                codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = 1, 1, 13, 1
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                width=stream.width,
                height=stream.height,
                format="yuv420p",
                interpolation="BICUBIC",
                dst_colorspace="ITU709",
                dst_color_range="MPEG",
            )
            frame.pts, frame.time_base = number, 1 / rate
            movie.mux(stream.encode(frame))
        if stream is not None:
            movie.mux(stream.encode())


def frame_rate(fps: float) -> Fraction:
    """The exact rate that a rounded one stands for: 23.976 is 24000/1001."""
    nominal = Fraction(round(fps * 1.001) * 1000, 1001)
    if fps != round(fps) and abs(float(nominal) - fps) < 0.005:
        return nominal
    return Fraction(fps).limit_denominator(1000)


def _fitted(width: int, height: int, size: int, *, even: bool) -> tuple[int, int]:
    """The picture's size scaled down to `size` on its longer side; never up."""
    scale = min(1.0, size / max(width, height))
    step = 2 if even else 1
    return tuple(max(step, round(side * scale / step) * step) for side in (width, height))  # type: ignore[return-value]
