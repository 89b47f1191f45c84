"""Keeps actors alive, as threads of this process or as processes of their own.

Death is learnt three ways, because Pykka tells only one: the failure hook, a look at whether the thread lives (a start
that raises calls no hook), and a ping with a deadline (a hang). An actor that dies five times in a minute stays down
and is reported as degraded. One thread; public methods are for any other.
"""

from __future__ import annotations

import importlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from events.ids import new_id
from qi.actor import Actor
from qi.bus import Answer, Bus
from qi.context import Context, use
from qi.contracts.mesh import OK, Ping, Pong
from qi.contracts.studio import ChildInfo
from qi.errors import Conflict, NotFound, QiError
from qi.messages import Address

log = logging.getLogger("qi.supervisor")

State = Literal["starting", "running", "restarting", "degraded", "stopped"]

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
SWEEP_EVERY_S = 0.25
PING_EVERY_S = 5.0
HANG_AFTER_S = 30.0
STANDSTILL_S = 5.0
"""A round that comes so late tells that the whole process stood still."""
INTENSITY = 5
INTENSITY_WINDOW_S = 60.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 5.0


@dataclass(frozen=True, slots=True)
class Spec:
    """One child. Moving it from a thread to a process is a change of `where`, and of nothing else."""

    name: str
    target: str
    """`module:Class`, or `module:function` that takes the options and returns the class."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class, JSON-ready."""
    where: Literal["thread", "process"] = "thread"
    restart: Literal["permanent", "temporary"] = "permanent"
    """A temporary child is not started again."""
    environment: dict[str, str] = field(default_factory=dict)
    """Added to the environment of a process."""


def resolve(target: str, options: dict[str, Any]) -> type[Actor]:
    """The actor class that `target` names. Raises :class:`QiError`."""
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise QiError(f"there is no '{target}' to start: {error}") from error
    return cast(type[Actor], found if isinstance(found, type) else found(**options))


class Running(Protocol):
    """A started child, wherever it runs."""

    def alive(self) -> bool: ...

    def stop(self, timeout_s: float) -> bool:
        """False when it did not stop in time and had to be cut off."""
        ...

    def give_up(self) -> None:
        """Cut off a child that hangs, or put away what a dead one left."""
        ...


class InThread:
    """A child in this process."""

    def __init__(self, spec: Spec, bus: Bus) -> None:
        cls = resolve(spec.target, spec.options)
        named = type(cls.__name__, (cls,), {"name": spec.name, "__doc__": cls.__doc__, "__module__": cls.__module__})
        self._actor: Actor = named(bus, **spec.options)
        self._ref: pykka.ActorRef[Actor] = self._actor.actor_ref
        try:
            self._actor.begin_serving(START_LIMIT_S)
        except BaseException:
            self.give_up()
            raise

    def alive(self) -> bool:
        return bool(self._ref.is_alive())

    def stop(self, timeout_s: float) -> bool:
        try:
            self._ref.stop(block=True, timeout=timeout_s)
        except pykka.ActorDeadError:
            log.debug("'%s' was dead already", self._actor.name)
        except pykka.Timeout:
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        # A thread cannot be killed: it is cut off from the mesh and ends itself should it ever come back.
        self._actor.leave_mesh()
        self._actor.actor_inbox.put(Envelope(_ActorStop()))
        pykka.ActorRegistry.unregister(self._ref)


@dataclass(slots=True, eq=False)
class Child:
    spec: Spec
    running: Running | None = None
    state: State = "starting"
    restarts: int = 0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=INTENSITY))
    next_try: float = 0.0
    ping: Future[Answer] | None = None
    pinged_at: float = 0.0
    heard_at: float = 0.0
    says: str = OK
    last_error: str = ""

    def info(self) -> ChildInfo:
        return ChildInfo(
            name=self.spec.name, where=self.spec.where, state=self.state, restarts=self.restarts,
            last_error=self.last_error,
        )  # fmt: skip


