"""Addons that were installed: which versions the studio keeps, since when, from where, by whom.

Each addon lies in `addon-<name>`; what a version *is* lies in the content store under its digest. Any thread;
decisions: actor thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from events.bundles import Bundle, bundle_stream
from events.decider import UNKNOWN_TIME, Fact, Folds, View, need_reason, unexpected
from events.errors import Conflict, Locked, NotFound
from events.record import Change, Digest, DomainEvent, Micros, StreamName, event, stream_name


@event("addon.installed", erasable=("source", "reason"))
class AddonInstalled(DomainEvent):
    """A version came into the content store, for bundles to pin."""

    name: str
    version: str
    digest: str
    """Of its folder in the content store."""
    title: str
    source: str
    """Name of the archive it came in."""
    reason: str
    """What it is for; may be empty."""


@event("addon.removed", erasable=("reason",))
class AddonRemoved(DomainEvent):
    """Nobody finds that version any more. Its content stays: publishes were made with it."""

    version: str
    digest: str
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """One version."""

    version: str
    digest: Digest
    title: str
    source: str
    by: str
    at: Micros = UNKNOWN_TIME


@dataclass(frozen=True, slots=True)
class Addon:
    """What is installed of one addon."""

    name: str
    versions: Mapping[str, Installed]


@dataclass(frozen=True, kw_only=True)
class InstallAddon:
    name: str
    version: str
    digest: Digest
    title: str
    source: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RemoveAddon:
    name: str
    version: str
    reason: str


def addon_stream(name: str) -> StreamName:
    return stream_name("addon", name)


def decide(view: View, command: InstallAddon | RemoveAddon) -> list[Change]:
    """Raises :class:`Conflict` (the version is there with other content), :class:`NotFound` (it is not there),
    :class:`Locked` (a bundle pins it) and :class:`Invalid` (a removal without a reason)."""
    stream = addon_stream(command.name)
    addon = view.get(Addon, stream)
    known = addon.versions.get(command.version) if addon else None
    if isinstance(command, InstallAddon):
        if known is None:
            return [Change(stream, AddonInstalled(
                name=command.name, version=command.version, digest=command.digest, title=command.title,
                source=command.source, reason=command.reason.strip(),
            ))]  # fmt: skip
        if known.digest == command.digest:
            return []
        raise Conflict(
            f"'{command.name}' {command.version} is installed already, with other content",
            remedy="give what was changed a new version in its addon.toml",
            addon=command.name, version=command.version, installed=known.digest, given=command.digest,
        )  # fmt: skip
    if known is None:
        raise NotFound(f"'{command.name}' {command.version} is not installed", addon=command.name)
    held = view.find(Bundle, lambda bundle: bundle_stream(bundle.id), lambda bundle: _pins(bundle, known.digest))
    if held is not None:
        raise Locked(
            f"bundle '{held.name}' pins '{command.name}' {command.version}",
            remedy="archive and delete that bundle first, or keep the addon",
            bundle=held.name,
        )
    reason = need_reason(command.reason)
    return [Change(stream, AddonRemoved(version=command.version, digest=known.digest, reason=reason))]


def evolve(state: Addon | None, fact: Fact) -> Addon:
    match fact.event:
        case AddonInstalled(name=name) as made:
            versions = dict(state.versions) if state is not None else {}
            versions[made.version] = Installed(
                made.version, Digest(made.digest), made.title, made.source, fact.meta.user, fact.at
            )
            return Addon(name, versions)
        case AddonRemoved(version=version) if state is not None:
            return replace(state, versions={key: one for key, one in state.versions.items() if key != version})
    raise unexpected(fact)


FOLDS: Folds = {"addon": evolve}


def _pins(bundle: Bundle, digest: Digest) -> bool:
    return bundle.state != "deleted" and any(pin.digest == digest for pin in bundle.addons.values())
