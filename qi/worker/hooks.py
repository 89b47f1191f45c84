"""Hooks that are asked before a publish: each a step of its own, before anything is collected. Main thread."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qi.discovery import Status, discover, in_order
from qi.errors import Invalid
from qi.masking import mask
from qi.plugin import Hook, Kind, LifeEvent
from qi.session.publishing import MESSAGE_LONGEST, Listener, Outcome, Step, StepsFailed

STAGE = "collect"
BEFORE_ALL = -1.0
OPEN = frozenset({"sources", "fps"})
"""What of the data given to them they may change; what they add is theirs to name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One hook and what it works with."""

    addon: str
    hook: type[Hook]
    settings: Mapping[str, Any]

    @property
    def step(self) -> Step:
        return Step(f"{self.addon}.{self.hook.name}", "", BEFORE_ALL)


def hooks_of(addon: str, folder: Path, settings: Mapping[str, Any]) -> list[Asked]:
    """Those of one addon that wait for a publish. Raises :class:`Invalid` for a file that does not load: it may be the
    check that was written to stop this publish."""
    found = discover(folder / "plugins", Kind.HOOKS)
    if bad := [f"{one.path.name}: {one.reason}" for one in found if one.status is Status.FAILED]:
        raise Invalid(f"hooks of '{addon}' do not load: {'; '.join(map(mask, bad))}", remedy="mend the file")
    hooks = [hook for hook in in_order(found, Kind.HOOKS) if issubclass(hook, Hook) and not hook.hosts]
    return [Asked(addon, hook, settings) for hook in hooks if LifeEvent.BEFORE_PUBLISH in hook.events]


def ask_hooks(
    asked: list[Asked],
    data: Mapping[str, Any],
    listener: Listener,
    *,
    limit_s: float,
    hung: Callable[[str, Step, float], None],
) -> dict[str, Any]:
    """Run them in the order they ask for, one upon the other; the data that collecting begins with.

    Raises :class:`StepsFailed` for the first that refuses. `hung` is called, on a thread of its own, when one passes
    the limit: as in :class:`qi.session.publishing.Run`.
    """
    now = deepcopy(dict(data))
    for one in sorted(asked, key=lambda one: (one.hook.order, one.hook.name, one.addon)):
        listener.started(STAGE, one.step)
        late = threading.Timer(limit_s, hung, (STAGE, one.step, limit_s))
        late.daemon = True
        late.start()
        given = {**now, **{key: deepcopy(value) for key, value in data.items() if key not in OPEN}}
        outcome = _outcome(one, given)
        late.cancel()
        changed = [key for key, value in data.items() if key not in OPEN and given.get(key) != value]
        if outcome.ok and changed:
            remedy = f"it may change {' and '.join(sorted(OPEN))}, and add what it likes"
            outcome = Outcome(False, outcome.duration_ms, f"a hook cannot change {', '.join(changed)}", remedy)
        listener.finished(STAGE, one.step, outcome)
        if not outcome.ok:
            raise StepsFailed(STAGE, [(one.step, outcome)])
        now = given
    return now


def _outcome(one: Asked, data: dict[str, Any]) -> Outcome:
    began = time.perf_counter()
    try:
        one.hook(one.settings).run(LifeEvent.BEFORE_PUBLISH, data)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it refuses, in whatever way
        said = f"the hook tried to end the process ({error})" if isinstance(error, SystemExit) else str(error)
        return Outcome(
            False, (time.perf_counter() - began) * 1000, mask(said or type(error).__name__)[:MESSAGE_LONGEST],
            mask(str(getattr(error, "remedy", "")))[:MESSAGE_LONGEST],
            trace=mask("".join(traceback.format_exception(error))),
        )  # fmt: skip
    return Outcome(True, (time.perf_counter() - began) * 1000)
