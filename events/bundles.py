"""Bundles: which addons, environment and settings belong together, and what points at them.

A bundle lies in `bundle-<id>` with its settings scope; a pointer in `pointer-production` or `pointer-staging`; the pin
of a project or an entity in `pin-project_<id>` or `pin-entity_<id>`. What each is comes from folding its stream, so
"as it was at position P" needs nothing but folding up to P. :mod:`events.bundle_decisions` decides what may be done to
them. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from events import names
from events.bundle_events import (
    AddonPin,
    BundleAddonChanged,
    BundleArchived,
    BundleChecked,
    BundleCreated,
    BundleDeleted,
    BundleFrozen,
    BundlePinned,
    BundleRestored,
    BundleSettingsChanged,
    BundleUnpinned,
    BundleVariableChanged,
    CheckRequired,
    HoldLifted,
    PointerMoved,
)
from events.canonical import canonical, digest_of
from events.decider import UNKNOWN_TIME, Fact, Folds, Known, View, unexpected
from events.errors import Conflict, Invalid, NotFound
from events.record import Digest, Micros, StreamName, stream_name
from events.settings import Scope, with_difference

T = TypeVar("T")

POINTERS: Final = ("production", "staging")
PINNED: Final = ("project", "entity")
SHORTEST_DIGEST_CHARACTERS = 8
UNSEALED = Digest("")


@dataclass(frozen=True, slots=True)
class Check:
    """What the last check of a bundle found."""

    digest: Digest
    """Of the content that was checked."""
    ok: bool
    problems: tuple[str, ...]
    at: Micros
    by: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What was last changed in a dev bundle."""

    what: str
    by: str
    at: Micros
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as its stream tells it."""

    id: str
    name: str
    state: str
    """`dev`, `frozen`, `archived` or `deleted`."""
    addons: Mapping[str, AddonPin]
    environment: Mapping[str, str]
    settings: Scope
    created_at: Micros = UNKNOWN_TIME
    created_by: str = ""
    sealed: Digest = UNSEALED
    """The digest it was frozen with; empty while it is `dev`."""
    was: str = ""
    """State before it was archived, to which a restore leads back."""
    origin: str = ""
    """Id of the bundle it was cloned from."""
    check: Check | None = None
    edited: Edit | None = None

    @property
    def digest(self) -> Digest:
        """Of the content. While the bundle is `dev` it moves with every edit."""
        return self.sealed or digest_of(content(self))

    @property
    def is_checked(self) -> bool:
        """Whether what it is now was checked and found good."""
        return self.check is not None and self.check.ok and self.check.digest == self.digest


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where `production` or `staging` points."""

    name: str
    bundle: str = ""
    digest: Digest = UNSEALED
    previous: str = ""
    """Id of the bundle before this one: where a revert goes. Empty when there was none."""
    moved_by: str = ""
    """User who made it point there."""
    moved_at: Micros = UNKNOWN_TIME
    reason: str = ""
    held: bool = False
    """Somebody went back: nothing automatic moves it until a person lifts that."""
    needs_check: bool = False
    """Whether only a bundle that was checked and found good may come here."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The bundle that one project or entity uses instead of production."""

    of: str
    """`project` or `entity`."""
    target: str
    """Its id."""
    label: str
    """Its name when it was pinned, for people."""
    bundle: str
    """Empty once the pin was taken away."""


def bundle_stream(bundle: str) -> StreamName:
    return stream_name("bundle", bundle)


def pointer_stream(pointer: str) -> StreamName:
    """Raises :class:`Invalid` for a pointer that Qi does not have."""
    if pointer not in POINTERS:
        raise Invalid(f"'{pointer}' is not a pointer: it is 'production' or 'staging'")
    return stream_name("pointer", pointer)


def pin_stream(of: str, target: str) -> StreamName:
    """Raises :class:`Invalid` for another kind than `project` and `entity`."""
    if of not in PINNED:
        raise Invalid(f"a bundle is pinned to a project or an entity, not to '{of}'")
    return stream_name("pin", f"{of}_{target}")


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


