"""Bundles: what is pinned, and what the pointers point at."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.limits import Items, Name, Prose, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class PinnedAddon:
    name: str
    version: str
    digest: str
    """Of the addon's folder as it lies in the content store."""
    path: str = ""
    """Source folder; dev bundles only."""


@message
class PinnedBy:
    """A project or an entity that uses a bundle of its own instead of production."""

    of: str
    """`project` or `entity`."""
    target: str
    """Its id."""
    label: str
    """Its name when it was pinned, for people."""


@message
class BundleInfo:
    id: str
    name: str
    state: str
    """`dev`, `frozen` or `archived`."""
    digest: str
    """Of its content; the same content has the same digest everywhere."""
    addons: tuple[PinnedAddon, ...]
    environment: dict[str, str]
    settings: dict[str, str]
    """Bundle-scope settings, dotted path → JSON."""
    pointers: tuple[str, ...] = ()
    """`production`, `staging`, or both."""
    pinned_by: tuple[PinnedBy, ...] = ()
    """What uses it instead of production: it is *active* then."""
    origin: str = ""
    """Id of the bundle it was cloned from."""
    checked: str = ""
    """`good`, `bad`, or empty when what it is now was not checked."""
    problems: tuple[str, ...] = ()
    """What its last check found wrong."""
    created_at: int = 0
    """Microseconds since the epoch."""
    created_by: str = ""
    position: int = 0
    """Log position up to which this is known."""


@message
class BundleList:
    bundles: tuple[BundleInfo, ...]
    position: int


@message
class ListBundles(Request[BundleList], topic="bundle.list", needs="read"):
    """All bundles, oldest first."""

    after: int = 0
    """Wait until this position is known: you read what you wrote."""


@message
class GetBundle(Request[BundleInfo], topic="bundle.get", needs="read"):
    """By name, by digest (eight digits or more), or by pointer (`production`, `staging`); as of `at`, if given.

    Without a name: the one that the entity or the project uses, else the caller's session's.
    """

    bundle: Name = "production"
    project: Token = ""
    entity: Token = ""
    """Ids, for a bundle that is not named."""
    otherwise: Name = ""
    """The bundle of the session that is spoken for, where a service asks."""
    at: int = 0
    after: int = 0


@message
class CreateBundle(Request[BundleInfo], topic="bundle.create", needs="bundle.manage", timeout_s=60.0):
    """A new frozen bundle of the addons found now, or a dev bundle that points at their folders."""

    name: Name
    dev: bool = False
    addons: tuple[Name, ...] = ()
    """Names to take; all that are found when empty."""
    environment: Annotated[dict[str, str], Items(500)] = field(default_factory=dict)
    reason: Prose = ""
    command: Token = ""


@message
class PromoteBundle(Request[BundleInfo], topic="bundle.promote", needs="bundle.promote"):
    """Move a pointer. `replaces` names the digest it is expected to point at now; 409 when it does not."""

    bundle: Name
    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    replaces: Name | None = None
    automatic: bool = False
    """Whether no person asks for it: a hold then stands against it."""
    reason: Prose
    command: Token = ""


@message
class CloneBundle(Request[BundleInfo], topic="bundle.clone", needs="bundle.manage"):
    """A new dev bundle with all that another one has."""

    bundle: Name
    name: Name
    reason: Prose = ""
    command: Token = ""


@message
class EditBundle(Request[BundleInfo], topic="bundle.edit", needs="bundle.manage", timeout_s=60.0):
    """Change what a dev bundle pins: addons as they are found now, from their folders; variables."""

    bundle: Name
    add: Annotated[tuple[Name, ...], Items(200)] = ()
    remove: Annotated[tuple[Name, ...], Items(200)] = ()
    set: Annotated[dict[str, str], Items(500)] = field(default_factory=dict)
    unset: Annotated[tuple[Name, ...], Items(500)] = ()
    reason: Prose = ""
    expected: Name | None = None
    """Digest that the bundle must still have; 409 with who changed what when it has another one."""
    command: Token = ""


@message
class FreezeBundle(Request[BundleInfo], topic="bundle.freeze", needs="bundle.manage", timeout_s=60.0):
    """Make a dev bundle unchangeable; what it takes from folders goes into the content store."""

    bundle: Name
    reason: Prose = ""
    command: Token = ""


@message
class RevertPointer(Request[BundleInfo], topic="bundle.revert", needs="bundle.promote"):
    """Go back: to the bundle before the present one, or to the one named. Sets a hold. `replaces` as in a promotion."""

    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    bundle: Name = ""
    replaces: Name | None = None
    reason: Prose
    command: Token = ""


