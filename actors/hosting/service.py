"""The face of hosting: how addons fare, starting them on demand, following bundles and folders as they change."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import ClassVar

from watchfiles import watch

from actors.hosting.hosting import Hosting, status_of
from qi.actor import Actor, every, handles, listens
from qi.bus import Bus
from qi.contracts.addons import ListAddons
from qi.contracts.bundles import BundleInfo, GetBundle
from qi.contracts.hosting import AddonRun, AddonRuns, EnsureAddon, GetAddons, RestartAddon
from qi.contracts.jobs import WhichJobs
from qi.contracts.session import ListSessions
from qi.errors import NotFound, QiError, Unavailable
from qi.messages import to_addon
from qi.wire import Message

log = logging.getLogger("qi.addons")

LOOK_EVERY_S = 30.0
"""How often it is looked whether anybody still uses a bundle that is not production, and which one that is."""
CONTENT = frozenset({"addon_changed", "settings_changed", "variable_changed", "frozen"})
"""Events of a bundle after which it holds something else."""
QUIET_MS = 50
"""An editor that saves writes several times: so long nothing may happen any more."""
DEBOUNCE_MS = 400
"""Whoever goes on writing is not waited for any longer."""


class Host(Actor):
    """Starts what a session needs, lets go of what none does."""

    name = "hosting"
    requests = (GetBundle, ListAddons, ListSessions, WhichJobs)
    look_every_s: ClassVar[float] = LOOK_EVERY_S

    def __init__(self, bus: Bus, *, hosting: Hosting, production: str, moved: Callable[[BundleInfo], None]) -> None:
        """`production` is the id of the bundle the studio began with; `moved` is told of the next, on a thread of
        this actor's, when its addons have started."""
        super().__init__(bus)
        self._hosting = hosting
        self._production = production
        self._moved = moved

    def setup(self) -> None:
        self._work = ThreadPoolExecutor(2, thread_name_prefix="qi-hosting")
        self._over = threading.Event()
        self._watches: dict[tuple[str, str], threading.Thread] = {}

    def teardown(self) -> None:
        if hasattr(self, "_over"):
            self._over.set()
            self._work.shutdown(wait=False, cancel_futures=True)

    # -- asked ----------------------------------------------------------------------------------------------------

    @handles(GetAddons)
    def status(self, message: GetAddons) -> AddonRuns:
        bundle = self._bundle(message.bundle)
        self._hosting.register(bundle)
        pinned = self._hosting.runs(bundle.id)
        names = {run.name for run in pinned}
        others = (
            AddonRun(
                name=info.name, version=info.version, title=info.title, bundle=bundle.id,
                status=status_of(info.problem) if info.problem else "disabled", stage="discovered",
                problem=info.problem, folder=info.folder, roles=info.roles, contributes=info.contributes,
            )
            for info in self.request(ListAddons()).addons
            if info.name not in names
        )  # fmt: skip
        return AddonRuns(bundle=bundle.name, addons=tuple(sorted([*pinned, *others], key=lambda run: run.name)))

    @handles(EnsureAddon)
    def ensure(self, message: EnsureAddon) -> Future[AddonRun]:
        bundle = self._bundle(message.bundle if self.caller.is_studio else "")
        for pin in bundle.addons:
            if pin.path:
                self._watch((bundle.id, pin.name), Path(pin.path))
        return self._hosting.ensure(bundle, message.name, production=bundle.id == self._production)

    @handles(RestartAddon)
    def restart(self, message: RestartAddon) -> Future[AddonRun]:
        return self._later(self._hosting.replace, self._bundle(message.bundle), message.name)

    # -- following ------------------------------------------------------------------------------------------------

    @listens("qi.event.pointer.production.pointer.moved")
    def production_moved(self, _: bytes) -> None:
        bundle = self.request(GetBundle(bundle="production"))
        if bundle.id != self._production:
            self._production = bundle.id
            self._later(self._follow, bundle)

    @listens("qi.event.bundle.*.bundle.>", whole=True)
    def bundle_changed(self, msg: Message) -> None:
        """A bundle that runs was edited: its addons come to be what it pins now."""
        changed, what = msg.subject.split(".")[3], msg.subject.rpartition(".")[2]
        if what in CONTENT and changed in self._hosting.bundles() and changed != self._production:
            self._later(self._hosting.follow, self.request(GetBundle(bundle=changed)))

    @every("look_every_s")
    def let_go(self) -> None:
        """Of what belongs to bundles that no session works with."""
        self.production_moved(b"")  # an announcement can be lost with a connection; the log is not
        used = {session.bundle for session in self.request(ListSessions()).sessions if session.kind != "addon"}
        for bundle in self._hosting.bundles() - used - {self._production, self._hosting.providing}:
            self._later(self._let_go_of, bundle)

    def _let_go_of(self, bundle: str) -> None:
        """Unless one of its addons is still at a job; on a thread of the pool."""
        for run in self._hosting.runs(bundle):
            if run.stage == "started":
                with suppress(Unavailable):  # it is gone already
                    if self.request(WhichJobs(), to=to_addon(bundle, run.name)).ids:
                        return
        self._hosting.stop(bundle)

    def _follow(self, bundle: BundleInfo) -> None:
        self._hosting.register(bundle)
        self._moved(bundle)
        self._hosting.start_all(bundle, production=True)

    # -- watching folders -----------------------------------------------------------------------------------------

    def _watch(self, key: tuple[str, str], folder: Path) -> None:
        """What a dev bundle takes from a folder is started anew when something in there is saved."""
        if key not in self._watches:
            self._watches[key] = threading.Thread(
                target=copy_context().run, args=(self._watching, key, folder), name=f"qi-watch-{key[1]}", daemon=True
            )
            self._watches[key].start()

    def _watching(self, key: tuple[str, str], folder: Path) -> None:
        """On a thread of its own, until the studio stops."""
        bundle, name = key
        for _ in watch(folder, stop_event=self._over, step=QUIET_MS, debounce=DEBOUNCE_MS, raise_interrupt=False):
            if not self._hosting.is_wanted(key):
                continue  # it will start from the folder as it is then
            began = time.monotonic()
            try:
                run = self._hosting.replace(self._bus.request(GetBundle(bundle=bundle)), name)
            except QiError as error:
                log.warning("'%s' in %s: %s", name, folder, error.message)
            except Exception:
                log.exception("'%s' could not be started anew", name)
            else:
                log.info("'%s' runs as saved (%s) after %.2f s", name, run.child, time.monotonic() - began)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _bundle(self, named: str) -> BundleInfo:
        return self.request(GetBundle(bundle=named or self.caller.bundle or "production"))

    def _later(self, work: Callable[..., object], *arguments: object) -> Future[AddonRun]:
        future: Future[AddonRun] = self._work.submit(copy_context().run, work, *arguments)  # type: ignore[arg-type]
        future.add_done_callback(_told)
        return future


def _told(done: Future[AddonRun]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None and not isinstance(error, NotFound):
        log.warning("%s", error)
