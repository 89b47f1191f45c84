"""Bundles: which addons, environment and settings belong together, and where production and staging point.

A bundle lies in `bundle-<id>` with its settings scope; a pointer in `pointer-production` or `pointer-staging`. What a
bundle is comes from folding its stream, so "as it was at position P" needs nothing but folding up to P. Any thread;
decisions: actor thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any, Final, TypeVar

from events import names
from events.bundle_commands import (
    ArchiveBundle,
    Command,
    CreateBundle,
    EditBundle,
    FreezeBundle,
    PatchBundleSettings,
    PromoteBundle,
    RevertPointer,
)
from events.bundle_events import (
    AddonPin,
    BundleAddonChanged,
    BundleArchived,
    BundleCreated,
    BundleFrozen,
    BundleSettingsChanged,
    BundleVariableChanged,
    PointerMoved,
)
from events.canonical import canonical, digest_of
from events.decider import UNKNOWN_TIME, Fact, Folds, View, need_reason, unexpected
from events.errors import Conflict, Gone, Invalid, Locked, NotFound
from events.record import NO_STREAM, Change, Digest, DomainEvent, Micros, StreamName, stream_name
from events.settings import Scope, check_revision, differences, with_difference

T = TypeVar("T")

POINTERS: Final = ("production", "staging")
SHORTEST_DIGEST_CHARACTERS = 8
UNSEALED = Digest("")
MICROS_A_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as its stream tells it."""

    id: str
    name: str
    state: str
    """`dev`, `frozen` or `archived`."""
    addons: Mapping[str, AddonPin]
    environment: Mapping[str, str]
    settings: Scope
    created_at: Micros = UNKNOWN_TIME
    created_by: str = ""
    sealed: Digest = UNSEALED
    """The digest it was frozen with; empty while it is `dev`."""

    @property
    def digest(self) -> Digest:
        """Of the content. While the bundle is `dev` it moves with every edit."""
        return self.sealed or digest_of(content(self))


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where `production` or `staging` points."""

    name: str
    bundle: str
    digest: Digest
    previous: str
    """Id of the bundle before this one: where a revert goes. Empty when there was none."""
    moved_by: str = ""
    """User who made it point there."""
    moved_at: Micros = UNKNOWN_TIME
    reason: str = ""


def bundle_stream(bundle: str) -> StreamName:
    return stream_name("bundle", bundle)


def pointer_stream(pointer: str) -> StreamName:
    """Raises :class:`Invalid` for a pointer that Qi does not have."""
    if pointer not in POINTERS:
        raise Invalid(f"'{pointer}' is not a pointer: it is 'production' or 'staging'")
    return stream_name("pointer", pointer)


def content(bundle: Bundle) -> dict[str, Any]:
    """What the digest covers: all that changes what the bundle does, and nothing else (not its name)."""
    return {
        "addons": {name: f"path:{pin.path}" if pin.path else pin.digest for name, pin in bundle.addons.items()},
        "environment": dict(bundle.environment),
        "settings": sorted(
            ([addon, list(path), setting.schema, setting.value] for addon, layer in bundle.settings.addons.items()
             for path, setting in layer.items()),
            key=canonical,
        ),
    }  # fmt: skip


def decide(view: View, command: Command) -> list[Change]:
    """Raises :class:`Invalid`, :class:`NotFound`, :class:`Gone` (archived), :class:`Locked` (frozen, or pointed at),
    and :class:`Conflict` (the name is taken, or something else is there than was expected)."""
    return _decide(command, view)


@singledispatch
def _decide(command: Command, view: View) -> list[Change]:
    raise TypeError(f"{type(command).__name__} is no command for bundles")


@_decide.register
def _create(command: CreateBundle, view: View) -> list[Change]:
    stream = bundle_stream(command.id)
    if view.version(stream) != NO_STREAM:
        raise Conflict(
            f"there is a bundle {command.id} already", stream=stream, expected=0, actual=view.version(stream)
        )
    for addon, pin in command.addons.items():
        _check_pin(addon, pin)
    for variable, value in command.environment.items():
        _check_variable(variable, value)
    claimed = names.claim(view, "bundle", command.name, command.id)
    name = names.check_name(command.name)
    created = BundleCreated(
        name=name, addons=dict(command.addons), environment=dict(command.environment), reason=command.reason.strip()
    )
    changed = differences(BundleSettingsChanged, Scope(), command.settings, command.reason, command.secrets)
    return [*claimed, Change(stream, created), *(Change(stream, one) for one in changed)]


@_decide.register
def _edit(command: EditBundle, view: View) -> list[Change]:
    bundle, reason = _editable(view, command.bundle), command.reason.strip()
    events: list[DomainEvent] = []
    for addon, pin in sorted(command.addons.items()):
        if pin is not None:
            _check_pin(addon, pin)
        if pin != bundle.addons.get(addon):
            events.append(BundleAddonChanged(addon=addon, old=bundle.addons.get(addon), new=pin, reason=reason))
    for variable, value in sorted(command.environment.items()):
        if value is not None:
            _check_variable(variable, value)
        if value != bundle.environment.get(variable):
            old = bundle.environment.get(variable)
            events.append(BundleVariableChanged(variable=variable, old=old, new=value, reason=reason))
    return [Change(bundle_stream(bundle.id), one) for one in events]


@_decide.register
def _patch(command: PatchBundleSettings, view: View) -> list[Change]:
    bundle, stream = _editable(view, command.bundle), bundle_stream(command.bundle)
    check_revision(view, stream, command.expected)
    changed = differences(BundleSettingsChanged, bundle.settings, command.patches, command.reason, command.secrets)
    return [Change(stream, one) for one in changed]


@_decide.register
def _freeze(command: FreezeBundle, view: View) -> list[Change]:
    bundle = existing(view, command.bundle)
    if bundle.state == "frozen":
        return []
    if bundle.state == "archived":
        raise Gone(f"bundle '{bundle.name}' is archived", bundle=bundle.id)
    digests = {name: command.digests.get(name, "" if pin.path else pin.digest) for name, pin in bundle.addons.items()}
    loose = sorted(name for name, digest in digests.items() if not digest)
    if loose:
        raise Invalid(
            f"these addons of bundle '{bundle.name}' still come from a folder: {', '.join(loose)}",
            remedy="Put them into the content store and pin their digests.",
            fields={f"addons.{name}": "has no digest" for name in loose},
        )
    pins = {name: AddonPin(version=pin.version, digest=digests[name]) for name, pin in bundle.addons.items()}
    digest = digest_of(content(replace(bundle, addons=pins)))
    return [Change(bundle_stream(bundle.id), BundleFrozen(addons=pins, digest=digest, reason=command.reason.strip()))]


@_decide.register
def _promote(command: PromoteBundle, view: View) -> list[Change]:
    return _move(view, command.pointer, command.bundle, command.replaces, need_reason(command.reason), reverts=False)


@_decide.register
def _revert(command: RevertPointer, view: View) -> list[Change]:
    reason = need_reason(command.reason)
    pointer = view.get(Pointer, pointer_stream(command.pointer))
    if pointer is None or not pointer.previous:
        raise Conflict(f"{command.pointer} points at nothing it could go back from", pointer=command.pointer)
    return _move(view, command.pointer, pointer.previous, command.replaces, reason, reverts=True)


@_decide.register
def _archive(command: ArchiveBundle, view: View) -> list[Change]:
    reason, bundle = need_reason(command.reason), existing(view, command.bundle)
    if bundle.state == "archived":
        return []
    if command.digest is not None and command.digest != bundle.digest:
        raise Conflict(
            f"bundle '{bundle.name}' has another content by now",
            remedy="Look at it again.", expected=command.digest, actual=bundle.digest,
        )  # fmt: skip
    here = [p for p in POINTERS if (at := view.get(Pointer, pointer_stream(p))) is not None and at.bundle == bundle.id]
    if holders := [*here, *command.used_by]:
        raise Locked(
            f"bundle '{bundle.name}' is in use by {', '.join(holders)}",
            remedy="Point them at another bundle first.", used_by=holders,
        )  # fmt: skip
    return [Change(bundle_stream(bundle.id), BundleArchived(digest=bundle.digest, reason=reason))]


def evolve(state: Bundle | None, fact: Fact) -> Bundle:
    """Folds a stream `bundle-…`."""
    match fact.event:
        case BundleCreated() as made if state is None:
            bundle_id = fact.stream.partition("-")[2]
            return Bundle(bundle_id, made.name, "dev", made.addons, made.environment, Scope(), fact.at, fact.meta.user)
        case BundleAddonChanged(addon=addon, new=pin) if state is not None:
            return replace(state, addons=_with(state.addons, addon, pin))
        case BundleVariableChanged(variable=variable, new=value) if state is not None:
            return replace(state, environment=_with(state.environment, variable, value))
        case BundleSettingsChanged() if state is not None:
            return replace(state, settings=with_difference(state.settings, fact))
        case BundleFrozen(addons=addons, digest=digest) if state is not None:
            return replace(state, state="frozen", addons=addons, sealed=Digest(digest))
        case BundleArchived(digest=digest) if state is not None:
            return replace(state, state="archived", sealed=Digest(digest))
    raise unexpected(fact)


def evolve_pointer(state: Pointer | None, fact: Fact) -> Pointer:
    """Folds a stream `pointer-…`."""
    if not isinstance(fact.event, PointerMoved):
        raise unexpected(fact)
    moved = fact.event
    return Pointer(
        fact.stream.partition("-")[2], moved.bundle, Digest(moved.digest), moved.previous,
        moved_by=fact.meta.user, moved_at=fact.at, reason=moved.reason,
    )  # fmt: skip


FOLDS: Folds = {"bundle": evolve, "pointer": evolve_pointer, **names.FOLDS}


def existing(view: View, bundle: str) -> Bundle:
    """The bundle with that id. Raises :class:`NotFound`."""
    found = view.get(Bundle, bundle_stream(bundle))
    if found is None:
        raise NotFound(f"there is no bundle {bundle}", bundle=bundle)
    return found


def find(bundles: Iterable[Bundle], wanted: str) -> Bundle:
    """The bundle named `wanted` (however typed), or whose digest begins with it (8 digits or more).

    Of bundles with the same content the oldest that is not archived is taken: they do the same. Raises
    :class:`NotFound`, and :class:`Conflict` when a digest is too short to tell two contents apart.
    """
    known, folded = list(bundles), names.fold_name(wanted)
    for bundle in known:
        if names.fold_name(bundle.name) == folded:
            return bundle
    prefix = wanted.lower()
    same = [b for b in known if len(prefix) >= SHORTEST_DIGEST_CHARACTERS and b.digest.startswith(prefix)]
    if not same:
        raise NotFound(f"there is no bundle '{wanted}'", remedy="'qi bundle list' shows what there is.", bundle=wanted)
    if len({b.digest for b in same}) > 1:
        raise Conflict(f"several bundles have a digest that begins with '{wanted}'", bundles=[b.name for b in same])
    return min(same, key=lambda b: b.state == "archived")


def is_active(bundle: Bundle, used_by: Iterable[str]) -> bool:
    """Whether a project or context refers to the bundle; `used_by` are those that do. Derived, never stored."""
    return bundle.state != "archived" and any(used_by)


def _editable(view: View, bundle: str) -> Bundle:
    found = existing(view, bundle)
    if found.state == "archived":
        raise Gone(f"bundle '{found.name}' is archived", bundle=bundle)
    if found.state != "dev":
        raise Locked(
            f"bundle '{found.name}' is frozen: it never changes",
            remedy="Create another one with what is to be different, and promote that.", bundle=bundle,
        )  # fmt: skip
    return found


def _move(view: View, name: str, bundle: str, replaces: str | None, reason: str, *, reverts: bool) -> list[Change]:
    stream = pointer_stream(name)
    pointer = view.get(Pointer, stream)
    here, digest = (pointer.bundle, pointer.digest) if pointer else ("", UNSEALED)
    if replaces is not None and replaces != digest:
        raise _moved_meanwhile(view, name, pointer, replaces)
    target = existing(view, bundle)
    if target.state == "archived":
        raise Gone(f"bundle '{target.name}' is archived", bundle=bundle)
    if target.state != "frozen":
        raise Conflict(
            f"bundle '{target.name}' is still in development", remedy="Freeze it first.", bundle=bundle, state="dev"
        )
    if bundle == here:
        return []
    moved = PointerMoved(
        bundle=bundle, digest=target.digest, previous=here, previous_digest=digest, reason=reason, reverts=reverts
    )
    return [Change(stream, moved)]


def _moved_meanwhile(view: View, name: str, pointer: Pointer | None, expected: str) -> Conflict:
    """Something else is there than was expected: what it is, and who put it there when and why."""
    stream, wanted = pointer_stream(name), expected[:12] or "nothing"
    if pointer is None:
        return Conflict(f"{name} points at nothing, not at {wanted}", stream=stream, expected=expected, actual="")
    bundle = existing(view, pointer.bundle)
    when = datetime.fromtimestamp(pointer.moved_at / MICROS_A_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Conflict(
        f"{name} points at '{bundle.name}' ({pointer.digest[:12]}), not at {wanted}: "
        f"{pointer.moved_by or 'somebody'} moved it on {when}, “{pointer.reason}”",
        remedy="Look at what is there now.",
        stream=stream, expected=expected, actual=pointer.digest, bundle=bundle.name, by=pointer.moved_by,
        at=int(pointer.moved_at), reason=pointer.reason,
    )  # fmt: skip


def _check_pin(addon: str, pin: AddonPin) -> None:
    if not addon or not (pin.digest or pin.path):
        raise Invalid(
            f"addon '{addon}' is pinned either by the digest of its folder or, in development, by the folder's path",
            fields={f"addons.{addon}": "needs a digest or a path"},
        )


def _check_variable(variable: str, value: str) -> None:
    if not variable or "=" in variable or "\0" in variable + value:
        raise Invalid(
            f"'{variable}' cannot stand in an environment", fields={f"environment.{variable}": "is malformed"}
        )


def _with(mapping: Mapping[str, T], key: str, value: T | None) -> Mapping[str, T]:
    rest = {k: v for k, v in mapping.items() if k != key}
    return rest if value is None else {**rest, key: value}
