"""The actor of an addon, and how its code is loaded. What an addon's folder holds: :mod:`qi.addon_record`.

Code is loaded under names that the content makes unique, so two versions never meet; only `lib/`, which other code
imports by its own name, must lie in a process of its own when two versions of it are about. Any thread.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeVar

from events.bundles import pointer_stream
from events.catalog import CORE, Catalog
from events.decider import Folds
from events.record import Version
from events.store import EventReader
from events.views import Projection
from qi.actor import Actor, Asked, every, handles, members
from qi.addon_record import ROLES, AddonRecord, read_addon
from qi.bus import Bus
from qi.context import STUDIO
from qi.contracts.jobs import JobsAtWork, RunJob, StopJob, WhichJobs
from qi.contracts.log import Appended, AppendEvents, RecordOwn
from qi.contracts.notices import SendNotice
from qi.contracts.secrets import ReadSecret
from qi.contracts.session import Identify, ListSessions, SessionInfo
from qi.contracts.settings import OptionList, ResolveOptions
from qi.deciding import Ledger
from qi.endpoints import Call
from qi.errors import Forbidden, QiError
from qi.home import Home
from qi.hooks import Hooks
from qi.importing import import_file
from qi.jobs import JobRunner
from qi.messages import SERVICE, Address, Done, Request, to_addon
from qi.reactions import Reactions
from qi.settings.options import OptionsAsked, resolve, resolver_in
from qi.settings.schema import load_module
from qi.streams import Projected, Streams, require_own_folds

R = TypeVar("R")

LOOK_EVERY_S = 5.0
"""How long a lost announcement may delay a reaction."""


def use_lib(folder: Path) -> None:
    """Make an addon's `lib` importable in this process."""
    lib = str(folder / "lib")
    if (folder / "lib").is_dir() and lib not in sys.path:
        sys.path.insert(0, lib)


