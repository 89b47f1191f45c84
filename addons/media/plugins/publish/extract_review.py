"""Make the movie that people review."""

from pathlib import Path

import pyblish.api
from qi_media.frames import display_pixels
from qi_media.movie import write_movie
from qi_media.settings import fps_of, settings_of


class ExtractReview(pyblish.api.InstancePlugin):
    """An H.264 movie of the sequence in sRGB."""

    label = "Review movie"
    order = pyblish.api.ExtractorOrder + 0.2
    families = ["image"]

    def process(self, instance):
        settings = settings_of(instance.context)
        files = [Path(name) for name in instance.data["files"]]
        if len(files) < 2 or not settings.review:
            self.log.info("No review movie: %s", "it is switched off" if len(files) > 1 else "there is one frame")
            return
        output = "_".join(filter(None, (instance.data["output"], "review")))
        path = Path(instance.context.data["staging"]) / f"{output}.mp4"
        write_movie(
            (display_pixels(file, settings) for file in files),
            path,
            fps=fps_of(instance.context),
            size=settings.review_size,
            crf=settings.review_crf,
        )
        instance.data["representations"].append(
            {"name": output, "ext": "mp4", "output": output, "files": [str(path)], "role": "review"}
        )
