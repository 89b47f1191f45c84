"""Hooks of an addon that wait for what has happened: after a publish, a promotion, a new project, a session.

Each is a reaction with a checkpoint of its own, so it misses nothing while the addon is down, and one that fails or
hangs holds up nobody but itself. Sessions are no events of the log: what changed among them is seen by comparing with
those that were known; one that came and went while the addon was down is not told. They run on a thread of their own.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from events.blobs import Blobs
from events.bundle_events import PointerMoved
from events.catalog import decode_event
from events.decider import Fact, fact
from events.ids import new_id
from events.projects import ProjectCreated
from events.publish_events import PublishCancelled, PublishFailed, PublishSucceeded
from events.publish_state import Publish, evolve
from events.record import token_of
from events.state import StateDb
from events.store import EventReader
from qi import context
from qi.contracts.session import SessionInfo
from qi.discovery import Status, discover, in_order
from qi.errors import QiError
from qi.home import Home
from qi.manifest import Pinned, load
from qi.plugin import Hook, Kind, LifeEvent
from qi.publish_view import events_of, show
from qi.reactions import PARKED_SHOWN, NotNow, Reaction, Reactions
from qi.reading import open_reader

log = logging.getLogger("qi.hooks")

LIMIT_S = 30.0
"""So long others wait for one hook; it goes on by itself, and its next event waits for it."""
READY_LIMIT_S = 5.0
CLOSE_LIMIT_S = 1.0
CATEGORIES: Mapping[LifeEvent, str] = {
    LifeEvent.AFTER_PUBLISH: "publish", LifeEvent.PUBLISH_FAILED: "publish",
    LifeEvent.PROJECT_CREATED: "project", LifeEvent.BUNDLE_PROMOTED: "pointer",
}  # fmt: skip
"""What has happened → the streams that tell of it."""
OF_SESSIONS = frozenset({LifeEvent.SESSION_STARTED, LifeEvent.SESSION_ENDED})
TOLD_KINDS = frozenset({"desktop", "dcc", "worker"})
KNOWN = "sessions"
"""Table of an addon's state: the sessions that its hooks know of."""
BEGAN = "began"


