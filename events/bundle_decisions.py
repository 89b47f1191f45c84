"""What may be done to bundles, pointers and pins, and what follows. Actor thread."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import singledispatch

from events import names
from events.bundle_commands import (
    ArchiveBundle,
    CloneBundle,
    Command,
    CreateBundle,
    DeleteBundle,
    EditBundle,
    FreezeBundle,
    LiftHold,
    PatchBundleSettings,
    PinBundle,
    PromoteBundle,
    RecordCheck,
    RequireCheck,
    RestoreBundle,
    RevertPointer,
)
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
from events.bundles import (
    POINTERS,
    UNSEALED,
    Bundle,
    Edit,
    Pin,
    Pointer,
    bundle_stream,
    content,
    existing,
    pin_stream,
    pointer_stream,
)
from events.canonical import digest_of
from events.decider import View, need_reason
from events.errors import Conflict, Gone, Invalid, Locked
from events.record import NO_STREAM, Change, DomainEvent
from events.settings import Patch, Scope, check_untouched, differences

MICROS_A_SECOND = 1_000_000


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
        name=name, addons=dict(command.addons), environment=dict(command.environment), reason=command.reason.strip(),
        origin=command.origin,
    )  # fmt: skip
    changed = differences(BundleSettingsChanged, Scope(), command.settings, command.reason, command.secrets)
    return [*claimed, Change(stream, created), *(Change(stream, one) for one in changed)]


@_decide.register
def _clone(command: CloneBundle, view: View) -> list[Change]:
    origin = existing(view, command.origin)
    kept = tuple(
        Patch(addon=addon, path=path, value=setting.value, schema=setting.schema)
        for addon, layer in origin.settings.addons.items()
        for path, setting in layer.items()
    )
    create = CreateBundle(
        id=command.id, name=command.name, addons=origin.addons, environment=origin.environment, settings=kept,
        secrets=command.secrets, reason=command.reason, origin=origin.id,
    )  # fmt: skip
    return _create(create, view)


@_decide.register
def _edit(command: EditBundle, view: View) -> list[Change]:
    bundle, reason = _editable(view, command.bundle), command.reason.strip()
    if command.expected not in (None, bundle.digest):
        raise _edited_meanwhile(bundle, command.expected)
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
    # First of all, so that no secret in the open is repeated in the words of a conflict.
    changed = differences(BundleSettingsChanged, bundle.settings, command.patches, command.reason, command.secrets)
    check_untouched(view, stream, bundle.settings, command.patches, command.expected, command.by)
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
    pointer = view.get(Pointer, pointer_stream(command.pointer))
    if command.automatic and pointer is not None and pointer.held:
        raise Locked(
            f"{command.pointer} is held: {pointer.moved_by or 'somebody'} went back on it, “{pointer.reason}”",
            remedy=f"A person lifts that with 'qi bundle release {command.pointer}', or promotes by hand.",
            pointer=command.pointer,
        )
    return _move(view, command.pointer, command.bundle, command.replaces, need_reason(command.reason), reverts=False)


@_decide.register
def _revert(command: RevertPointer, view: View) -> list[Change]:
    reason = need_reason(command.reason)
    pointer = view.get(Pointer, pointer_stream(command.pointer))
    target = command.bundle or (pointer.previous if pointer else "")
    if not target:
        raise Conflict(f"{command.pointer} points at nothing it could go back from", pointer=command.pointer)
    return _move(view, command.pointer, target, command.replaces, reason, reverts=True)


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


@_decide.register
def _restore(command: RestoreBundle, view: View) -> list[Change]:
    reason, bundle = need_reason(command.reason), existing(view, command.bundle)
    if bundle.state != "archived":
        return []
    return [Change(bundle_stream(bundle.id), BundleRestored(reason=reason))]


@_decide.register
def _delete(command: DeleteBundle, view: View) -> list[Change]:
    reason, bundle = need_reason(command.reason), existing(view, command.bundle)
    if bundle.state != "archived":
        raise Conflict(
            f"bundle '{bundle.name}' is {bundle.state}", remedy="Only an archived one is deleted.", bundle=bundle.id
        )
    if command.used_by:
        raise Locked(
            f"bundle '{bundle.name}' is needed by {', '.join(command.used_by)}",
            remedy="It stays archived: a replay of what was made with it needs it.", used_by=list(command.used_by),
        )  # fmt: skip
    released = names.release(view, "bundle", bundle.name, bundle.id)
    return [Change(bundle_stream(bundle.id), BundleDeleted(digest=bundle.digest, reason=reason)), *released]


@_decide.register
def _record_check(command: RecordCheck, view: View) -> list[Change]:
    bundle = existing(view, command.bundle)
    checked = BundleChecked(
        digest=command.digest, ok=not command.problems, problems=command.problems, addons=command.addons,
        tests=command.tests, settings=command.settings, duration_ms=command.duration_ms,
    )  # fmt: skip
    return [Change(bundle_stream(bundle.id), checked)]


@_decide.register
def _require_check(command: RequireCheck, view: View) -> list[Change]:
    reason, stream = need_reason(command.reason), pointer_stream(command.pointer)
    pointer = view.get(Pointer, stream)
    if (pointer is not None and pointer.needs_check) == command.required:
        return []
    return [Change(stream, CheckRequired(required=command.required, reason=reason))]


@_decide.register
def _lift_hold(command: LiftHold, view: View) -> list[Change]:
    reason, stream = need_reason(command.reason), pointer_stream(command.pointer)
    pointer = view.get(Pointer, stream)
    if pointer is None or not pointer.held:
        return []
    return [Change(stream, HoldLifted(reason=reason))]


@_decide.register
def _pin(command: PinBundle, view: View) -> list[Change]:
    reason, stream = need_reason(command.reason), pin_stream(command.of, command.target)
    pin = view.get(Pin, stream)
    here = pin.bundle if pin else ""
    if command.replaces is not None:
        digest = existing(view, here).digest if here else UNSEALED
        if command.replaces != digest:
            raise Conflict(
                f"'{command.label}' uses {digest[:12] or 'production'}, not {command.replaces[:12] or 'production'}",
                remedy="Look at what is there now.", stream=stream, expected=command.replaces, actual=digest,
            )  # fmt: skip
    if command.bundle == here:
        return []
    if not command.bundle:
        return [Change(stream, BundleUnpinned(previous=here, reason=reason))]
    target = existing(view, command.bundle)
    if target.state == "archived":
        raise Gone(f"bundle '{target.name}' is archived", bundle=target.id)
    if target.state != "frozen":
        raise Conflict(
            f"bundle '{target.name}' is still in development", remedy="Freeze it first.", bundle=target.id, state="dev"
        )
    pinned = BundlePinned(
        of=command.of, target=command.target, label=command.label, bundle=target.id, digest=target.digest,
        previous=here, reason=reason,
    )  # fmt: skip
    return [Change(stream, pinned)]


def _editable(view: View, bundle: str) -> Bundle:
    found = existing(view, bundle)
    if found.state == "archived":
        raise Gone(f"bundle '{found.name}' is archived", bundle=bundle)
    if found.state != "dev":
        raise Locked(
            f"bundle '{found.name}' is frozen: it never changes",
            remedy="'qi bundle amend' makes another one with what is to be different.", bundle=bundle,
        )  # fmt: skip
    return found


def _edited_meanwhile(bundle: Bundle, expected: str | None) -> Conflict:
    edit = bundle.edited or Edit("made it", bundle.created_by, bundle.created_at, "")
    why = f", “{edit.reason}”" if edit.reason else ""
    return Conflict(
        f"{edit.by or 'somebody'} {edit.what} in '{bundle.name}' meanwhile{why}",
        remedy="Look at what it holds now, then decide.",
        expected=expected, actual=bundle.digest, by=edit.by, at=int(edit.at), reason=edit.reason,
    )  # fmt: skip


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
    if pointer is not None and pointer.needs_check and not reverts and not target.is_checked:
        found = "; ".join(target.check.problems) if target.check and target.check.problems else "it was not checked"
        raise Locked(
            f"{name} takes only bundles that were checked and found good: {found}",
            remedy=f"'qi bundle check {target.name}'", bundle=bundle, pointer=name,
        )  # fmt: skip
    moved = PointerMoved(
        bundle=bundle, digest=target.digest, previous=here, previous_digest=digest, reason=reason, reverts=reverts
    )
    return [Change(stream, moved)]


def _moved_meanwhile(view: View, name: str, pointer: Pointer | None, expected: str) -> Conflict:
    """Something else is there than was expected: what it is, and who put it there when and why."""
    stream, wanted = pointer_stream(name), expected[:12] or "nothing"
    if pointer is None or not pointer.bundle:
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
