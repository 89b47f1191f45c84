"""Make the picture that lists show."""

from pathlib import Path

import pyblish.api
from qi_media.frames import display_pixels
from qi_media.movie import write_thumbnail
from qi_media.settings import settings_of


class ExtractThumbnail(pyblish.api.InstancePlugin):
    """The middle frame, small and in sRGB."""

    label = "Thumbnail"
    order = pyblish.api.ExtractorOrder + 0.1
    families = ["image"]

    def process(self, instance):
        settings = settings_of(instance.context)
        files = instance.data["files"]
        output = "_".join(filter(None, (instance.data["output"], "thumbnail")))
        path = Path(instance.context.data["staging"]) / f"{output}.jpg"
        write_thumbnail(display_pixels(Path(files[len(files) // 2]), settings), path, settings.thumbnail_size)
        instance.data["representations"].append(
            {"name": output, "ext": "jpg", "output": output, "files": [str(path)], "role": "thumbnail"}
        )
