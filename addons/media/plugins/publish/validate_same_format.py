"""All frames must have one resolution and the same channels."""

from pathlib import Path

import pyblish.api
from qi_media.errors import MediaError
from qi_media.frames import UnreadableFrameError, frame_format
from qi_media.settings import settings_of


class ValidateSameFormat(pyblish.api.InstancePlugin):
    """Resolution and channels do not change within the sequence."""

    label = "Same format"
    order = pyblish.api.ValidatorOrder + 0.03
    families = ["image"]

    def process(self, instance):
        settings = settings_of(instance.context)
        first = first_name = None
        for path in map(Path, instance.data["files"]):
            try:
                found = frame_format(path, settings)
            except UnreadableFrameError:
                self.log.debug("%s has no readable header; another check reports it", path.name)
                continue
            if first is None:
                first, first_name = found, path.name
            elif found.resolution != first.resolution:
                raise _differs(path.name, first_name, "resolution", _size(found), _size(first))
            elif found.channels != first.channels:
                raise _differs(path.name, first_name, "channels", _names(found), _names(first))


def _size(found):
    return "{} x {}".format(*found.resolution)


def _names(found):
    return " ".join(name for part in found.channels for name in part)


def _differs(name, first_name, what, found, expected):
    return MediaError(
        f"The {what} change within the sequence" if what == "channels" else f"The {what} changes within the sequence",
        f"{name} has {found}, but {first_name} has {expected}; compositing would break at that frame.",
        "Render the frames that differ with the settings of the others, then publish again.",
    )