class Addon(Actor):
    """Base of an addon's actor; its handlers are reached under the bundle that pins it.

    An addon with a role serves that provider's topics. `home` is the studio's folder. Methods marked with
    :func:`qi.reactions.reacts` are called for the events they name: of two versions that run at once, those of the
    production bundle.
    """

    events: ClassVar[Catalog | None] = None
    """The event types it records; :attr:`ledger` and :meth:`view` need it."""
    folds: ClassVar[Folds] = {}
    """Its name → the function that folds its streams."""
    projections: ClassVar[tuple[Projection, ...]] = ()
    """Tables that it keeps of its streams."""
    finishes_within_s: ClassVar[float] = 2.0
    """A newer version takes over in the same queue group; what reached this one before, this one answers."""

    def __init__(
        self, bus: Bus, *, folder: str, bundle: str, addon: str, home: str, settings: dict[str, Any], code: str = ""
    ) -> None:
        super().__init__(bus)
        self.folder = Path(folder)
        self.home = Path(home)
        self.settings = settings
        """This addon's slice of the effective settings, injected at its start."""
        self.bundle = bundle
        """Id of the bundle that pins it."""
        self._address = to_addon(bundle, addon)
        self._addon = addon
        self._declared = frozenset(read_addon(self.folder).declared.requests)
        self._reactions: Reactions | None = None
        self._streams: Streams | None = None
        self._hooks: Hooks | None = None
        self._settings_module: ModuleType | None = None
        kinds = [m.__dict__["_qi_job"] for m in members(type(self)) if "_qi_job" in m.__dict__]
        self._jobs = JobRunner(bus, {kind.name: getattr(self, kind.method) for kind in kinds})

    @property
    def queue_group(self) -> str:
        return self._addon

    def on_start(self) -> None:
        super().on_start()
        declared = [m.__dict__["_qi_reaction"] for m in members(type(self)) if "_qi_reaction" in m.__dict__]
        woken = {f"qi.event.{category}.>" for reaction in declared for category in reaction.categories}
        home = Home(self.home)
        if declared:
            self._reactions = Reactions(
                self._addon, home, declared, self._react, self._is_production, self.events or CORE
            )  # fmt: skip
        hooks = Hooks(self._addon, self.folder, home, self.settings, self._is_production, self._sessions)
        if hooks.subjects:
            self._hooks = hooks
            hooks.start()
        for subject in sorted(woken.union(hooks.subjects)):
            self._intake.listen(subject, "_woken")
        self._woken(b"")

    def on_stop(self) -> None:
        super().on_stop()
        self._let_go()

    def on_failure(self, *failure: Any) -> None:
        super().on_failure(*failure)
        self._let_go()

    @handles(RunJob)
    def _run_job(self, message: RunJob) -> Done:
        self._jobs.run(message)
        return Done()

    @handles(StopJob)
    def _stop_job(self, message: StopJob) -> Done:
        self._jobs.stop(message.id)
        return Done()

    @handles(WhichJobs)
    def _which_jobs(self, _: WhichJobs) -> JobsAtWork:
        return JobsAtWork(ids=self._jobs.ids, kinds=self._jobs.kinds)

    @property
    def ledger(self) -> Ledger:
        """Its way to decide and record, as the services have it: `self.ledger.carry_out(decide, command, command=id)`.

        `addon.toml` declares the request `log.record`. Actor thread.
        """
        return self._own.ledger

    def view(self, name: str, *, after: int = 0) -> Projected:
        """One of :attr:`projections`, as of now; `after` is a position it must hold. Actor thread. Raises QiError."""
        return self._own.view(name, after)

    def secret(self, reference: Mapping[str, str] | None, *, purpose: str = "") -> str:
        """Today's value of a secret that a setting names; empty for none. `addon.toml` declares the request
        `secret.read` and the permission of the same name. Raises :class:`NotFound`."""
        if not reference:
            return ""
        asked = ReadSecret(name=reference["secret"], purpose=purpose or f"addon {self._addon}")
        return self._bus.request(asked).value

    def note(self, text: str, level: str = "info", *, user: str = "") -> None:
        """A few words to a user; to the one whose request is being handled, when none is named."""
        self._bus.request(SendNotice(user=user or self.caller.user, text=text, level=level))

    def request(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """Ask a service and wait; only what `addon.toml` declares. In a process of its own the broker sees to that."""
        if to is SERVICE and not isinstance(message, Identify):
            self._require_declared(message.topic)
        return super().request(message, to=to, timeout_s=timeout_s)

    def _require_declared(self, topic: str) -> None:
        """In a thread of the studio, where the broker cannot tell it from the studio."""
        if self._bus.session == STUDIO and topic not in self._declared:
            raise Forbidden(
                f"'{self._addon}' requests '{topic}' without declaring it",
                remedy="name the topic under requests in its addon.toml",
                addon=self._addon, topic=topic,
            )  # fmt: skip

    @property
    def _own(self) -> Streams:
        if self._streams is None:
            if self.events is None:
                raise QiError(f"the addon '{self._addon}' says no event types: name its catalog as `events`")
            self._streams = Streams(
                self._addon, Home(self.home), self.events, self.folds, self.projections, self._record
            )  # fmt: skip
        return self._streams

    def _record(self, made: AppendEvents) -> Appended:
        self._require_declared(RecordOwn.topic)
        return self._bus.request(
            RecordOwn(addon=self._addon, events=made.events, expected=made.expected, command=made.command)
        )  # fmt: skip

    def _admit(self, call: Call) -> Asked:
        """Each version answers the sessions of its own bundle only."""
        asked = super()._admit(call)
        if asked.caller.bundle and asked.caller.bundle != self.bundle:
            raise Forbidden(
                f"this session works with another bundle than the one that pins this '{self._addon}'",
                remedy="ask without naming a bundle, or begin a session with that one",
                addon=self._addon, bundle=self.bundle,
            )  # fmt: skip
        return asked

    @handles(ResolveOptions)
    def offer(self, message: ResolveOptions) -> Future[OptionList]:
        """What a setting of this addon is offered: see :mod:`qi.settings.options`."""
        if self._settings_module is None:
            self._settings_module = load_module(self.folder, self._addon, self.bundle[-12:])
        asked = OptionsAsked(self, self.bundle, message.project, message.user)
        return resolve(resolver_in(self._settings_module, message.resolver), asked)

    @every(LOOK_EVERY_S)
    def _look(self) -> None:
        """An announcement can be lost with a connection; the log is not."""
        self._woken(b"")

    def _woken(self, _: bytes) -> None:
        if self._hooks is not None:
            self._hooks.wake()
        if self._reactions is not None:
            self._reactions.run()

    def health(self) -> str:
        parked = [*self._reactions.parked] if self._reactions is not None else []
        return "; ".join([*parked, *(self._hooks.troubles() if self._hooks is not None else [])]) or "ok"

    def _sessions(self) -> tuple[SessionInfo, ...]:
        self._require_declared(ListSessions.topic)
        return self._bus.request(ListSessions()).sessions

    def _react(self, method: str, fact: Any) -> None:
        getattr(self, method)(fact)

    def _is_production(self, reader: EventReader) -> bool:
        production = pointer_stream("production")
        version = reader.versions([production])[production]
        last = reader.read_stream(production, Version(version - 1), 1) if version > 0 else []
        return not last or last[0].data.get("bundle") == self.bundle

    def _let_go(self) -> None:
        if self._hooks is not None:
            self._hooks.close()
            self._hooks = None
        if self._reactions is not None:
            self._reactions.close()
            self._reactions = None
        if self._streams is not None:
            self._streams.close()
            self._streams = None
        self._jobs.close()


def load_addon(
    *, folder: str, bundle: str, addon: str, home: str, settings: dict[str, Any], code: str = ""
) -> type[Addon]:
    """The actor class in an addon's `addon.py`, or one that only runs its hooks: the target of its supervisor spec.

    `code` is the digest of its content, under which a second bundle that pins the same finds it loaded; empty for a
    folder that may change. Raises :class:`QiError`.
    """
    place = Path(folder)
    use_lib(place)
    if not (place / "addon.py").is_file():
        return type("Hooked", (Addon,), {"name": addon})
    name = f"qi_addon_{addon}_{code[:16] or bundle[-12:]}"
    module = sys.modules.get(name) if code else None
    if module is None:
        module = import_file(place / "addon.py", name)
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Addon) and item.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise QiError(f"addon.py of '{addon}' must define one Addon class, it defines {len(classes)}")
    _keep_to(classes[0], read_addon(place))
    return classes[0]


def _keep_to(found: type[Addon], record: AddonRecord) -> None:
    """What the code does must be what `addon.toml` says: a bundle was composed by that. Raises :class:`Forbidden`, and
    :class:`Invalid` for streams that are not its own."""
    require_own_folds(record.name, found.events, found.folds, found.projections)
    for role in ROLES:
        taken = [e.kind.topic for e in found.endpoints() if e.kind.topic.startswith(f"provider.{role}.")]
        if taken and role not in record.roles:
            raise Forbidden(
                f"'{record.name}' serves {', '.join(sorted(taken))} without having the role '{role}'",
                remedy=f'add "{role}" to the roles in its addon.toml',
                addon=record.name, role=role,
            )  # fmt: skip
