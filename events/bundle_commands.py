"""What can be asked of bundles and pointers. Any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from events.bundle_events import AddonPin
from events.settings import Patch, Secrets


@dataclass(frozen=True, kw_only=True)
class CreateBundle:
    """A new dev bundle. One that is born frozen is this and a :class:`FreezeBundle`, decided as one."""

    id: str
    name: str
    addons: Mapping[str, AddonPin] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[Patch, ...] = ()
    secrets: Secrets = field(default_factory=dict)
    reason: str = ""
    origin: str = ""
    """Id of the bundle it is a clone of."""


@dataclass(frozen=True, kw_only=True)
class CloneBundle:
    """A new dev bundle with all that another one has."""

    id: str
    name: str
    origin: str
    """Id of the other one."""
    secrets: Secrets = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class EditBundle:
    """Change addons and variables of a dev bundle; `None` takes one away."""

    bundle: str
    addons: Mapping[str, AddonPin | None] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    reason: str = ""
    expected: str | None = None
    """Digest that the bundle must still have; None asks for nothing."""


@dataclass(frozen=True, kw_only=True)
class PatchBundleSettings:
    """Change the settings scope of a dev bundle."""

    bundle: str
    patches: tuple[Patch, ...]
    reason: str = ""
    expected: int | None = None
    """Version of the bundle's stream the values were read at; `None` takes whatever is there."""
    by: str = ""
    """Who asks, for the words of a conflict."""
    secrets: Secrets = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FreezeBundle:
    """Make a dev bundle unchangeable."""

    bundle: str
    digests: Mapping[str, str] = field(default_factory=dict)
    """Addon → digest of its source folder in the content store, for those pinned by `path`."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class PromoteBundle:
    """Point at a frozen bundle."""

    bundle: str
    pointer: str
    reason: str
    replaces: str | None = None
    """Digest the pointer is expected to point at, empty for none at all; `None` takes whatever is there."""
    automatic: bool = False
    """Whether no person asks for it: a hold then stands against it."""


@dataclass(frozen=True, kw_only=True)
class RevertPointer:
    """Go back to the bundle before the present one, or further back to the one that is named."""

    pointer: str
    reason: str
    bundle: str = ""
    """Id; empty for the one before the present one."""
    replaces: str | None = None
    """As in :class:`PromoteBundle`."""


@dataclass(frozen=True, kw_only=True)
class ArchiveBundle:
    """Put a bundle away that nothing uses any more."""

    bundle: str
    reason: str
    digest: str | None = None
    """Digest the bundle is expected to have; `None` takes whatever it has."""
    used_by: tuple[str, ...] = ()
    """Names of the projects and contexts that refer to it, as far as the caller knows."""


@dataclass(frozen=True, kw_only=True)
class RestoreBundle:
    """Take an archived bundle out again."""

    bundle: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DeleteBundle:
    """Let an archived bundle that nothing needs be found no more."""

    bundle: str
    reason: str
    used_by: tuple[str, ...] = ()
    """What needs it, as far as the caller knows: publishes that were made with it."""


@dataclass(frozen=True, kw_only=True)
class RecordCheck:
    """What a check found."""

    bundle: str
    digest: str
    problems: tuple[str, ...]
    addons: int
    tests: int
    settings: int
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class RequireCheck:
    """Ask of every bundle that comes to a pointer that it was checked, or ask it no more."""

    pointer: str
    required: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class LiftHold:
    """Allow automatic promotions again after somebody went back."""

    pointer: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PinBundle:
    """Let a project or an entity use a bundle of its own; without a bundle it uses production again."""

    of: str
    """`project` or `entity`."""
    target: str
    """Its id."""
    label: str
    """Its name, for people."""
    bundle: str
    """Id; empty to take the pin away."""
    reason: str
    replaces: str | None = None
    """Digest of the bundle it is expected to use now, empty for none; `None` takes whatever is there."""


Command = (
    CreateBundle | CloneBundle | EditBundle | PatchBundleSettings | FreezeBundle | PromoteBundle | RevertPointer
    | ArchiveBundle | RestoreBundle | DeleteBundle | RecordCheck | RequireCheck | LiftHold | PinBundle
)  # fmt: skip
