"""Starting, replacing and stopping the addons of several bundles side by side. Any thread.

An addon of production runs as a thread of the studio when it asks for nothing else. Whatever could meet another
version of itself there runs in a process of its own: addons of other bundles, and what was pinned after the start.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from events.blobs import Blobs
from events.ids import new_id
from events.record import Digest
from qi.addon_environment import environment_of
from qi.addon_record import NOT_FOR_THIS_QI, ROLES, AddonRecord, incompatible, read_addon
from qi.bus import Bus
from qi.child import InProcess
from qi.contracts.bundles import BundleInfo, PinnedAddon
from qi.contracts.hosting import AddonRun
from qi.contracts.session import StartSession
from qi.contracts.settings import GetSettings
from qi.credentials import Credentials
from qi.errors import Invalid, NotFound, QiError
from qi.home import Home
from qi.supervisor import Spec, Supervisor

log = logging.getLogger("qi.addons")

START_LIMIT_S = 10.0
"""For all addons of a bundle that are no providers; less than a command waits for a studio."""

Key = tuple[str, str]
"""Id of the bundle, name of the addon."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One addon of one bundle."""

    record: AddonRecord
    pin: PinnedAddon
    run: AddonRun


class Hosting:
    """What runs of which bundle. The lock guards the table; nothing is started or asked while it is held."""

    def __init__(
        self, home: Home, isolation: Literal["declared", "thread", "process"], broker: Callable[[], Credentials]
    ) -> None:
        """`broker` tells how a process reaches the broker; its password is filled in for each."""
        self._home = home
        self._isolation = isolation
        self._broker = broker
        self._blobs = Blobs(home.blobs)
        self._pinned: dict[Key, Pinned] = {}
        self._starting: dict[Key, Future[AddonRun]] = {}
        self._in_threads: dict[str, str] = {}
        """Addon → digest of the version whose code this process has loaded."""
        self._guests: dict[str, StartSession] = {}
        """What the session of each addon in a process of its own is opened with, by the name of its child."""
        self._numbers = itertools.count(2)
        self._lock = threading.Lock()
        self._replacing = threading.Lock()
        """Held while one is replaced: two at once would leave a child that nobody knows."""
        self.providing = ""
        """Id of the bundle whose providers the services ask."""

    def use(self, bus: Bus, supervisor: Supervisor) -> None:
        """Before anything else is called."""
        self._bus, self._supervisor = bus, supervisor

    # -- what there is --------------------------------------------------------------------------------------------

    def register(self, bundle: BundleInfo) -> dict[str, AddonRecord]:
        """Lay out what a bundle pins, from the content store: what was pinned runs, whatever folders hold now."""
        records: dict[str, AddonRecord] = {}
        for pin in bundle.addons:
            folder = Path(pin.path) if pin.path else self._home.code / pin.digest
            if not pin.path:
                self._blobs.checkout(Digest(pin.digest), folder)
            records[pin.name] = read_addon(folder)
        unfit = incompatible(records)
        with self._lock:
            for key in [key for key in self._pinned if key[0] == bundle.id and key[1] not in records]:
                if self._pinned[key].run.stage != "started":
                    del self._pinned[key]
        for pin in bundle.addons:
            record, key = records[pin.name], (bundle.id, pin.name)
            with self._lock:
                known = self._pinned.get(key)
                idle = known is None or (known.run.stage != "started" and key not in self._starting)
                if idle and (known is None or (known.record, known.pin) != (record, pin)):
                    self._pinned[key] = Pinned(record, pin, _described(bundle.id, record, pin, unfit.get(pin.name, "")))
        return records

    def runs(self, bundle: str) -> list[AddonRun]:
        """Of what :meth:`register` has seen."""
        with self._lock:
            return [pinned.run for (of, _), pinned in sorted(self._pinned.items()) if of == bundle]

    def problems(self) -> list[str]:
        """One line for each addon that should run and does not."""
        with self._lock:
            found = [pinned.run for pinned in self._pinned.values()]
        return [_problem(run) for run in found if run.problem]

    def is_wanted(self, key: Key) -> bool:
        """Whether an addon runs, or was asked for and did not start."""
        with self._lock:
            pinned = self._pinned.get(key)
        return pinned is not None and (pinned.run.stage == "started" or pinned.run.status == "failed")

    def bundles(self) -> set[str]:
        """Ids of those of which something runs."""
        with self._lock:
            return {bundle for (bundle, _), pinned in self._pinned.items() if pinned.run.stage == "started"}

    # -- starting -------------------------------------------------------------------------------------------------

    def start_provider(self, bundle: BundleInfo, name: str) -> None:
        """One without which nothing works; it gets its defaults, because settings start later. Raises QiError."""
        self._start((bundle.id, name), bundle, production=True, settings={})

    def start_all(self, bundle: BundleInfo, *, production: bool, limit_s: float = START_LIMIT_S) -> None:
        """Start what nobody depends on, each after what it requires, independent ones at once; return after the limit
        at the latest. One that hangs, even while it is imported, is not waited for."""
        began, starts = time.monotonic(), {}
        for name in [run.name for run in self.runs(bundle.id) if run.status == "enabled" and run.stage != "started"]:
            if self._pinned[bundle.id, name].record.has_actor:
                starts[name] = self._begin((bundle.id, name), bundle, production)
        for name, start in starts.items():
            try:
                start.result(max(0.0, began + limit_s - time.monotonic()))
            except Late:
                self._failed((bundle.id, name), f"it did not start within {limit_s:.0f} s")
            except Exception as error:  # noqa: BLE001 - its record has it already
                log.debug("'%s': %s", name, error)
        runs = self.runs(bundle.id)
        log.info(
            "bundle '%s': %d addons, %d started in %.2f s%s", bundle.name, len(runs),
            sum(run.stage == "started" for run in runs), time.monotonic() - began,
            "".join(f"; {_problem(run)}" for run in runs if run.problem),
        )  # fmt: skip

    def ensure(self, bundle: BundleInfo, name: str, *, production: bool = False) -> Future[AddonRun]:
        """Start one addon and what it requires, unless they run. The future holds a QiError when that fails."""
        key = (bundle.id, name)
        with self._lock:
            pinned = self._pinned.get(key)
        if pinned is not None and pinned.run.stage == "started":
            done: Future[AddonRun] = Future()
            done.set_result(pinned.run)
            return done
        self.register(bundle)
        with self._lock:
            pinned = self._pinned.get(key)
        if pinned is None:
            raise NotFound(f"bundle '{bundle.name}' pins no addon '{name}'", addon=name, bundle=bundle.name)
        if pinned.run.status == "incompatible" or pinned.record.problem:
            raise Invalid(_problem(pinned.run), addon=name)
        if not pinned.record.has_actor:
            raise Invalid(f"the addon '{name}' has no actor: nothing of it runs", addon=name)
        return self._begin(key, bundle, production)

    def _begin(self, key: Key, bundle: BundleInfo, production: bool) -> Future[AddonRun]:
        """Start in a thread of its own; whoever asks for the same meanwhile gets the same future."""
        with self._lock:
            if key in self._starting:
                return self._starting[key]
            future: Future[AddonRun] = Future()
            self._starting[key] = future
            needed = sorted(self._pinned[key].record.declared.requires)

        def run() -> None:
            try:
                for name in needed:
                    if self._pinned[bundle.id, name].record.has_actor:
                        self.ensure(bundle, name, production=production).result()
                future.set_result(self._start(key, bundle, production=production))
            except Exception as error:
                if not isinstance(error, QiError):
                    log.exception("starting '%s' failed", key[1])
                self._failed(key, str(error))
                future.set_exception(error)
            finally:
                with self._lock:
                    self._starting.pop(key, None)

        threading.Thread(target=copy_context().run, args=(run,), name=f"qi-start-{key[1]}", daemon=True).start()
        return future

    def _start(
        self, key: Key, bundle: BundleInfo, *, production: bool, settings: dict[str, Any] | None = None
    ) -> AddonRun:
        """Raises what the start raised."""
        pinned = self._pinned[key]
        record, pin = pinned.record, pinned.pin
        if record.problem:
            raise Invalid(_problem(pinned.run), addon=record.name)
        where = self._where(record, pin, production)
        with self._lock:
            taken = any(other.run.child == f"addon_{record.name}" for other in self._pinned.values())
        child = f"addon_{record.name}" if not taken else f"addon_{record.name}-{next(self._numbers)}"
        paths = environment_of(self._home, record.declared.python)
        self._changed(key, stage="installed")
        options = {
            "folder": str(record.folder),
            "bundle": bundle.id,
            "addon": record.name,
            "home": str(self._home.root),
            "settings": self._slice(bundle, record.name) if settings is None else settings,
            "code": pin.digest if not pin.path else "",
        }
        self._guests[child] = StartSession(
            id="", kind="addon", user=f"addon {record.name}", host=socket.gethostname(), bundle=bundle.id,
            addon=record.name, child=child, requests=record.declared.requests,
            permissions=record.declared.permissions,
        )  # fmt: skip
        environment = {}
        if pin.path:
            # Compiled files are told apart by second and size: of two saves within one, the first would run.
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if paths is not None:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(paths), os.environ.get("PYTHONPATH", "")]))
        self._supervisor.start_child(Spec(child, "qi.addon:load_addon", options, where, environment=environment))
        if where == "thread":
            self._in_threads[record.name] = pin.digest
        return self._changed(key, stage="started", status="enabled", problem="", where=where, child=child)

    def _where(self, record: AddonRecord, pin: PinnedAddon, production: bool) -> Literal["thread", "process"]:
        if self._isolation != "declared":
            return self._isolation
        met = self._in_threads.get(record.name, pin.digest) != pin.digest
        alone = record.declared.isolation == "process" or record.declared.python
        return "process" if alone or met or pin.path or not production else "thread"

    def _slice(self, bundle: BundleInfo, addon: str) -> dict[str, Any]:
        values = self._bus.request(GetSettings(addon=addon, bundle=bundle.id)).values
        found = values.get(addon, {})
        return found if isinstance(found, dict) else {}

    # -- replacing and stopping -----------------------------------------------------------------------------------

    def replace(self, bundle: BundleInfo, name: str, *, production: bool = False) -> AddonRun:
        """Start an addon anew, from its folder as it is now, and let go of the running one when the new one serves.

        When the new one does not start the running one stays, and its record says why. Raises QiError.
        """
        with self._replacing:
            return self._replaced((bundle.id, name), bundle, production)

    def _replaced(self, key: Key, bundle: BundleInfo, production: bool) -> AddonRun:
        name = key[1]
        with self._lock:
            before = self._pinned.get(key)
        if before is None or before.run.stage != "started":
            return self.ensure(bundle, name, production=production).result()
        pin = next((pin for pin in bundle.addons if pin.name == name), before.pin)
        record = read_addon(Path(pin.path) if pin.path else self._home.code / pin.digest)
        fresh = _described(bundle.id, record, pin, "")
        with self._lock:
            self._pinned[key] = Pinned(record, pin, replace(fresh, child=before.run.child, where=before.run.where))
        try:
            run = self._start(key, bundle, production=production)
        except Exception as error:
            why = f"it runs as it was before; its newest files do not start: {error}"
            with self._lock:
                self._pinned[key] = replace(before, run=replace(before.run, problem=why))
            log.warning("the addon '%s': %s", name, why)
            raise
        self._supervisor.stop_child(before.run.child)
        log.info("the addon '%s' was started anew", name)
        return run

    def follow(self, bundle: BundleInfo) -> None:
        """A bundle of which something runs was edited: let go of what it pins no more, replace what it has otherwise.
        Settings are a part of it, so whatever still runs gets its slice anew."""
        pins = {pin.name for pin in bundle.addons}
        running = [run.name for run in self.runs(bundle.id) if run.stage == "started"]
        for name in running:
            if name not in pins:
                self.stop(bundle.id, name)
        self.register(bundle)
        for name in running:
            if name in pins:
                self.replace(bundle, name)

    def stop(self, bundle: str, name: str = "") -> None:
        """Stop what runs of a bundle, or one addon of it."""
        for run in self.runs(bundle):
            if run.stage == "started" and name in ("", run.name):
                self._supervisor.stop_child(run.child)
                self._guests.pop(run.child, None)
                self._changed((bundle, run.name), stage="stopped", child="", where="")

    # -- for the supervisor ---------------------------------------------------------------------------------------

    def start_process(self, spec: Spec) -> InProcess | None:
        """A process for an addon, which speaks as itself with what it declared; None for what is no addon."""
        guest = self._guests.get(spec.name)
        if guest is None:
            return None
        session = new_id()
        opened = self._bus.request(replace(guest, id=session))
        return InProcess(spec, replace(self._broker(), password=opened.token), session)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _changed(self, key: Key, **what: Any) -> AddonRun:
        with self._lock:
            pinned = self._pinned[key]
            run = replace(pinned.run, **what)
            self._pinned[key] = replace(pinned, run=run)
        return run

    def _failed(self, key: Key, problem: str) -> None:
        self._changed(key, status="failed", problem=problem)


