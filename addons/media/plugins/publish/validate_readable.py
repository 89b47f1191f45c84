"""Every frame must be whole: a header alone does not tell a half-written one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyblish.api
from qi_media.errors import MediaError
from qi_media.frames import UnreadableFrameError, read_every_pixel

READ_THREADS = 2
"""Frames read at a time; each keeps all its pixels in memory, and the reader uses threads of its own."""


class ValidateReadable(pyblish.api.InstancePlugin):
    """Every pixel of every frame can be read."""

    label = "Readable frames"
    order = pyblish.api.ValidatorOrder + 0.02
    families = ["image"]

    def process(self, instance):
        paths = [path for path in map(Path, instance.data["files"]) if path.stat().st_size > 0]
        with ThreadPoolExecutor(READ_THREADS) as pool:
            faults = {path.name: fault for path, fault in zip(paths, pool.map(_fault, paths), strict=True) if fault}
        if faults:
            name, reason = next(iter(faults.items()))
            raise MediaError(
                "Frames cannot be read",
                f"{len(faults)} of {len(paths)} frames are damaged or half-written: {', '.join(list(faults)[:5])}"
                f"{' …' if len(faults) > 5 else ''}. The reader says of {name}: {reason}.",
                "Render these frames again, then publish again.",
            )


def _fault(path):
    try:
        read_every_pixel(path)
    except UnreadableFrameError as unreadable:
        return str(unreadable)
    return ""
