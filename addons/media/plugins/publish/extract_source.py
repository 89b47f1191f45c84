"""Publish the files as they are."""

import pyblish.api


class ExtractSource(pyblish.api.InstancePlugin):
    """The frames themselves, unchanged and not copied here."""

    label = "Frames"
    order = pyblish.api.ExtractorOrder
    families = ["image", "file"]

    def process(self, instance):
        output, ext, frames = instance.data["output"], instance.data["ext"], instance.data["frames"]
        representation = {
            "name": f"{output}_{ext}" if output else ext or "file",
            "ext": ext,
            "output": output,
            "files": instance.data["files"],
            "role": "source",
        }
        if frames:
            representation["frames"] = [frames[0], frames[-1]]
        instance.data["representations"].append(representation)
