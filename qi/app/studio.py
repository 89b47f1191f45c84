"""The composition root: what a studio consists of, in which order it starts and stops.

launch config → broker → journal → sessions, gate → addons and bundles → the providers that production pins (exactly
one `auth`, one `db`) → auth, db, settings → publishes, history → the other addons → serve. Stop goes the other way,
each stage within its time limit. Main thread, except where a method says otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from filelock import FileLock, Timeout

from actors.addons import Addons
from actors.applications import Applications
from actors.auth import Auth
from actors.bundles import Bundles
from actors.checks import Checks
from actors.db import Db
from actors.folders import Folders
from actors.gate import Gate
from actors.history import History
from actors.hosting import Host, Hosting, providers
from actors.jobs import Jobs
from actors.journal import Journal
from actors.logs import LogFiles
from actors.notices import NoticeBoard
from actors.previews import Previews
from actors.project_files import ProjectFiles
from actors.publish_views import PublishViews
from actors.publishes import Publishes
from actors.rehearsals import Rehearsals
from actors.sessions import Sessions, digest_of
from actors.settings import Settings
from actors.settings_history import SettingsHistory
from actors.studio import Outlook, StudioActor
from actors.vault import Vault
from actors.windows import Windows
from events.ids import new_id
from qi import context
from qi.actor import Actor
from qi.app.broker import Broker, Listen, Refused
from qi.app.certificates import certificate_for
from qi.app.given_broker import GivenBroker
from qi.app.launch import LaunchConfig
from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.child import InProcess
from qi.context import STUDIO
from qi.contracts.addons import ListAddons
from qi.contracts.auth import UseAuth
from qi.contracts.bundles import BundleInfo, CreateBundle, GetBundle, PromoteBundle
from qi.contracts.db import GetProject, UseDb
from qi.contracts.gate import ReportRefusal
from qi.contracts.publish import ResumeUnfinished
from qi.contracts.studio import ChildInfo
from qi.errors import Conflict, Invalid, NotFound, QiError
from qi.graph import start_order
from qi.home import Connection, Home
from qi.messages import TOPICS
from qi.supervisor import Spec, Supervisor

log = logging.getLogger("qi.studio")

STOP_STAGE_S = 5.0
FIRST_BUNDLE = "base"

ELSEWHERE = frozenset(topic for topic in TOPICS if topic.startswith(("provider.", "desktop.")))
"""Topics that addons and participants serve."""

CORE: tuple[type[Actor], ...] = (
    Journal, Sessions, Gate, Addons, Bundles, Auth, Db, Settings, SettingsHistory, ProjectFiles, Folders, Publishes,
    PublishViews, Previews, History, Checks, Rehearsals, Host, NoticeBoard, Jobs, Vault, Windows,
    Applications, LogFiles, StudioActor,
)  # fmt: skip


class Studio:
    """One studio of this process. `lives` says whether it waits to be stopped or goes with its last client."""

    def __init__(
        self,
        config: LaunchConfig,
        lives: Literal["served", "embedded"] = "served",
        *,
        end: Callable[[], None] = lambda: None,
        waits_s: float = 0.0,
        problems: Callable[[], list[str]] = list,
    ) -> None:
        """`end` is called, on any thread, when somebody asks that the studio be stopped. `waits_s` is how long another
        studio of this home may take to end: one that a command started lingers. `problems` tells, from any thread,
        what is wrong with what runs beside it."""
        self.config = config
        self._waits_s = waits_s
        self.home = Home(config.home)
        self.lives = lives
        self.stage = "starting"
        self._end = end
        self._problems: list[str] = []
        self._problems_beside = problems
        self._lock = FileLock(self.home.lock)
        self._owner_token = secrets.token_urlsafe(32)
        self._broker: Broker | GivenBroker | None = None
        self._hosting = Hosting(self.home, config.addon_isolation, self._session_credentials)
        self._bus: Bus | None = None
        self._supervisor: Supervisor | None = None

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self, *, resume: bool = True) -> None:
        """Return when everything serves. Raises :class:`QiError` when it cannot; nothing is left running then."""
        start_order(CORE, served_elsewhere=ELSEWHERE)
        self.home.make()
        try:
            # The operating system releases it when its holder dies.
            self._lock.acquire(timeout=self._waits_s)
        except Timeout as error:
            raise Conflict(
                f"a studio runs in {self.home.root} already",
                remedy="commands join it by themselves; stop it first to start another",
                home=str(self.home.root),
            ) from error
        try:
            with self._as_studio():
                self._start(resume)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all, in reverse; safe to call at any stage."""
        self.stage = "stopping"
        self.home.connection_file.unlink(missing_ok=True)
        if self._supervisor is not None:
            self._supervisor.stop(STOP_STAGE_S)
        if self._bus is not None:
            self._bus.stop()
        if self._broker is not None:
            self._broker.stop()
        self._lock.release()

    def resume_unfinished(self) -> None:
        """Finish what an earlier studio left unfinished; any thread."""
        bus = self._running_bus
        with self._as_studio():
            bus.ask(ResumeUnfinished())

    def _as_studio(self) -> contextlib.AbstractContextManager[context.Context]:
        return context.use(context.Context(trace=new_id(), session=STUDIO, user=STUDIO, host=socket.gethostname()))

    # -- stages -------------------------------------------------------------------------------------------------

    def _start(self, resume: bool) -> None:
        began = time.monotonic()
        broker = self._broker = self._made_broker()
        broker.start()
        url, ca = broker.url, broker.ca
        self._bus = Bus(broker.service, session=STUDIO, codec=Checked(), name="qi-studio", host=socket.gethostname())
        self._bus.start()
        self._supervisor = Supervisor(self._bus, self._start_process)
        hosting = self._hosting
        hosting.use(self._bus, self._supervisor)
        home = str(self.home.root)
        self._core(Journal, home=home)
        self._core(Sessions, home=home, owner=digest_of(self._owner_token))
        self._core(Gate, system=asdict(broker.system), seed=broker.keys.seed, hosts=list(self.config.allow))
        self._core(Addons, home=home, paths=[str(path) for path in self.config.addon_paths])
        self._core(Bundles, home=home)
        production = self._production()
        chosen = providers(hosting.register(production))
        for name in sorted({record.name for record in chosen.values()}):
            hosting.start_provider(production, name)
        hosting.providing = production.id
        self._core(Auth, home=home, provider=chosen["auth"].name, bundle=production.id)
        self._core(Db, home=home, provider=chosen["db"].name, bundle=production.id)
        self._core(Settings, home=home)
        self._core(SettingsHistory, home=home)
        self._core(ProjectFiles)
        self._core(Folders)
        self._core(Vault, home=home)
        self._core(Publishes, home=home, broker=asdict(Credentials(url, ca=ca)))
        self._core(PublishViews, home=home)
        self._core(Previews, home=home)
        self._core(History, home=home)
        self._core(Checks, home=home)
        self._core(Rehearsals, home=home)
        self._core(NoticeBoard, home=home)
        self._core(Windows)
        self._core(Applications)
        self._core(LogFiles, home=home)
        if not self.config.safe_mode:
            hosting.start_all(production, production=True)
        self._core(Host, hosting=hosting, production=production.id, moved=self._moved)
        self._core(Jobs, home=home)
        for info in self._running_bus.request(ListAddons()).addons:
            if info.problem:
                self._problem(f"the addon '{info.name}' in {info.folder} cannot be used: {info.problem}")
        self._check_project()
        self._supervisor.watch()
        outlook = Outlook(
            home=home,
            lives=self.lives,
            stage=lambda: self.stage,
            children=self._children,
            broker_restarts=lambda: broker.restarts,
            problems=self._all_problems,
            end=self._end,
            restart=self._restart,
            resume=self.resume_unfinished,
        )
        self._supervisor.start_child(Spec(StudioActor.name, "actors.studio:StudioActor", {"outlook": outlook}))
        self.home.announce(Connection(url, self._owner_token, os.getpid(), socket.gethostname(), ca))
        self.stage = "ready"
        log.info("the studio in %s is ready after %.2f s", self.home.root, time.monotonic() - began)
        if resume:
            self.resume_unfinished()

    def _made_broker(self) -> Broker | GivenBroker:
        config = self.config
        if config.broker:
            return GivenBroker(config.broker, str(config.broker_ca or ""))
        if not config.listen:
            return Broker(refused=self._refused)
        if not config.allow:
            raise Invalid(
                f"nobody could reach this studio at {config.listen}: no other machine may connect",
                remedy="name those that may: --allow 10.1.0.0/16",
            )
        host, _, port = config.listen.rpartition(":")
        host = host.strip("[]")
        certificate = certificate_for(config, self.home, host, "broker")
        log.info("other machines join with --connect tls://HOST:%s --connect-ca %s", port, certificate.authority)
        return Broker(Listen(host, int(port), certificate), self._refused)

    def _refused(self, refused: Refused) -> None:
        """On a thread of the broker's."""
        if self._bus is not None and self.stage != "stopping":
            with self._as_studio():
                self._bus.ask(ReportRefusal(**asdict(refused)))

    def _core(self, actor: type[Actor], **options: object) -> None:
        assert self._supervisor is not None
        self._supervisor.start_child(Spec(actor.name, f"{actor.__module__}:{actor.__name__}", dict(options)))

    def _production(self) -> BundleInfo:
        """What production pins; a new home begins with the bundle `base` of all addons found."""
        try:
            return self._running_bus.request(GetBundle(bundle="production"))
        except NotFound:
            log.info("a new home: its first bundle is '%s'", FIRST_BUNDLE)
        reason = "a new home begins with the addons that were found"
        with contextlib.suppress(Conflict):  # a start that was cut off made it already
            self._running_bus.request(CreateBundle(name=FIRST_BUNDLE, reason=reason))
        return self._running_bus.request(
            PromoteBundle(bundle=FIRST_BUNDLE, pointer="production", replaces="", reason=reason)
        )

    def _moved(self, production: BundleInfo) -> None:
        """Production is another bundle: its providers are asked from now on. On a thread of the hosting actor's."""
        assert self._supervisor is not None
        hosting = self._hosting
        try:
            chosen = providers(hosting.register(production))
        except Invalid as error:
            self._problem(f"the providers of before stay: {error.message}")
            return
        for record in {record.name: record for record in chosen.values()}.values():
            hosting.ensure(production, record.name, production=True).result()
        for actor, use in ((Auth, UseAuth), (Db, UseDb)):
            addon = chosen[actor.name].name
            self._supervisor.respec(actor.name, provider=addon, bundle=production.id)
            self._running_bus.request(use(bundle=production.id, addon=addon))
        hosting.providing = production.id

    def _check_project(self) -> None:
        """A project asked for at the start must exist; better said now than at the first publish."""
        if self.config.working_project:
            try:
                self._running_bus.request(GetProject(project=self.config.working_project))
            except NotFound as error:
                self._problem(error.message)

    # -- what the studio actor shows ----------------------------------------------------------------------------

    def _restart(self, name: str) -> None:
        """On a thread of its own: the actor that asks may be the one that is stopped."""
        assert self._supervisor is not None
        if name not in (child.name for child in self._supervisor.states()):
            raise NotFound(f"the studio has no actor '{name}'", remedy="`qi status` shows which there are", name=name)
        log.info("'%s' is started anew because somebody asked for it", name)
        threading.Thread(
            target=self._supervisor.restart_child, args=(name,), name=f"qi-restart-{name}", daemon=True
        ).start()  # fmt: skip

    def _children(self) -> list[ChildInfo]:
        assert self._supervisor is not None
        return self._supervisor.states()

    def _all_problems(self) -> list[str]:
        assert self._supervisor is not None
        return [*self._problems, *self._problems_beside(), *self._hosting.problems(), *self._supervisor.complaints()]

    def _problem(self, text: str) -> None:
        log.warning(text)
        self._problems.append(text)

    @property
    def _running_bus(self) -> Bus:
        if self._bus is None:
            raise QiError("the studio is not running")
        return self._bus

    def _start_process(self, spec: Spec) -> InProcess:
        """A service speaks as the studio; an addon as itself, with what it declared."""
        assert self._broker is not None
        with self._as_studio():
            addon = self._hosting.start_process(spec)
        return addon if addon is not None else InProcess(spec, self._broker.service, STUDIO)

    def _session_credentials(self) -> Credentials:
        """How a process reaches the broker, still without its token."""
        assert self._broker is not None
        return Credentials(self._broker.url, ca=self._broker.ca)
