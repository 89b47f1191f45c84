"""No frame may be missing between the first and the last."""

import shutil
from pathlib import Path

import pyblish.api
from qi_media.errors import MediaError
from qi_media.sources import compact


class ValidateFrameRange(pyblish.api.InstancePlugin):
    """The sequence has no gaps."""

    label = "Frame range"
    order = pyblish.api.ValidatorOrder
    families = ["image", "file"]
    repair_title = "Hold the frame before each gap"

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

    def repair(self, instance):
        """Copies of the frame before fill the gaps, in the publish's own folder; the version says which they are."""
        frames, files = instance.data["frames"], instance.data["files"]
        there = dict(zip(frames, map(Path, files), strict=True))
        wanted = range(frames[0], frames[-1] + 1)
        held = [frame for frame in wanted if frame not in there]
        # Beside what extractors write, which is named by its output.
        folder = Path(instance.context.data["staging"]) / "held" / (instance.data["output"] or "main")
        folder.mkdir(parents=True, exist_ok=True)
        for frame in held:
            before = there[frame - 1]
            there[frame] = folder / f"{frame}{before.suffix}"
            shutil.copyfile(before, there[frame])
        instance.data.update(files=[str(there[frame]) for frame in wanted], frames=list(wanted))
        instance.data["metadata"]["held"] = held
        self.log.info("%s: the frame before each was held for %s", instance.data["name"], compact(held))
