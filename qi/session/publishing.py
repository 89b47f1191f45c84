"""Runs unmodified pyblish plugins, step by step, through pyblish's own iterator. Pure Python: also inside a DCC.

pyblish keeps its registries in module globals and captures the root logger, so one process runs one publish at a time.
A step is one plugin on one instance (or on the context). Main thread of whoever hosts it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyblish.api
import pyblish.logic
import pyblish.plugin

from events.publish_steps import repair_of
from qi.errors import Invalid
from qi.masking import mask

RECORDS_MOST = 200
MESSAGE_LONGEST = 2_000
TITLE_LONGEST = 200
HALF = 0.5
MEND = "mend the file, or take it out of the folder"
MORE_MEMORY = "take smaller pieces at once, or allow more in the setting qi.publish.memory_gib"
WATCH_EVERY_S = 0.25

STAGES: Mapping[str, tuple[float, float]] = {
    "collect": (float("-inf"), pyblish.api.CollectorOrder + HALF),
    "validate": (pyblish.api.CollectorOrder + HALF, pyblish.api.ValidatorOrder + HALF),
    "extract": (pyblish.api.ValidatorOrder + HALF, pyblish.api.ExtractorOrder + HALF),
    "follow_up": (pyblish.api.ExtractorOrder + HALF, float("inf")),
}
"""Stage → the half-open span of pyblish orders it runs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One plugin on one instance."""

    plugin: str
    instance: str
    """Name of the instance; empty for a plugin on the context."""
    order: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went."""

    ok: bool
    duration_ms: float
    message: str = ""
    """The error, as the artist should read it."""
    remedy: str = ""
    records: tuple[str, ...] = ()
    """What the plugin logged, `LEVEL message`."""
    trace: str = ""
    """Traceback of an error."""
    repair: str = ""
    """Title of the repair that the plugin offers; empty for none."""


class Listener(Protocol):
    """Who is told of the steps; both are called before the next one begins."""

    def started(self, stage: str, step: Step) -> None: ...

    def finished(self, stage: str, step: Step, outcome: Outcome) -> None: ...


class StepsFailed(Exception):
    """A stage ended because steps failed."""

    def __init__(self, stage: str, failures: list[tuple[Step, Outcome]]) -> None:
        super().__init__(f"{len(failures)} steps failed in '{stage}'")
        self.stage = stage
        self.failures = failures


def discover(folders: list[Path]) -> list[type]:
    """The pyblish plugins in these folders, in their order; main thread.

    Raises :class:`Invalid` for a file that does not load. pyblish would go on without it; but a check that is left out
    lets through what it was written to stop.
    """
    pyblish.api.deregister_all_paths()
    refusals = _Refusals(logging.ERROR)
    said = logging.getLogger(pyblish.plugin.__name__)
    said.addHandler(refusals)
    try:
        found: list[type] = pyblish.api.discover(paths=[str(folder) for folder in folders])
    except SystemExit as left:
        # Only pyblish's own frame knows which file it was executing.
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(left.__traceback__)]
        file = next((Path(known["abspath"]).name for known in frames if "abspath" in known), "a plugin file")
        raise Invalid(f"{file} tried to end the process while it loaded (exit {left.code})", remedy=MEND) from left
    finally:
        said.removeHandler(refusals)
    if refusals.said:
        raise Invalid(f"plugins do not load: {'; '.join(refusals.said)}", remedy=MEND)
    return found


