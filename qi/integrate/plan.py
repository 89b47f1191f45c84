"""What an integration is to do, as data: where the version goes, and which files it is made of. Any thread."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from events.record import Digest
from qi.errors import Invalid
from qi.paths.values import MAX_SEGMENT_BYTES, text_fault

MARKER = ".qi.json"
"""Hidden file in a claimed, staged or published folder: whose it is, and what lies in it."""

_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a publish puts its version. Raises :class:`Invalid` when it could not be such a place."""

    publish: str
    """Id of the publish, an opaque token `[a-z0-9_]+`."""
    root: Path
    """Absolute folder that the destination must lie in; never made, it must be there."""
    destination: Path
    """Absolute folder of the version; its name is the version's, such as `v003`."""

    def __post_init__(self) -> None:
        faults = {}
        if not self.publish or not set(self.publish) <= _TOKEN:
            faults["publish"] = "must be an opaque token"
        if not self.root.is_absolute():
            faults["root"] = "must be absolute"
        inside = self.destination.is_relative_to(self.root) and self.destination != self.root
        if not inside or ".." in self.destination.parts or text_fault(self.destination.name):
            faults["destination"] = "must lie in the root and have a plain name"
        elif len(os.fsencode(self.private.name)) > MAX_SEGMENT_BYTES:
            faults["destination"] = "has a name too long for the folder beside it that claims it"
        if faults:
            raise Invalid(f"'{self.destination}' cannot be the folder of a version.", fields=faults)

    @property
    def staging(self) -> Path:
        """Folder beside the destination that claims the version, whichever publish asks, and becomes it."""
        return self.destination.with_name(f".{self.destination.name}.qi")

    @property
    def private(self) -> Path:
        """Folder that only this publish ever makes: a claim on its way in, or on its way out."""
        return self.destination.with_name(f".{self.destination.name}.qi-{self.publish}")

    def to_json(self) -> dict[str, Any]:
        return {"publish": self.publish, "root": str(self.root), "destination": str(self.destination)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Place:
        return cls(publish=data["publish"], root=Path(data["root"]), destination=Path(data["destination"]))


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the version."""

    source: Path
    """Absolute path it is copied from."""
    name: str
    """Its path in the version's folder, `/` between levels."""
    size: int
    """Bytes."""
    digest: Digest
    """BLAKE3 of its content."""
    representation: str = ""
    """Name of the representation it belongs to."""
    linkable: bool = False
    """Whether Qi itself wrote the source, and nobody writes to it again: only then may a hard link stand for a copy."""

    def to_json(self) -> dict[str, Any]:
        return {
            "source": str(self.source), "name": self.name, "size": self.size, "digest": self.digest,
            "representation": self.representation, "linkable": self.linkable,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PlannedFile:
        return cls(**{**data, "source": Path(data["source"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """A place and the files that go there. Raises :class:`Invalid` when the files cannot lie in one folder."""

    place: Place
    files: tuple[PlannedFile, ...] = field(default=())

    def __post_init__(self) -> None:
        faults: dict[str, str] = {}
        taken: set[str] = set()
        folders: set[str] = set()
        for file in self.files:
            folded = file.name.casefold()
            if fault := next((fault for level in file.name.split("/") if (fault := text_fault(level))), ""):
                faults[file.name] = fault
            elif folded in taken:
                faults[file.name] = "is planned twice, or in another case"
            elif not file.source.is_absolute():
                faults[file.name] = "has a source that is not absolute"
            taken.add(folded)
            levels = folded.split("/")
            folders |= {"/".join(levels[:count]) for count in range(1, len(levels))}
        faults |= dict.fromkeys(taken & folders, "is planned as a file and as a folder")
        if not self.files:
            faults["files"] = "are none"
        if faults:
            raise Invalid("These files cannot be published together.", fields=faults)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        return {"place": self.place.to_json(), "files": [file.to_json() for file in self.files]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        files = tuple(PlannedFile.from_json(file) for file in data["files"])
        return cls(place=Place.from_json(data["place"]), files=files)