class Supervisor:
    """Start children in order with :meth:`start_child`, then :meth:`watch` them; :meth:`stop` ends them in reverse.

    The lock guards the table and what it says of each child, and is never held while a child starts or stops: those
    may ask what the supervisor knows.
    """

    def __init__(
        self,
        bus: Bus,
        start_process: Callable[[Spec], Running],
        *,
        ping_every_s: float = PING_EVERY_S,
        hang_after_s: float = HANG_AFTER_S,
    ) -> None:
        self._bus = bus
        self._start_process = start_process
        self._ping_every_s = ping_every_s
        self._hang_after_s = hang_after_s
        self._standstill_s = min(STANDSTILL_S, hang_after_s / 2)
        self._children: dict[str, Child] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.left_behind = 0
        """Hung threads that were cut off and may still exist."""

    def start_child(self, spec: Spec) -> None:
        """Start one child and wait until it serves. Raises what its start raised; it is then not watched."""
        child = Child(spec)
        with self._lock:
            if spec.name in self._children:
                raise Conflict(f"'{spec.name}' runs already")
            self._children[spec.name] = child
        try:
            running = self._launch(spec)
        except BaseException:
            with self._lock:
                del self._children[spec.name]
            raise
        self._runs(child, running)

    def respec(self, name: str, **options: Any) -> None:
        """Give a child other options from its next start on. Raises :class:`NotFound`."""
        with self._lock:
            child = self._children.get(name)
            if child is None:
                raise NotFound(f"there is no child '{name}'", name=name)
            child.spec = replace(child.spec, options={**child.spec.options, **options})

    def stop_child(self, name: str, timeout_s: float = STOP_LIMIT_S) -> None:
        """Stop one child for good."""
        with self._lock:
            child = self._children.pop(name, None)
        if child is not None:
            self._end(child, timeout_s)
            self._tell(child)

    def restart_child(self, name: str) -> None:
        """Stop one child and have it started anew, a degraded one too. Raises :class:`NotFound`."""
        with self._lock:
            child = self._children.get(name)
            if child is None:
                raise NotFound(f"there is no child '{name}'", name=name)
            if child.state == "starting":
                return
            # From here on the watch leaves it alone.
            child.state = "stopped"
        self._tell(child)
        self._end(child, STOP_LIMIT_S)
        with self._lock:
            child.deaths.clear()
            child.state, child.next_try = "restarting", 0.0
        self._tell(child)
        self._wake.set()

    def watch(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="qi-supervisor", daemon=True)
        self._thread.start()

    def states(self) -> list[ChildInfo]:
        """Any thread, at any time."""
        with self._lock:
            return [child.info() for child in self._children.values()]

    def complaints(self) -> list[str]:
        """What children that run say of themselves when all is not well. Any thread, at any time."""
        with self._lock:
            running = [child for child in self._children.values() if child.state == "running"]
        return [f"{child.spec.name}: {child.says}" for child in running if child.says != OK]

    def stop(self, timeout_s: float = STOP_LIMIT_S) -> None:
        """Stop watching, then every child in reverse order of its start, each within `timeout_s`."""
        with self._lock:
            self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            children = list(self._children.values())
            self._children.clear()
        for child in reversed(children):
            self._end(child, timeout_s)

    # -- inside -------------------------------------------------------------------------------------------------

    def _launch(self, spec: Spec) -> Running:
        return InThread(spec, self._bus) if spec.where == "thread" else self._start_process(spec)

    def _runs(self, child: Child, running: Running) -> None:
        """Take a started child in, unless nobody wants it any more."""
        with self._lock:
            wanted = self._children.get(child.spec.name) is child and not self._stopping
            if wanted:
                child.running, child.state, child.ping = running, "running", None
                child.pinged_at = child.heard_at = time.monotonic()
        if wanted:
            self._tell(child)
        else:
            running.stop(STOP_LIMIT_S)

    def _tell(self, child: Child) -> None:
        """Whoever shows what runs hears of it: no event tells of it."""
        info = child.info()
        self._bus.publish(f"qi.feed.actor.{info.name}", self._bus.codec.encode(info), lossy=True)

    def _end(self, child: Child, timeout_s: float) -> None:
        with self._lock:
            child.state = "stopped"
            running, child.running = child.running, None
        if running is not None and not running.stop(timeout_s):
            log.warning("'%s' did not stop within %.0f s and was cut off", child.spec.name, timeout_s)
            self.left_behind += child.spec.where == "thread"

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stopping:
            self._wake.wait(SWEEP_EVERY_S)
            self._wake.clear()
            now = time.monotonic()
            with self._lock:
                children = list(self._children.values())
                if now - looked > self._standstill_s:
                    # The machine slept, or this process was stopped: nobody could have answered a ping.
                    for child in children:
                        child.ping, child.pinged_at, child.heard_at = None, now, now
            looked = now
            for child in children:
                try:
                    self._look_after(child)
                except Exception:
                    log.exception("looking after '%s' failed", child.spec.name)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        with self._lock:
            running = child.running if child.state == "running" else None
            due = child.state == "restarting" and now >= child.next_try and not self._stopping
            if due:
                child.state = "starting"
        if running is not None:
            if not running.alive():
                self._died(child, running, "it died")
            elif self._hangs(child, now):
                self.left_behind += child.spec.where == "thread"
                self._died(child, running, f"it answered no ping for {self._hang_after_s:.0f} s")
        elif due:
            self._tell(child)
            try:
                started = self._launch(child.spec)
            except Exception as error:  # noqa: BLE001 - whatever an actor's start raises counts as a death
                self._died(child, None, f"its start failed: {error}")
            else:
                child.restarts += 1
                self._runs(child, started)
                log.info("'%s' runs again", child.spec.name)

    def _hangs(self, child: Child, now: float) -> bool:
        if not self._bus.connected:
            child.ping, child.heard_at = None, now  # without a broker nobody can answer
        elif child.ping is not None and child.ping.done():
            # Only an answer of the actor itself counts: not "nobody listens", nor one that came too late.
            if child.ping.exception() is None and child.ping.result().head is None:
                child.heard_at = now
                child.says = self._bus.codec.decode(Pong, child.ping.result().data).state
            child.ping = None
        if child.ping is None and self._bus.connected and now - child.pinged_at >= self._ping_every_s:
            with use(Context(trace=new_id())):
                address = Address(f"qi.rpc.{{session}}.{{topic}}.{child.spec.name}")
                child.ping = self._bus.ask(Ping(), to=address, timeout_s=self._hang_after_s)
            child.pinged_at = now
        return now - child.heard_at >= self._hang_after_s

    def _died(self, child: Child, running: Running | None, why: str) -> None:
        if running is not None:
            running.give_up()
        now = time.monotonic()
        with self._lock:
            if child.state == "stopped":
                return  # somebody stops it at this moment
            child.running, child.ping, child.last_error, child.says = None, None, why, OK
            while child.deaths and now - child.deaths[0] >= INTENSITY_WINDOW_S:
                child.deaths.popleft()
            child.deaths.append(now)
            if child.spec.restart == "temporary":
                child.state = "stopped"
            elif len(child.deaths) == INTENSITY:
                child.state = "degraded"
            else:
                child.state = "restarting"
                pause = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** (len(child.deaths) - 1))
                child.next_try = now + pause * random.uniform(0.5, 1.0)
        self._tell(child)
        log.error("'%s' is %s: %s", child.spec.name, child.state, why)
