"""Find the files of every source and make an instance of each."""

import pyblish.api
from qi_media.errors import MediaError
from qi_media.sources import find_source


class CollectFrames(pyblish.api.ContextPlugin):
    """One instance a source: a sequence or a single file."""

    label = "Collect frames"
    order = pyblish.api.CollectorOrder

    def process(self, context):
        named = context.data.get("sources") or []
        if not named:
            raise MediaError(
                "There is nothing to publish",
                "The publish names no source.",
                "Name a file, or a sequence such as 'beauty.####.exr'.",
            )
        sources = [find_source(str(name)) for name in named]
        taken = set()
        for source in sources:
            key = (source.stem.casefold(), source.ext)
            if key in taken:
                raise MediaError(
                    "Two sources have the same name",
                    f"'{source.named}' would get the same published name as another source.",
                    "Rename one, or publish them as two products.",
                )
            taken.add(key)
        for source in sources:
            alone = len(sources) == 1
            instance = context.create_instance(context.data.get("product") or source.stem if alone else source.stem)
            instance.data.update(
                family="media",
                families=["image" if source.is_image else "file"],
                source=source.named,
                output="" if alone else source.stem,
                ext=source.ext,
                files=[str(path) for path in source.files],
                frames=list(source.frames),
                inputs=[str(path) for path in source.files],
                representations=[],
                metadata={},
            )