def providers(records: Mapping[str, AddonRecord]) -> dict[str, AddonRecord]:
    """Role → the one addon that has it. Raises :class:`Invalid` when none or several do."""
    chosen: dict[str, AddonRecord] = {}
    for role in ROLES:
        having = [record for record in records.values() if role in record.roles and not record.problem]
        if len(having) != 1:
            names = ", ".join(record.name for record in having) or "none"
            every = "; ".join(
                f"{r.name} {r.version} ({', '.join(r.roles) or 'no role'}{'; ' + r.problem if r.problem else ''})"
                for r in records.values()
            )
            raise Invalid(
                f"Qi needs exactly one addon with the role '{role}', production pins {len(having)}: {names}",
                remedy=f"promote a bundle that pins exactly one. Pinned are: {every or 'no addons at all'}",
                role=role,
                found=[record.name for record in having],
            )
        chosen[role] = having[0]
    return chosen


def _described(bundle: str, record: AddonRecord, pin: PinnedAddon, unfit: str) -> AddonRun:
    said = record.declared
    status = status_of(record.problem) if record.problem else "incompatible" if unfit else "enabled"
    return AddonRun(
        name=pin.name, version=record.version if not record.problem else pin.version, title=record.title,
        bundle=bundle, status=status, stage="registered" if status == "enabled" else "discovered",
        problem=record.problem or unfit, digest=pin.digest if not pin.path else "", folder=str(record.folder),
        roles=record.roles, requires=dict(said.requires), contributes=record.contributes,
        commands=tuple(one.model_dump() for one in said.commands),
        windows=tuple(one.model_dump() for one in said.windows), slots=tuple(one.model_dump() for one in said.slots),
        applications=tuple(one.model_dump() for one in said.applications),
    )  # fmt: skip


def status_of(problem: str) -> str:
    """Of an addon whose record has this problem."""
    return "incompatible" if problem.startswith(NOT_FOR_THIS_QI) else "failed"


def _problem(run: AddonRun) -> str:
    return f"the addon '{run.name}' {'did not start' if run.stage != 'started' else 'runs'}: {run.problem}"


