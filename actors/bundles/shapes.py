"""Bundles and pointers as the mesh sees them. Actor thread."""

from __future__ import annotations

import json
from dataclasses import replace

from events import bundles, names
from events.bundle_diff import Change, Difference
from events.bundles import Bundle, Pointer, pointer_stream
from events.decider import Known
from events.record import Position
from qi.contracts.bundles import BundleDiff, BundleInfo, Changed, PinnedAddon, PinnedBy, PointerInfo, PointerList


def info(known: Known, bundle: Bundle, position: Position) -> BundleInfo:
    """What is known of a bundle at `position`."""
    pointers = tuple(
        name
        for name in bundles.POINTERS
        if (pointer := known.get(Pointer, pointer_stream(name))) is not None and pointer.bundle == bundle.id
    )
    check = bundle.check if bundle.check is not None and bundle.check.digest == bundle.digest else None
    return BundleInfo(
        id=bundle.id,
        name=bundle.name,
        state=bundle.state,
        digest=bundle.digest,
        addons=tuple(
            PinnedAddon(name=name, version=pin.version, digest=pin.digest, path=pin.path)
            for name, pin in sorted(bundle.addons.items())
        ),
        environment=dict(bundle.environment),
        settings={
            ".".join((addon, *path)): json.dumps(setting.value, ensure_ascii=False)
            for addon, layer in sorted(bundle.settings.addons.items())
            for path, setting in sorted(layer.items())
        },
        pointers=pointers,
        pinned_by=tuple(
            PinnedBy(of=pin.of, target=pin.target, label=pin.label)
            for pin in sorted(bundles.pinned_by(known, bundle.id), key=lambda pin: (pin.label, pin.target))
        ),
        origin=bundle.origin,
        checked="" if check is None else "good" if check.ok else "bad",
        problems=check.problems if check is not None else (),
        created_at=int(bundle.created_at),
        created_by=bundle.created_by,
        position=position,
    )


def pointers(known: Known, position: Position) -> PointerList:
    """Both pointers; one that never moved points at nothing."""
    found = []
    for name in bundles.POINTERS:
        pointer = known.get(Pointer, pointer_stream(name)) or Pointer(name)
        bundle = known.get(Bundle, bundles.bundle_stream(pointer.bundle)) if pointer.bundle else None
        found.append(
            PointerInfo(
                name=name, bundle=bundle.name if bundle else "", digest=pointer.digest, moved_by=pointer.moved_by,
                moved_at=int(pointer.moved_at), reason=pointer.reason, held=pointer.held,
                needs_check=pointer.needs_check,
            )
        )  # fmt: skip
    return PointerList(pointers=tuple(found), position=position)


def diff(first: Bundle, second: Bundle, found: Difference) -> BundleDiff:
    """A difference, as it travels."""
    return BundleDiff(
        first=first.digest, second=second.digest, addons=_changed(found.addons), settings=_changed(found.settings),
        environment=_changed(found.environment), plugins=_changed(found.plugins),
    )  # fmt: skip


def unique_name(known: Known, wanted: str) -> str:
    """`wanted`, or with the first number behind it that no bundle bears."""
    taken = {names.fold_name(bundle.name) for bundle in known.all(Bundle) if bundle.state != "deleted"}
    name, number = wanted, 1
    while names.fold_name(name) in taken:
        number += 1
        name = f"{wanted} {number}"
    return name


def with_digests(pinned: Bundle, digests: dict[str, str]) -> Bundle:
    """A dev bundle with the digests its folders have now, so that it can be looked into."""
    return replace(
        pinned,
        addons={name: replace(pin, digest=digests.get(name, pin.digest)) for name, pin in pinned.addons.items()},
    )


def _changed(changes: tuple[Change, ...]) -> tuple[Changed, ...]:
    return tuple(Changed(name=one.name, old=one.old or "", new=one.new or "") for one in changes)