@message
class PointerInfo:
    name: str
    bundle: str
    """Name of the bundle it points at; empty for none."""
    digest: str
    moved_by: str
    moved_at: int
    """Microseconds since the epoch."""
    reason: str
    held: bool
    """Somebody went back: nothing automatic moves it until that is lifted."""
    needs_check: bool


@message
class PointerList:
    pointers: tuple[PointerInfo, ...]
    position: int


@message
class ListPointers(Request[PointerList], topic="bundle.pointers", needs="read"):
    """Where production and staging point, who made them, and what stands against the next move."""


@message
class LiftHold(Request[PointerList], topic="bundle.release", needs="bundle.promote"):
    """After somebody went back: allow automatic promotions again."""

    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    reason: Prose
    command: Token = ""


@message
class RequireCheck(Request[PointerList], topic="bundle.gate", needs="bundle.promote"):
    """Let only bundles come to a pointer that were checked and found good; or ask that no more."""

    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    required: bool = True
    reason: Prose
    command: Token = ""


@message
class PinBundle(Request[Done], topic="bundle.pin", needs="bundle.manage"):
    """Let a project or an entity use a bundle of its own; without one it uses production again."""

    of: Annotated[str, Text(10, "^(project|entity)$")]
    target: Token
    """Its id."""
    label: Name
    """Its name, for people."""
    bundle: Name = ""
    replaces: Name | None = None
    """Digest of the bundle it is expected to use now; empty for production."""
    reason: Prose
    command: Token = ""


@message
class RestoreBundle(Request[BundleInfo], topic="bundle.restore", needs="bundle.manage"):
    """Take an archived bundle out again."""

    bundle: Name
    reason: Prose
    command: Token = ""


@message
class DeleteBundle(Request[Done], topic="bundle.delete", needs="bundle.manage", timeout_s=60.0):
    """Let an archived bundle be found no more. Refused when a publish was made with it: a replay needs it."""

    bundle: Name
    reason: Prose
    command: Token = ""


@message
class Changed:
    """One thing that two bundles have differently."""

    name: str
    old: str
    """Empty where the first has nothing."""
    new: str
    """Empty where the second has nothing."""


@message
class BundleDiff:
    first: str
    second: str
    """Digests."""
    addons: tuple[Changed, ...]
    """Addon → version and content."""
    settings: tuple[Changed, ...]
    """Dotted path → JSON."""
    environment: tuple[Changed, ...]
    plugins: tuple[Changed, ...]
    """File of an addon's plugins → its digest."""


@message
class DiffBundles(Request[BundleDiff], topic="bundle.diff", needs="read"):
    """What two bundles have differently, of their content: addons, settings, environment, and files of plugins."""

    first: Name
    second: Name
    at: int = 0
    """The second as of this log position; now when 0."""


@message
class CheckBundle(Request[BundleInfo], topic="bundle.check", needs="bundle.manage", timeout_s=600.0):
    """Load a bundle in a scratch process, run its addons' tests, resolve every setting; the outcome is an event."""

    bundle: Name
    command: Token = ""


@message
class RecordCheck(Request[BundleInfo], topic="bundle.checked", needs=STUDIO_ONLY):
    """What a check found."""

    bundle: Token
    digest: Name
    problems: Annotated[tuple[Prose, ...], Items(200)]
    addons: int
    tests: int
    settings: int
    duration_ms: int


@message
class NewPatch:
    """One value of a bundle's settings scope."""

    addon: str
    path: tuple[str, ...]
    value: Any = None
    schema: str = ""
    unset: bool = False


@message
class DeriveBundle(Request[BundleInfo], topic="bundle.derive", needs=STUDIO_ONLY, timeout_s=60.0):
    """Clone, patch, freeze and promote, as one decision. The settings service has checked the values."""

    bundle: Token
    name: Name
    patches: Annotated[tuple[NewPatch, ...], Items(500)]
    secrets: dict[str, tuple[str, ...]]
    """Addon → dotted paths, as in :class:`~qi.contracts.addons.Schemas`."""
    pointer: Annotated[str, Text(20, "^(production|staging)$")]
    replaces: Name | None = None
    reason: Prose
    command: Token = ""


@message
class ArchiveBundle(Request[BundleInfo], topic="bundle.archive", needs="bundle.manage"):
    """Put a bundle away that nothing uses any more."""

    bundle: Name
    reason: Prose
    command: Token = ""
