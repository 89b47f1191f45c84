"""Reading frames with OpenImageIO: their format, all of their pixels, and what they look like on a screen.

Any thread; OpenImageIO releases the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qi_media.settings import MediaSettings

if TYPE_CHECKING:
    import numpy as np
    import OpenImageIO
    from numpy.typing import NDArray

DISPLAY_SPACE = "srgb_rec709_scene"
LINEAR_SPACE = "lin_rec709_scene"
_FLOATING = ("half", "float", "double")


class UnreadableFrameError(OSError):
    """A frame cannot be read to its end; the message is the reader's reason."""


@dataclass(frozen=True)
class FrameFormat:
    """What all frames of a sequence have in common."""

    resolution: tuple[int, int]
    """Width and height of the display window, pixels."""
    channels: tuple[tuple[str, ...], ...]
    """Channel names of each part."""
    colour_space: str
    """Colour space the first part is taken for."""


def frame_format(path: Path, settings: MediaSettings) -> FrameFormat:
    """The format, from the header alone. Raises :class:`UnreadableFrameError`."""
    with _opened(path) as image:
        specs = list(_parts(image))
    first = specs[0]
    return FrameFormat(
        resolution=(first.full_width, first.full_height),
        channels=tuple(tuple(spec.channelnames) for spec in specs),
        colour_space=_colour_space(first, settings),
    )


def read_every_pixel(path: Path) -> None:
    """Decode all pixels of all parts. Raises :class:`UnreadableFrameError` when one is missing or damaged."""
    import OpenImageIO

    with _opened(path) as image:
        for part, spec in enumerate(_parts(image)):
            if spec.deep:
                pixels = image.read_native_deep_image(part, 0)
            else:
                pixels = image.read_image(part, 0, 0, spec.nchannels, OpenImageIO.UNKNOWN)
            if pixels is None or image.has_error:
                raise UnreadableFrameError(_reason(image.geterror()))


def display_pixels(path: Path, settings: MediaSettings) -> NDArray[np.uint8]:
    """The frame as a screen shows it: sRGB, 8 bit, shape (height, width, 3), the display window over black.

    Shows the first part with red, green and blue; failing that the first channel of the first part as grey. Raises
    :class:`UnreadableFrameError`, also when the colour space is not known.
    """
    import numpy as np
    import OpenImageIO

    with _opened(path) as image:
        part, first_channel, count, spec = _picture(list(_parts(image)))
        pixels = image.read_image(part, 0, first_channel, first_channel + count, OpenImageIO.FLOAT)
        if pixels is None or image.has_error:
            raise UnreadableFrameError(_reason(image.geterror()))
    # Not unpremultiplied: colour times alpha is the picture over black.
    shown = OpenImageIO.ImageBufAlgo.colorconvert(
        OpenImageIO.ImageBuf(np.ascontiguousarray(pixels)),
        _colour_space(spec, settings),
        DISPLAY_SPACE,
        unpremult=False,
        colorconfig=settings.colour_config,
    )
    if shown.has_error:
        raise UnreadableFrameError(_reason(shown.geterror()))
    return _over_black(np.asarray(shown.get_pixels(OpenImageIO.UINT8)), spec)


@contextmanager
def _opened(path: Path) -> Iterator[OpenImageIO.ImageInput]:
    import OpenImageIO

    image = OpenImageIO.ImageInput.open(str(path))
    if image is None:
        raise UnreadableFrameError(_reason(OpenImageIO.geterror()))
    try:
        yield image
    finally:
        image.close()


def _parts(image: OpenImageIO.ImageInput) -> Iterator[OpenImageIO.ImageSpec]:
    """The specification of each part."""
    part = 0
    while image.seek_subimage(part, 0):
        yield image.spec()
        part += 1
    image.geterror()  # seeking past the last part is how one learns that it was the last


def _picture(specs: list[Any]) -> tuple[int, int, int, Any]:
    """Part, first channel, number of channels (3 or 1) and specification of what is worth looking at."""
    for part, spec in enumerate(specs):
        names = [name.upper() for name in spec.channelnames]
        for at in range(len(names) - 2):
            layers = {name.rpartition(".")[0] for name in names[at : at + 3]}
            if [name.rpartition(".")[2] for name in names[at : at + 3]] == ["R", "G", "B"] and len(layers) == 1:
                return part, at, 3, spec
    return 0, 0, 1, specs[0]


def _colour_space(spec: Any, settings: MediaSettings) -> str:
    if settings.colour_space:
        return settings.colour_space
    said: str = spec.get_string_attribute("oiio:ColorSpace")
    return said or (LINEAR_SPACE if str(spec.format) in _FLOATING else DISPLAY_SPACE)


def _over_black(pixels: NDArray[np.uint8], spec: Any) -> NDArray[np.uint8]:
    """Put the data window into the display window; three channels."""
    import numpy as np

    if pixels.shape == (spec.full_height, spec.full_width, 3):
        return pixels
    screen = np.zeros((spec.full_height, spec.full_width, 3), np.uint8)
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    right, bottom = min(left + spec.width, spec.full_width), min(top + spec.height, spec.full_height)
    if right > max(left, 0) and bottom > max(top, 0):
        inside = pixels[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        screen[max(top, 0) : bottom, max(left, 0) : right] = inside
    return screen


def _reason(said: str) -> str:
    """The last line of what the reader said; the first ones repeat it."""
    return (said.strip().splitlines() or ["the file is damaged"])[-1]