class Hooks:
    """Those of one addon; started and stopped by its actor."""

    def __init__(
        self,
        addon: str,
        folder: Path,
        home: Home,
        settings: Mapping[str, Any],
        is_due: Callable[[EventReader], bool],
        sessions: Callable[[], tuple[SessionInfo, ...]],
    ) -> None:
        """`is_due` tells whether this version's hooks are the ones to run; `sessions` lists those that are open."""
        self._addon = addon
        self._home = home
        self._settings = settings
        self._is_due = is_due
        self._list_sessions = sessions
        found = discover(folder / "plugins", Kind.HOOKS)
        self._unusable = [f"{one.path.name}: {one.reason}" for one in found if one.status is Status.FAILED]
        self._parked: Sequence[str] = ()
        self._failed: deque[str] = deque(maxlen=PARKED_SHOWN)
        self._stuck = ""
        for problem in self._unusable:
            log.error("hooks of '%s': %s", addon, problem)
        wanted = CATEGORIES.keys() | OF_SESSIONS
        hooks = [hook for hook in in_order(found, Kind.HOOKS) if issubclass(hook, Hook) and hook.events & wanted]
        self._hooks = {hook.name: hook for hook in hooks if not hook.hosts}
        self._calls: dict[str, _Call] = {}
        self._woken, self._over, self._ready = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """On what they are to be woken; empty when nothing is to be run."""
        waited = {life for hook in self._hooks.values() for life in hook.events}
        subjects = {f"qi.event.{CATEGORIES[life]}.>" for life in waited & CATEGORIES.keys()}
        return (*sorted(subjects), *(("qi.session.*.identity",) if waited & OF_SESSIONS else ()))

    def start(self) -> None:
        """Returns when no event from now on is missed."""
        self._thread = threading.Thread(target=self._work, name=f"qi-hooks-{self._addon}", daemon=True)
        self._thread.start()
        self._ready.wait(READY_LIMIT_S)

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        """A hook that runs is waited for only a moment."""
        self._over.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(CLOSE_LIMIT_S)

    def troubles(self) -> list[str]:
        """What does not go as it should, a sentence each."""
        hanging = [f"the hook '{name}' has not come to an end" for name, call in list(self._calls.items()) if call.late]
        return [*self._unusable, *self._parked, *self._failed, *hanging, *filter(None, [self._stuck])]

    # -- on its thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        context.enter(context.Context(trace=new_id()))
        reactions = [
            Reaction(f"hook.{name}", frozenset(CATEGORIES[life] for life in hook.events & CATEGORIES.keys()), name)
            for name, hook in self._hooks.items()
            if hook.events & CATEGORIES.keys()
        ]
        reader, state = open_reader(self._home), StateDb(self._home.addon_state(self._addon))
        told = Reactions(self._addon, self._home, reactions, partial(self._told, reader), self._is_due)
        self._parked = told.parked
        self._ready.set()
        while not self._over.is_set():
            self._woken.clear()
            try:
                told.run()
                self._look_around(reader, state)
                self._stuck = ""
            except Exception as error:
                log.exception("the hooks of '%s' could not go on", self._addon)
                self._stuck = f"its hooks could not go on: {error}"
            self._woken.wait()
        for each in (told, reader, state):
            each.close()

    def _told(self, reader: EventReader, name: str, at: Fact) -> None:
        hook, life = self._hooks[name], life_of(at)
        if life is not None and life in hook.events and (data := self._data(at, reader)) is not None:
            self._run(hook, life, {**data, "event": at.id, "position": int(at.position)}, at.id)

    def _data(self, at: Fact, reader: EventReader) -> dict[str, Any] | None:
        """What a hook is told of it; None when it is none of its business."""
        match at.event:
            case PublishSucceeded() | PublishFailed() | PublishCancelled():
                return self._publish(token_of(at.stream), at, reader)
            case PointerMoved() as moved:
                said = msgspec.to_builtins(moved)
                return {**said, "pointer": token_of(at.stream), "user": at.meta.user}
            case ProjectCreated() as made:
                return {**msgspec.to_builtins(made), "user": at.meta.user}
        raise TypeError(f"no hook is told of a {at.event.event_type}")

    def _publish(self, publish: str, at: Fact, reader: EventReader) -> dict[str, Any] | None:
        """The publish as it was then: `qi.contracts.publish.PublishInfo`. None for a trial."""
        state: Publish | None = None
        for event in events_of(reader, publish):
            if event.position <= at.position:
                state = evolve(state, fact(event, decode_event(event)))
        if state is None or state.request.mode != "publish":
            return None
        info = show(state, load(Blobs(self._home.blobs), Pinned, state.request.pinned), ())
        said: dict[str, Any] = msgspec.to_builtins(info)
        return said

    def _run(self, hook: type[Hook], life: LifeEvent, data: dict[str, Any], key: str) -> None:
        """Raises what the hook raises, and :class:`NotNow` while it, or its last call, has not come to an end."""
        if self._over.is_set():
            raise NotNow("whoever runs next goes on here")
        call = self._calls.get(hook.name)
        if call is None or (call.key != key and not call.is_alive()):
            call = self._calls[hook.name] = _Call(hook, self._settings, life, data, key)
            call.start()
            call.join(LIMIT_S)
            if call.is_alive():
                call.late = True
                log.error("the hook '%s' of '%s' did not end within %g s", hook.name, self._addon, LIMIT_S)
        if call.is_alive():
            raise NotNow(f"the hook '{hook.name}' has not come to an end")
        del self._calls[hook.name]
        if call.error is not None:
            raise call.error

    # -- sessions -----------------------------------------------------------------------------------------------

    def _look_around(self, reader: EventReader, state: StateDb) -> None:
        """Compare who takes part with who was known to."""
        hooks = [hook for hook in self._hooks.values() if hook.events & OF_SESSIONS]
        if not hooks or not self._is_due(reader):
            return
        try:
            listed = self._list_sessions()
        except QiError as error:
            log.warning("the hooks of '%s' cannot see who takes part: %s", self._addon, error.message)
            return
        now = {one.id: _words(one) for one in listed if one.kind in TOLD_KINDS}
        known = dict(state.items(KNOWN))
        first = BEGAN not in known
        if first:
            state.put(KNOWN, BEGAN, {})
        for session in now.keys() - known.keys():
            state.put(KNOWN, session, now[session])
            if not first:
                self._session(hooks, LifeEvent.SESSION_STARTED, now[session])
        for session in known.keys() - now.keys() - {BEGAN}:
            state.delete(KNOWN, session)
            self._session(hooks, LifeEvent.SESSION_ENDED, known[session])

    def _session(self, hooks: list[type[Hook]], life: LifeEvent, data: dict[str, Any]) -> None:
        for hook in hooks:
            if life in hook.events:
                try:
                    self._run(hook, life, dict(data), f"{life}:{data['session']}")
                except Exception as error:  # noqa: BLE001 - one bad hook must not end the others
                    log.error("the hook '%s' failed for %s: %s", hook.name, life, error)
                    self._failed.append(f"the hook '{hook.name}' failed for {life} of {data['session']}: {error}")


class _Call(threading.Thread):
    """One hook at work. A daemon: one that hangs must not keep its process from ending."""

    def __init__(
        self, hook: type[Hook], settings: Mapping[str, Any], life: LifeEvent, data: dict[str, Any], key: str
    ) -> None:
        super().__init__(name=f"qi-hook-{hook.name}", daemon=True)
        self.key = key
        self.error: Exception | None = None
        self.late = False
        """Whether it was not waited for any longer."""
        self._order = hook, settings, life, data
        self._context = copy_context()

    def run(self) -> None:
        self._context.run(self._do)

    def _do(self) -> None:
        hook, settings, life, data = self._order
        try:
            hook(settings).run(life, data)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told to whoever waits
            self.error = error if isinstance(error, Exception) else QiError(f"it tried to end the process ({error})")


def life_of(at: Fact) -> LifeEvent | None:
    """What an event of the log means to hooks; None when they are not told of it."""
    match at.event:
        case PublishSucceeded():
            return LifeEvent.AFTER_PUBLISH
        case PublishFailed() | PublishCancelled():
            return LifeEvent.PUBLISH_FAILED
        case ProjectCreated():
            return LifeEvent.PROJECT_CREATED
        case PointerMoved():
            return LifeEvent.BUNDLE_PROMOTED
    return None


def _words(info: SessionInfo) -> dict[str, Any]:
    return {
        "session": info.id, "kind": info.kind, "user": info.user, "host": info.host, "pid": info.pid,
        "parent": info.parent, "bundle": info.bundle,
    }  # fmt: skip
