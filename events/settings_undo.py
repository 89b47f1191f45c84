"""Putting settings back: the differences between what a scope says and what it said. Pure; any thread."""

from __future__ import annotations

from events.canonical import canonical
from events.settings import Patch, Scope, Setting
from events.settings_tree import Path, begins

Wanted = tuple[str, Path]
"""An addon and a path below it; without a path all of it."""


def restore(now: Scope, then: Scope, wanted: Wanted | None = None) -> tuple[Patch, ...]:
    """What leads from `now` back to `then`, each value with the schema it was written in; of `wanted` alone when given,
    and of the whole that it lies in."""
    gone, back = [], []
    for addon in sorted(now.addons.keys() | then.addons.keys()):
        if wanted is not None and wanted[0] != addon:
            continue
        old, new = now.layer(addon), then.layer(addon)
        for path in sorted(old.keys() | new.keys()):
            if wanted is not None and not (begins(path, wanted[1]) or begins(wanted[1], path)):
                continue
            if path not in new:
                gone.append(Patch(addon=addon, path=path, unset=True))
            elif path not in old or _said(old[path]) != _said(new[path]):
                back.append(Patch(addon=addon, path=path, value=new[path].value, schema=new[path].schema))
    return (*gone, *back)


def _said(setting: Setting) -> bytes:
    return canonical([setting.value, setting.schema])