class _Refusals(logging.Handler):
    """What pyblish says about the files it leaves out."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(mask(record.getMessage()).removeprefix("Skipped: "))


class Run:
    """One pyblish context on its way through the stages."""

    def __init__(
        self,
        plugins: list[type],
        data: dict[str, Any],
        listener: Listener,
        *,
        timeout_s: float,
        hung: Callable[[str, Step, float], None],
    ) -> None:
        """`hung` is called with stage, step and limit, on a thread of its own, when a step passes `timeout_s`; a hung
        step cannot be interrupted, so it must end the process or give up on it."""
        self.context: Any = pyblish.api.Context()
        self.context.data.update(data)
        self.plugins = plugins
        self._listener = listener
        self._timeout_s = timeout_s
        self._hung = hung
        self._state: dict[str, Any] = {"nextOrder": None, "ordersWithError": set()}
        self._repaired: set[tuple[str, str]] = set()
        self._running: tuple[float, str, Step] | None = None
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="qi-step-watch", daemon=True).start()

    def close(self) -> None:
        """No more steps: stop watching them."""
        self._over.set()

    def has(self, stage: str) -> bool:
        """Whether any plugin belongs to `stage`."""
        return bool(self._of(stage))

    def later(self, instance: Any) -> list[str]:
        """Names of the plugins that would check and extract `instance`, in their order."""
        fitting = pyblish.logic.plugins_by_instance(self._of("validate") + self._of("extract"), instance)
        return [plugin.__name__ for plugin in fitting if plugin.__instanceEnabled__ and plugin.active]

    def steps(self, stage: str, *, keep_going: bool, skip: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Run a stage; `skip` names (plugin, instance) pairs that are done. Raises :class:`StepsFailed`.

        With `keep_going` the other steps still run after a failure, so that an artist sees all that is wrong at once.
        """
        failures: list[tuple[Step, Outcome]] = []
        for plugin, instance in pyblish.logic.Iterator(self._of(stage), self.context, self._state):
            step = Step(plugin.__name__, "" if instance is None else str(instance.data["name"]), float(plugin.order))
            if (step.plugin, step.instance) in skip:
                continue
            self._listener.started(stage, step)
            outcome = self._step(stage, step, plugin, instance)
            self._listener.finished(stage, step, outcome)
            if not outcome.ok:
                failures.append((step, outcome))
                if not keep_going:
                    break
        if failures:
            raise StepsFailed(stage, failures)

    def repair(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Run what (plugin, instance) pairs declare as their repair, each a step of its own. Raises
        :class:`StepsFailed` for the first that cannot do it. A pair that is not there any more checks nothing."""
        plugins: dict[str, Any] = {plugin.__name__: plugin for plugin in self._of("validate") if offered_repair(plugin)}
        places = {str(instance.data["name"]): instance for instance in self.context} | {"": None}
        for name, instance in wanted:
            if name not in plugins or instance not in places:
                continue
            step = Step(repair_of(name), instance, float(plugins[name].order))
            self._listener.started("validate", step)
            outcome = self._step("validate", step, _repairing(plugins[name]), places[instance])
            self._listener.finished("validate", step, outcome)
            if not outcome.ok:
                raise StepsFailed("validate", [(step, outcome)])
            self._repaired.add((name, instance))

    def _of(self, stage: str) -> list[type]:
        low, high = STAGES[stage]
        return [plugin for plugin in self.plugins if low <= plugin.order < high]  # type: ignore[attr-defined]

    def _step(self, stage: str, step: Step, plugin: Any, instance: Any) -> Outcome:
        began = time.perf_counter()
        self._running = (time.monotonic(), stage, step)
        here = os.getpid()
        try:
            result = pyblish.plugin.process(plugin, self.context, instance)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as left:
            _only_in(here, left)
            took = (time.perf_counter() - began) * 1000
            self._state["ordersWithError"].add(plugin.order)
            what = f"exit {left.code}" if isinstance(left, SystemExit) else type(left).__name__
            return Outcome(False, took, f"the plugin tried to end the process ({what})")
        finally:
            self._running = None
        _only_in(here)
        took = (time.perf_counter() - began) * 1000
        # pyblish keeps every result, tracebacks and all, for as long as the context lives.
        self.context.data["results"].clear()
        records = tuple(_records(result["records"]))
        error = result["error"]
        if error is None:
            return Outcome(True, took, records=records)
        self._state["ordersWithError"].add(plugin.order)
        message, remedy = str(error) or type(error).__name__, str(getattr(error, "remedy", ""))
        if isinstance(error, MemoryError):
            # What the plugin had gathered lives on in its frames.
            traceback.clear_frames(error.__traceback__)
            message, remedy = f"it ran out of memory ({message})", remedy or MORE_MEMORY
        return Outcome(
            False,
            took,
            mask(message)[:MESSAGE_LONGEST],
            mask(remedy)[:MESSAGE_LONGEST],
            records,
            mask("".join(traceback.format_exception(error))),
            # What did not help is not offered again.
            "" if (step.plugin, step.instance) in self._repaired or stage != "validate" else offered_repair(plugin),
        )

    def _watch(self) -> None:
        """One thread for all steps: starting one for each would cost more than a small step itself."""
        while not self._over.wait(WATCH_EVERY_S):
            running = self._running
            if running is not None and time.monotonic() - running[0] > self._timeout_s:
                self._hung(running[1], running[2], self._timeout_s)
                return


def offered_repair(plugin: type) -> str:
    """What the validator says its repair would do, where it declares one; see :mod:`qi.plugin`."""
    title = getattr(plugin, "repair_title", "")
    return mask(str(title))[:TITLE_LONGEST] if title and callable(getattr(plugin, "repair", None)) else ""


def _repairing(plugin: Any) -> Any:
    """The same plugin, whose process is its repair: logged, timed and guarded like every step."""

    def of_instance(self: Any, instance: Any) -> None:
        self.repair(instance)

    def of_context(self: Any, context: Any) -> None:
        self.repair(context)

    process = of_context if issubclass(plugin, pyblish.api.ContextPlugin) else of_instance
    return type(plugin)(repair_of(plugin.__name__), (plugin,), {"process": process, "repair_title": ""})


def _only_in(process: int, left: BaseException | None = None) -> None:
    """Return in that process alone: a twin that the plugin forked must not go on with the publish, and ends here."""
    if os.getpid() != process:
        code = left.code if isinstance(left, SystemExit) else int(left is not None)
        os._exit(code if isinstance(code, int) else int(code is not None))


def _records(records: list[Any]) -> Iterator[str]:
    for record in records[:RECORDS_MOST]:
        yield mask(f"{record.levelname} {record.getMessage()}")[:MESSAGE_LONGEST]
    if len(records) > RECORDS_MOST:
        yield f"… {len(records) - RECORDS_MOST} more"
