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


@dataclass(frozen=True, kw_only=True)
class EditBundle:
    """Change addons and variables of a dev bundle; `None` takes one away."""

    bundle: str
    addons: Mapping[str, AddonPin | None] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class PatchBundleSettings:
    """Change the settings scope of a dev bundle."""

    bundle: str
    patches: tuple[Patch, ...]
    reason: str = ""
    expected: int | None = None
    """Version of the bundle's stream the values were read at; `None` takes whatever is there."""
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


@dataclass(frozen=True, kw_only=True)
class RevertPointer:
    """Point at the bundle before the present one."""

    pointer: str
    reason: str
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


Command = CreateBundle | EditBundle | PatchBundleSettings | FreezeBundle | PromoteBundle | RevertPointer | ArchiveBundle
