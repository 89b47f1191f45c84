"""No frame may be missing between the first and the last."""

import pyblish.api
from qi_media.errors import MediaError
from qi_media.sources import compact


class ValidateFrameRange(pyblish.api.InstancePlugin):
    """The sequence has no gaps."""

    label = "Frame range"
    order = pyblish.api.ValidatorOrder
    families = ["image", "file"]

    def process(self, instance):
        frames = instance.data["frames"]
        if not frames:
            return
        missing = set(range(frames[0], frames[-1] + 1)) - set(frames)
        if missing:
            raise MediaError(
                "Frames are missing",
                f"{instance.data['name']} runs from {frames[0]} to {frames[-1]} but lacks {compact(missing)}; "
                "whoever loads it would see black or held frames.",
                "Render the missing frames, then publish again.",
            )
