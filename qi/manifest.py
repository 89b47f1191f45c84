"""What a publish was made with: looked up when it was asked for (`Pinned`), sealed when it was collected (`Manifest`).

Both lie in the content store as canonical JSON and are named by digest, so that a replay has exactly what the first
run had. Neither ever holds a secret. Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from events.blobs import Blobs
from events.canonical import canonical
from events.record import Digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedAddon:
    name: str
    version: str
    digest: str
    """Of its folder in the content store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Everything the outcome depends on that was known when the publish was asked for."""

    project: str
    """Name."""
    project_id: str
    root: str
    """Folder that holds the project's folder; absolute."""
    fps: float
    entity: str
    """Path, `seq010/sh0100`."""
    entity_id: str
    task: str
    task_id: str
    product: str
    comment: str
    bundle: str
    bundle_id: str
    bundle_digest: str
    addons: tuple[PinnedAddon, ...]
    settings: dict[str, Any]
    """Addon → effective settings at the pinned position."""
    environment: dict[str, str]
    """Of whoever asked, with the bundle's variables on top; without secrets."""
    host: str
    os_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginTree:
    """A folder of plugins that the environment named, as it was."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUsed:
    name: str
    order: float
    file: str
    """Below its tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFound:
    name: str
    family: str
    families: tuple[str, ...]
    data: dict[str, Any]
    """What of its data JSON can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file the publish reads."""

    path: str
    size: int
    digest: str
    """BLAKE3, 64 hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Sealed after collection."""

    publish: str
    """The publish it was first sealed by."""
    pinned: str
    """Digest of the :class:`Pinned`."""
    plugin_trees: tuple[PluginTree, ...]
    plugins: tuple[PluginUsed, ...]
    instances: tuple[InstanceFound, ...]
    inputs: tuple[Input, ...]
    user: str
    host: str
    system: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)
    """Distribution → version, of what the work was done with."""


def store(blobs: Blobs, value: Pinned | Manifest) -> Digest:
    """Write it before the event that names it."""
    return blobs.put(canonical(msgspec.to_builtins(value)))


def load(blobs: Blobs, kind: type[T], digest: str) -> T:
    """Raises :class:`NotFound` when the content store does not have it."""
    return msgspec.json.decode(blobs.get(Digest(digest)), type=kind)


