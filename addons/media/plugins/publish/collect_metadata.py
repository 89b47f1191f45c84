"""Describe the images by the header of their first frame."""

from pathlib import Path

import pyblish.api
from qi_media.frames import UnreadableFrameError, frame_format
from qi_media.settings import fps_of, settings_of


class CollectMetadata(pyblish.api.InstancePlugin):
    """Frame range, rate, resolution, channels and colour space."""

    label = "Collect metadata"
    order = pyblish.api.CollectorOrder + 0.1
    families = ["image"]

    def process(self, instance):
        metadata = {}
        if frames := instance.data["frames"]:
            metadata.update(range=[frames[0], frames[-1]], fps=fps_of(instance.context))
        try:
            header = frame_format(Path(instance.data["files"][0]), settings_of(instance.context))
        except UnreadableFrameError as unreadable:
            self.log.warning("The first frame's header cannot be read: %s", unreadable)
        else:
            metadata.update(
                resolution=list(header.resolution),
                channels=[name for part in header.channels for name in part],
                colour_space=header.colour_space,
            )
        instance.data["metadata"] = metadata
