"""What happens to bundles and to the pointers. Any thread."""

from __future__ import annotations

from dataclasses import dataclass

from events.record import DomainEvent, event
from events.settings import Difference


@dataclass(frozen=True, kw_only=True)
class AddonPin:
    """One addon of a bundle."""

    version: str
    """As the addon itself states it."""
    digest: str = ""
    """Of the addon's folder in the content store; empty while it comes from `path`."""
    path: str = ""
    """Source folder on the developer's machine; dev bundles only."""


@event("bundle.created", erasable=("reason",))
class BundleCreated(DomainEvent):
    """A dev bundle came to be."""

    name: str
    """Unique among bundles, however it is typed."""
    addons: dict[str, AddonPin]
    """Addon name → what is pinned."""
    environment: dict[str, str]
    """Variable → value."""
    reason: str
    """What it is for; may be empty."""
    origin: str = ""
    """Id of the bundle it is a clone of; empty when it is none."""


@event("bundle.addon_changed", erasable=("reason",))
class BundleAddonChanged(DomainEvent):
    """An addon was pinned, pinned otherwise, or taken out."""

    addon: str
    """Addon name."""
    old: AddonPin | None
    """Null when the bundle did not have it."""
    new: AddonPin | None
    """Null when it was taken out."""
    reason: str
    """Why; may be empty."""


@event("bundle.variable_changed", erasable=("old", "new", "reason"))
class BundleVariableChanged(DomainEvent):
    """A variable of the environment was set, changed or taken out."""

    variable: str
    """Its name."""
    old: str | None
    """Null when the bundle did not have it."""
    new: str | None
    """Null when it was taken out."""
    reason: str
    """Why; may be empty."""


@event("bundle.settings_changed", erasable=("old", "new", "reason"))
class BundleSettingsChanged(Difference):
    """One path of the bundle's settings scope changed."""


@event("bundle.frozen", erasable=("reason",))
class BundleFrozen(DomainEvent):
    """From here on the bundle never changes."""

    addons: dict[str, AddonPin]
    """The final pins: every one with its digest, none with a path."""
    digest: str
    """Of the content."""
    reason: str
    """Why; may be empty."""


@event("bundle.archived", erasable=("reason",))
class BundleArchived(DomainEvent):
    """Put away: nothing new may refer to it. Replays still find it."""

    digest: str
    """Of the content it was archived with."""
    reason: str
    """Why."""


@event("bundle.restored", erasable=("reason",))
class BundleRestored(DomainEvent):
    """Taken out again, as what it was before it was put away."""

    reason: str
    """Why."""


@event("bundle.deleted", erasable=("reason",))
class BundleDeleted(DomainEvent):
    """Nobody finds it any more, and its name is free. What it was stays in the log."""

    digest: str
    """Of the content it had."""
    reason: str
    """Why."""


@event("bundle.checked", erasable=("problems",))
class BundleChecked(DomainEvent):
    """It was loaded in a process of its own, its addons' tests ran, its settings were resolved."""

    digest: str
    """Of the content that was checked."""
    ok: bool
    problems: tuple[str, ...]
    """What was found wrong, one sentence each."""
    addons: int
    """How many addons were loaded."""
    tests: int
    """How many of their tests passed."""
    settings: int
    """How many settings were resolved."""
    duration_ms: int


@event("pin.set", erasable=("label", "reason"))
class BundlePinned(DomainEvent):
    """A project or an entity uses a bundle of its own instead of production."""

    of: str
    """`project` or `entity`."""
    target: str
    """Its id."""
    label: str
    """Its name, as it was then."""
    bundle: str
    """Id of the bundle."""
    digest: str
    """That bundle's digest."""
    previous: str
    """Id of the bundle it used; empty for production."""
    reason: str
    """Why."""


@event("pin.cleared", erasable=("reason",))
class BundleUnpinned(DomainEvent):
    """It uses production again."""

    previous: str
    """Id of the bundle it used."""
    reason: str
    """Why."""


@event("pointer.hold_lifted", erasable=("reason",))
class HoldLifted(DomainEvent):
    """After somebody went back: automatic promotions are allowed again."""

    reason: str
    """Why."""


@event("pointer.check_required", erasable=("reason",))
class CheckRequired(DomainEvent):
    """From here on only bundles that were checked and found good may come here, or that is asked no more."""

    required: bool
    reason: str
    """Why."""


@event("pointer.moved", erasable=("reason",))
class PointerMoved(DomainEvent):
    """`production` or `staging` points at another bundle."""

    bundle: str
    """Id of the bundle it points at now."""
    digest: str
    """That bundle's digest."""
    previous: str
    """Id of the bundle it pointed at; empty when there was none."""
    previous_digest: str
    """That bundle's digest; empty when there was none."""
    reason: str
    """Why."""
    reverts: bool
    """Whether this goes back to the bundle before."""