def evolve(state: Bundle | None, fact: Fact) -> Bundle:
    """Folds a stream `bundle-…`."""
    match fact.event:
        case BundleCreated() as made if state is None:
            bundle_id = fact.stream.partition("-")[2]
            return Bundle(
                bundle_id, made.name, "dev", made.addons, made.environment, Scope(), fact.at, fact.meta.user,
                origin=made.origin,
            )  # fmt: skip
        case BundleAddonChanged(addon=addon, new=pin) if state is not None:
            what = f"took '{addon}' away" if pin is None else f"pinned '{addon}' {pin.version}"
            return _edited(replace(state, addons=_with(state.addons, addon, pin)), what, fact)
        case BundleVariableChanged(variable=variable, new=value) if state is not None:
            return _edited(
                replace(state, environment=_with(state.environment, variable, value)), f"changed {variable}", fact
            )  # fmt: skip
        case BundleSettingsChanged() if state is not None:
            return _edited(replace(state, settings=with_difference(state.settings, fact)), "changed a setting", fact)
        case BundleFrozen(addons=addons, digest=digest) if state is not None:
            return replace(state, state="frozen", addons=addons, sealed=Digest(digest))
        case BundleChecked(digest=digest, ok=ok, problems=problems) if state is not None:
            return replace(state, check=Check(Digest(digest), ok, problems, fact.at, fact.meta.user))
        case BundleArchived(digest=digest) if state is not None:
            return replace(state, state="archived", sealed=Digest(digest), was=state.state)
        case BundleRestored() if state is not None:
            sealed = state.sealed if state.was == "frozen" else UNSEALED
            return replace(state, state=state.was or "frozen", sealed=sealed, was="")
        case BundleDeleted() if state is not None:
            return replace(state, state="deleted")
    raise unexpected(fact)


def _edited(state: Bundle, what: str, fact: Fact) -> Bundle:
    reason: str = getattr(fact.event, "reason", "")
    return replace(state, edited=Edit(what, fact.meta.user, fact.at, reason))


def evolve_pointer(state: Pointer | None, fact: Fact) -> Pointer:
    """Folds a stream `pointer-…`."""
    known = state or Pointer(fact.stream.partition("-")[2])
    match fact.event:
        case PointerMoved() as moved:
            return replace(
                known, bundle=moved.bundle, digest=Digest(moved.digest), previous=moved.previous,
                moved_by=fact.meta.user, moved_at=fact.at, reason=moved.reason, held=moved.reverts,
            )  # fmt: skip
        case HoldLifted():
            return replace(known, held=False)
        case CheckRequired(required=required):
            return replace(known, needs_check=required)
    raise unexpected(fact)


def evolve_pin(state: Pin | None, fact: Fact) -> Pin:
    """Folds a stream `pin-…`."""
    match fact.event:
        case BundlePinned(of=of, target=target, label=label, bundle=bundle):
            return Pin(of, target, label, bundle)
        case BundleUnpinned() if state is not None:
            return replace(state, bundle="")
    raise unexpected(fact)


FOLDS: Folds = {"bundle": evolve, "pointer": evolve_pointer, "pin": evolve_pin, **names.FOLDS}


def existing(view: View, bundle: str) -> Bundle:
    """The bundle with that id. Raises :class:`NotFound`."""
    found = view.get(Bundle, bundle_stream(bundle))
    if found is None or found.state == "deleted":
        raise NotFound(f"there is no bundle {bundle}", bundle=bundle)
    return found


def find(bundles: Iterable[Bundle], wanted: str) -> Bundle:
    """The bundle named `wanted` (however typed), or whose digest begins with it (8 digits or more).

    Of bundles with the same content the oldest that is not archived is taken: they do the same. Raises
    :class:`NotFound`, and :class:`Conflict` when a digest is too short to tell two contents apart.
    """
    known, folded = [bundle for bundle in bundles if bundle.state != "deleted"], names.fold_name(wanted)
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


def find_known(known: Known, wanted: str) -> Bundle:
    """By pointer, id, name or digest. Raises :class:`NotFound` and :class:`Conflict` like :func:`find`."""
    if wanted in POINTERS:
        pointer = known.get(Pointer, pointer_stream(wanted))
        found = known.get(Bundle, bundle_stream(pointer.bundle)) if pointer and pointer.bundle else None
        if found is None:
            raise NotFound(f"{wanted} points at no bundle", remedy="promote one with `qi bundle promote`")
        return found
    by_id = next((bundle for bundle in known.all(Bundle) if bundle.id == wanted and bundle.state != "deleted"), None)
    return by_id or find(known.all(Bundle), wanted)


def pinned_by(known: Known, bundle: str) -> list[Pin]:
    """The projects and entities that use this bundle instead of production: what makes it active."""
    return [pin for pin in known.all(Pin) if pin.bundle == bundle]


def bundle_for(known: Known, project: str, entity: str) -> str:
    """Id of the bundle that the nearest pin names: the entity's, else the project's; empty without one."""
    for of, target in (("entity", entity), ("project", project)):
        pin = known.get(Pin, pin_stream(of, target)) if target else None
        if pin is not None and pin.bundle:
            return pin.bundle
    return ""


def _with(mapping: Mapping[str, T], key: str, value: T | None) -> Mapping[str, T]:
    rest = {k: v for k, v in mapping.items() if k != key}
    return rest if value is None else {**rest, key: value}
