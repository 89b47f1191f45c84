"""A file of no bytes is a render that ran out of disk or was stopped."""

from pathlib import Path

import pyblish.api
from qi_media.errors import MediaError


class ValidateNotEmpty(pyblish.api.InstancePlugin):
    """Every file has content."""

    label = "Empty files"
    order = pyblish.api.ValidatorOrder + 0.01
    families = ["image", "file"]

    def process(self, instance):
        empty = [path.name for path in map(Path, instance.data["files"]) if path.stat().st_size == 0]
        if empty:
            raise MediaError(
                "Files are empty",
                f"{len(empty)} of {len(instance.data['files'])} files hold no bytes: {', '.join(empty[:5])}"
                f"{' …' if len(empty) > 5 else ''}. The render was stopped or the disk was full.",
                "Render these frames again, then publish again.",
            )
