"""From what plugins produced to the integrate plan: which file goes where, under which name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clique

from events.record import Digest
from qi.errors import Invalid
from qi.integrate import Place, Plan, PlannedFile
from qi.paths import Paths, path_values


@dataclass(frozen=True, slots=True)
class Output:
    """One representation of one instance, as a plugin left it in `instance.data["representations"]`."""

    name: str
    ext: str
    output: str
    """What tells its files apart from others of the same extension; empty for the main ones."""
    files: tuple[Path, ...]
    frames: tuple[int, int] | None
    """First and last frame, where they are frames."""
    metadata: Mapping[str, Any]


def outputs_of(instances: Sequence[Mapping[str, Any]]) -> tuple[Output, ...]:
    """Read the representations of all instances. Raises :class:`Invalid` naming what is malformed."""
    made = []
    for data in instances:
        for found in data.get("representations", ()):
            try:
                files = tuple(Path(file) for file in found["files"])
                name, ext = str(found["name"]), str(found["ext"]).lstrip(".")
                span = found.get("frames")
                frames = (int(span[0]), int(span[1])) if span else None
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise Invalid(
                    f"a representation of '{data.get('name')}' is malformed: {error!r}",
                    remedy="a representation is {'name', 'ext', 'files': [absolute paths]}",
                ) from error
            if not files:
                raise Invalid(f"the representation '{name}' of '{data.get('name')}' has no files")
            main = found.get("role", "source") == "source"
            output = str(found.get("output", "" if main else name))
            made.append(Output(name, ext, output, files, frames, data.get("metadata", {}) if main else {}))
    if not made:
        raise Invalid(
            "no plugin produced anything to publish",
            remedy="an extractor must append to instance.data['representations']",
        )
    return tuple(made)


def plan(
    place: Place,
    outputs: Sequence[Output],
    digests: Mapping[Path, tuple[int, Digest]],
    own: Path,
    paths: Paths,
    values: Mapping[str, str | int],
) -> Plan:
    """The plan of a version. `own` is the folder Qi's extractors wrote to: only files from there may be linked."""
    files = []
    for output in outputs:
        for source, frame in zip(output.files, _frames(output), strict=True):
            keys = {**values, "ext": output.ext, "output": output.output}
            if frame is not None:
                keys["frame"] = frame
            size, digest = digests[source]
            name = paths.publish_name(path_values(**keys))  # type: ignore[arg-type]
            files.append(
                PlannedFile(
                    source=source,
                    name=name,
                    size=size,
                    digest=digest,
                    representation=output.name,
                    linkable=source.is_relative_to(own),
                )
            )
    return Plan(place, tuple(files))


def _frames(output: Output) -> list[int | None]:
    """The frame number of each file: as the plugin said, else read off the names; None for a single file."""
    if output.frames is not None and output.frames[1] - output.frames[0] + 1 == len(output.files):
        return list(range(output.frames[0], output.frames[1] + 1))
    if len(output.files) == 1:
        return [None]
    names = [file.name for file in output.files]
    collections, rest = clique.assemble(names, minimum_items=1)
    if len(collections) != 1 or rest:
        raise Invalid(f"these files are not one sequence: {', '.join(names[:3])} …", files=names[:20])
    head, tail = len(collections[0].head), len(collections[0].tail)
    return [int(name[head : len(name) - tail]) for name in names]
