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
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import pykka

from events.ids import new_id
from qi.actor import Actor
from qi.bus import Answer, Bus
from qi.context import Context, use
from qi.contracts.mesh import Ping
from qi.errors import QiError
from qi.messages import Address

log = logging.getLogger("qi.supervisor")

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
SWEEP_EVERY_S = 0.25
PING_EVERY_S = 5.0
HANG_AFTER_S = 30.0
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
    return cast(type[Actor], found if isinstance(found, type) else cast(Any, found)(**options))


class Running(Protocol):
    """A started child, wherever it runs."""

    def alive(self) -> bool: ...

    def stop(self, timeout_s: float) -> None: ...

    def give_up(self) -> None:
        """Cut off a child that hangs."""
        ...


class InThread:
    """A child in this process."""

    def __init__(self, spec: Spec, bus: Bus) -> None:
        cls = resolve(spec.target, spec.options)
        made: list[Actor] = []

        class Named(cls):  # type: ignore[misc, valid-type]
            name = spec.name

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                made.append(self)

        Named.__qualname__ = Named.__name__ = cls.__name__
        Named.__doc__ = cls.__doc__
        self._ref: pykka.ActorRef[Any] = Named.start(bus, **spec.options)
        # Pykka keeps the object to itself; readiness, and cutting off a hung one, need it.
        self._actor = made[0]
        try:
            self._actor.wait_ready(START_LIMIT_S)
        except BaseException:
            self.give_up()
            raise

    def alive(self) -> bool:
        return bool(self._ref.is_alive())

    def stop(self, timeout_s: float) -> None:
        self._ref.stop(block=True, timeout=timeout_s)

    def give_up(self) -> None:
        # A thread cannot be killed: it is cut off from the mesh and left behind.
        self._actor.leave_mesh()
        pykka.ActorRegistry.unregister(self._ref)


@dataclass(slots=True)
class Child:
    spec: Spec
    running: Running | None = None
    state: str = "starting"
    """`starting`, `running`, `restarting`, `degraded` or `stopped`."""
    restarts: int = 0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=INTENSITY))
    next_try: float = 0.0
    ping: Future[Answer] | None = None
    pinged_at: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class ChildState:
    """What `qi status` shows of a child."""

    name: str
    where: str
    state: str
    restarts: int
    last_error: str


class Supervisor:
    """Start children in order with :meth:`start_child`, then :meth:`watch` them; :meth:`stop` ends them in reverse."""

    def __init__(self, bus: Bus, start_process: Callable[[Spec], Running]) -> None:
        self._bus = bus
        self._start_process = start_process
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.left_behind = 0
        """Hung threads that were replaced and still exist."""

    def start_child(self, spec: Spec) -> None:
        """Start one child and wait until it serves. Raises what its start raised; it is then not watched."""
        child = Child(spec)
        child.running = self._launch(spec)
        child.state = "running"
        child.pinged_at = time.monotonic()
        with self._lock:
            self._children[spec.name] = child

    def stop_child(self, name: str, timeout_s: float = STOP_LIMIT_S) -> None:
        """Stop one child for good."""
        with self._lock:
            child = self._children.pop(name, None)
        if child is not None:
            self._end(child, timeout_s)

    def restart_child(self, name: str) -> None:
        """Stop one child and start it anew, a degraded one too."""
        with self._lock:
            child = self._children[name]
            self._end(child, STOP_LIMIT_S)
            child.deaths.clear()
            child.state, child.next_try = "restarting", 0.0
        self._wake.set()

    def watch(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="qi-supervisor", daemon=True)
        self._thread.start()

    def states(self) -> list[ChildState]:
        with self._lock:
            return [
                ChildState(c.spec.name, c.spec.where, c.state, c.restarts, c.last_error)
                for c in self._children.values()
            ]

    def stop(self, timeout_s: float = STOP_LIMIT_S) -> None:
        """Stop watching, then every child in reverse order of its start, each within `timeout_s`."""
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

    def _end(self, child: Child, timeout_s: float) -> None:
        child.state = "stopped"
        if child.running is None:
            return
        try:
            child.running.stop(timeout_s)
        except (pykka.ActorDeadError, pykka.Timeout) as error:
            if isinstance(error, pykka.Timeout):
                log.warning("'%s' did not stop within %.0f s and is left behind", child.spec.name, timeout_s)
                self.left_behind += 1
                child.running.give_up()
        child.running = None

    def _watch(self) -> None:
        while not self._stopping:
            self._wake.wait(SWEEP_EVERY_S)
            self._wake.clear()
            with self._lock:
                for child in list(self._children.values()):
                    if not self._stopping:
                        self._look_after(child)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.state == "running":
            assert child.running is not None
            if not child.running.alive():
                self._died(child, "it died")
            elif self._hangs(child, now):
                self.left_behind += child.spec.where == "thread"
                child.running.give_up()
                self._died(child, f"it did not answer a ping for {HANG_AFTER_S:.0f} s")
        if child.state == "restarting" and now >= child.next_try:
            try:
                child.running = self._launch(child.spec)
            except Exception as error:  # noqa: BLE001 - whatever an actor's start raises counts as a death
                self._died(child, f"its start failed: {error}")
            else:
                child.state, child.ping, child.pinged_at = "running", None, now
                child.restarts += 1
                log.info("'%s' runs again", child.spec.name)

    def _hangs(self, child: Child, now: float) -> bool:
        if child.ping is None:
            if now - child.pinged_at >= PING_EVERY_S and self._bus.connected:
                with use(Context(trace=new_id())):
                    address = Address(f"qi.rpc.{{session}}.{{topic}}.{child.spec.name}")
                    child.ping = self._bus.ask(Ping(), to=address, timeout_s=HANG_AFTER_S)
                child.pinged_at = now
            return False
        if child.ping.done() or not self._bus.connected:
            child.ping.cancel()
            child.ping, child.pinged_at = None, now
            return False
        return now - child.pinged_at >= HANG_AFTER_S

    def _died(self, child: Child, why: str) -> None:
        now = time.monotonic()
        child.running, child.ping, child.last_error = None, None, why
        child.deaths.append(now)
        if child.spec.restart == "temporary":
            child.state = "stopped"
        elif len(child.deaths) == INTENSITY and now - child.deaths[0] < INTENSITY_WINDOW_S:
            child.state = "degraded"
        else:
            child.state = "restarting"
            pause = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** (len(child.deaths) - 1))
            child.next_try = now + pause * random.uniform(0.5, 1.0)
        log.error("'%s' is %s: %s", child.spec.name, child.state, why)
