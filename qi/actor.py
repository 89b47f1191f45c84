"""The base of every service and addon: one thread, one mailbox, its own state, spoken to by subjects only.

The bus thread does O(1) work for each message: it looks at the mailbox and puts the raw message in, or answers 429.
Everything else, decoding included, happens in the actor's own thread. Pykka owns the thread and its life.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar, cast

import pykka
from nats.aio.msg import Msg
from pykka._envelope import Envelope

from events.ids import new_id
from qi import context
from qi.bus import Bus, Subscription, Timer
from qi.context import STUDIO
from qi.contracts.mesh import Ping, Pong
from qi.contracts.session import Identify
from qi.errors import Busy, DeadlineExceeded, Forbidden, QiError, Unauthenticated
from qi.identity import STUDIO_IDENTITY, Identity
from qi.mailbox import Mailbox
from qi.messages import PUBLIC, SERVICE, STUDIO_ONLY, Address, Request
from qi.statistics import Statistics

log = logging.getLogger("qi.actor")

A = TypeVar("A", bound="Actor")
M = TypeVar("M", bound=Request[Any])
R = TypeVar("R")

IDENTITY_KEPT_S = 3.0
BATCH_MOST = 256

Handler = Callable[[Any, Any], Any]


class Fatal(Exception):  # noqa: N818 - it names what the supervisor does with it
    """Raised by a handler whose actor cannot go on; the supervisor starts a new one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One topic an actor serves."""

    kind: type[Request[Any]]
    method: str
    batch: bool = False
    guard: str = ""
    """Permission asked of the caller."""


@dataclass(slots=True)
class Call:
    """A request on its way from the bus thread to the actor's."""

    endpoint: Endpoint
    msg: Msg
    arrived: float
    caller: str


@dataclass(slots=True)
class Tick:
    """A timer's call on its way to the actor's thread."""

    method: str
    waiting: bool = False


@dataclass(slots=True)
class Fact:
    """An announcement on its way to a listener."""

    method: str
    msg: Msg
    arrived: float


def handles(kind: type[Request[R]]) -> Callable[[Callable[[A, Any], R | Future[R]]], Callable[[A, Any], R | Future[R]]]:
    """Serve a topic: the method takes the message and returns its reply, or a future of it."""

    def mark(method: Callable[[A, Any], Any]) -> Callable[[A, Any], Any]:
        method.__dict__["_qi_endpoint"] = Endpoint(kind, method.__name__, guard=kind.needs)
        return method

    return mark


def handles_batch(kind: type[Request[R]]) -> Callable[[Callable[[A, Any], Any]], Callable[[A, Any], Any]]:
    """Serve a topic in groups: the method takes a list of :class:`Asked` and returns a reply (or QiError) for each."""

    def mark(method: Callable[[A, Any], Any]) -> Callable[[A, Any], Any]:
        method.__dict__["_qi_endpoint"] = Endpoint(kind, method.__name__, batch=True, guard=kind.needs)
        return method

    return mark


def listens(subject: str) -> Callable[[Callable[[A, Any], None]], Callable[[A, Any], None]]:
    """Be told of facts: the method takes the raw payload of every message on `subject` (wildcards allowed)."""

    def mark(method: Callable[[A, Any], None]) -> Callable[[A, Any], None]:
        method.__dict__["_qi_listens"] = subject
        return method

    return mark


def every(seconds: float) -> Callable[[Callable[[A], None]], Callable[[A], None]]:
    """Be called again and again; a call is left out while the last one still waits in the mailbox."""

    def mark(method: Callable[[A], None]) -> Callable[[A], None]:
        method.__dict__["_qi_every"] = seconds
        return method

    return mark


@dataclass(slots=True)
class Asked:
    """One request of a group, with the context it came in."""

    message: Any
    context: context.Context
    caller: Identity


_caller: ContextVar[Identity] = ContextVar("qi_caller", default=STUDIO_IDENTITY)


class Actor(pykka.ThreadingActor):
    """Subclass, name it, declare what it requests, and write handlers::

        class Clock(Actor):
            name = "clock"
            requests = (Append,)

            @handles(Tell)
            def tell(self, message: Tell) -> Told: ...

    `requests` lists the message types it sends; :mod:`qi.graph` proves that they form no cycle. `address` says where
    it listens; addons and sessions override it. Handlers run in the actor thread.
    """

    use_daemon_thread = True

    name: ClassVar[str] = ""
    version: ClassVar[str] = "0.1.0"
    requests: ClassVar[tuple[type[Request[Any]], ...]] = ()
    mailbox_limit: ClassVar[int] = 4096
    mailbox_bytes: ClassVar[int] = 64 * 1024 * 1024

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus
        self._address: Address = SERVICE
        self._subscriptions: list[Subscription] = []
        self._timers: list[Timer] = []
        self._identities: dict[str, tuple[float, Identity]] = {}
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._id = new_id()
        self._stats = Statistics()

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Mailbox()

    # -- for subclasses -----------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Build the state; actor thread. Runs before the first subscription, so no request arrives without state."""

    def teardown(self) -> None:
        """Let go of what :meth:`setup` opened; actor thread."""

    def health(self) -> str:
        """One line about itself for `qi status`; actor thread."""
        return "ok"

    def figures(self) -> dict[str, Any]:
        """More figures for `$SRV.STATS`; JSON-ready. Any thread."""
        return {}

    @property
    def caller(self) -> Identity:
        """Whose request is being handled. Inside a request the studio makes on a user's behalf: that user."""
        return _caller.get()

    def request(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """Ask another actor and wait; only what `requests` declares."""
        if type(message) not in self.requests and not isinstance(message, Identify):
            raise QiError(f"'{self.name}' requests '{message.topic}' without declaring it")
        return self._bus.request(message, to=to, timeout_s=timeout_s)

    def identify(self, session: str) -> Identity:
        """Who is behind `session`. The sessions service overrides it: it knows by itself."""
        info = self.request(Identify(id=session))
        return Identity(info.id, info.user, info.roles, frozenset(info.permissions), info.host)

    # -- life, by Pykka -----------------------------------------------------------------------------------------

    @classmethod
    def endpoints(cls) -> list[Endpoint]:
        """The topics this class serves, read off its handlers."""
        found = [member.__dict__["_qi_endpoint"] for member in _members(cls) if "_qi_endpoint" in member.__dict__]
        return [*found, Endpoint(Ping, "_pong", guard=Ping.needs)]

    def on_start(self) -> None:
        try:
            context.enter(context.Context(trace=new_id()))
            self.setup()
            for endpoint in self.endpoints():
                self._serve(endpoint)
            for member in _members(type(self)):
                if "_qi_listens" in member.__dict__:
                    self._listen(member.__dict__["_qi_listens"], member.__name__)
                if "_qi_every" in member.__dict__:
                    self._tick(member.__dict__["_qi_every"], member.__name__)
        except BaseException as error:
            # Pykka calls no hook for a failed start, and a SystemExit here would stop every actor of the process.
            self._failure = error
            self._leave()
            self._ready.set()
            if isinstance(error, Exception):
                raise
            raise Fatal(f"{type(error).__name__} while '{self.name}' started") from error
        self._bus.services.add(self)
        self._ready.set()

    def on_stop(self) -> None:
        self._leave()
        self.teardown()

    def on_failure(self, *_: Any) -> None:
        self._leave()
        self.teardown()

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Fact):
            self._hear(message)
        elif isinstance(message, Tick):
            message.waiting = False
            with self._guarded(message.method):
                context.enter(context.Context(trace=new_id()))
                _caller.set(STUDIO_IDENTITY)
                getattr(self, message.method)()
        elif not isinstance(message, Call):
            raise TypeError(f"'{self.name}' was sent {message!r} past the mesh")
        elif message.endpoint.batch:
            waiting = self.mailbox.take_while(
                lambda other: isinstance(other, Call) and other.endpoint is message.endpoint, BATCH_MOST - 1
            )
            self._handle_group(message.endpoint, [message, *waiting])
        else:
            self._handle(message)

    def wait_ready(self, timeout_s: float) -> None:
        """Return when the actor serves; any other thread. Raises what its start raised, or DeadlineExceeded."""
        if not self._ready.wait(timeout_s):
            raise DeadlineExceeded(f"'{self.name}' did not start within {timeout_s:.0f} s", actor=self.name)
        if self._failure is not None:
            raise self._failure

    def leave_mesh(self) -> None:
        """Stop serving; any thread. For the supervisor, when the actor's own thread hangs."""
        self._leave()

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def mailbox(self) -> Mailbox:
        return cast(Mailbox, self.actor_inbox)

    def subject_of(self, endpoint: Endpoint) -> str:
        """The subject pattern under which an endpoint listens."""
        if endpoint.kind is Ping:
            return f"qi.rpc.*.mesh.ping.{self.name}"
        return self._address.subject("*", endpoint.kind.topic)

    def _serve(self, endpoint: Endpoint) -> None:
        mailbox, limit, most_bytes = self.mailbox, self.mailbox_limit, self.mailbox_bytes
        subject = self.subject_of(endpoint)
        # A subject without a caller leads to one session; the broker lets only the studio publish there.
        position = subject.split(".").index("*") if "*" in subject else -1

        def arrive(msg: Msg) -> None:  # bus thread
            if mailbox.qsize() >= limit or mailbox.waiting_bytes >= most_bytes:
                self._refuse(msg, Busy(f"'{self.name}' has too much to do", retry_ms=200, actor=self.name))
                return
            caller = msg.subject.split(".")[position] if position >= 0 else STUDIO
            mailbox.put_sized(Envelope(Call(endpoint, msg, time.monotonic(), caller)), len(msg.data))

        self._subscriptions.append(self._bus.subscribe(subject, arrive, queue=self.name))

    def _listen(self, subject: str, method: str) -> None:
        mailbox = self.mailbox

        def arrive(msg: Msg) -> None:  # bus thread
            # Facts only wake a listener, which then reads the log; losing one under flood loses nothing.
            if mailbox.qsize() < self.mailbox_limit:
                mailbox.put_sized(Envelope(Fact(method, msg, time.monotonic())), len(msg.data))
            else:
                self._stats.dropped += 1

        self._subscriptions.append(self._bus.subscribe(subject, arrive))

    def _tick(self, seconds: float, method: str) -> None:
        mailbox, tick = self.mailbox, Tick(method)

        def due() -> None:  # bus thread
            if not tick.waiting:
                tick.waiting = True
                mailbox.put(Envelope(tick))

        self._timers.append(self._bus.every(seconds, due))

    def _leave(self) -> None:
        self._bus.services.remove(self)
        while self._timers:
            self._timers.pop().cancel()
        while self._subscriptions:
            self._bus.unsubscribe(self._subscriptions.pop())
        # Whoever still waits in the mailbox is answered now rather than left to its deadline.
        for item in self.mailbox.empty_out():
            if isinstance(item, Call):
                self._refuse(item.msg, Busy(f"'{self.name}' is stopping", retry_ms=500, actor=self.name))

    def _hear(self, fact: Fact) -> None:
        self.mailbox.took(len(fact.msg.data))
        with self._guarded(f"listening to {fact.msg.subject}"):
            context.enter(context.from_headers(fact.msg.headers))
            getattr(self, fact.method)(fact.msg.data)

    def _handle(self, call: Call) -> None:
        began = time.perf_counter()
        self.mailbox.took(len(call.msg.data))
        try:
            asked = self._admit(call)
            context.enter(asked.context)
            _caller.set(asked.caller)
            answer = getattr(self, call.endpoint.method)(asked.message)
        except QiError as error:
            self._refuse(call.msg, error)
        except Fatal as error:
            self._refuse(call.msg, QiError(f"'{self.name}' failed and restarts: {error}"))
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad request must not end the actor
            self._refuse(call.msg, self._internal(error, call.endpoint.kind.topic))
        else:
            if isinstance(answer, Future):
                answer.add_done_callback(lambda done: self._reply_later(call, done))
            else:
                self._reply(call.msg, answer)
        self._stats.record(time.perf_counter() - began)

    def _handle_group(self, endpoint: Endpoint, calls: list[Call]) -> None:
        began = time.perf_counter()
        asked: list[tuple[Call, Asked]] = []
        for call in calls:
            self.mailbox.took(len(call.msg.data))
            try:
                asked.append((call, self._admit(call)))
            except QiError as error:
                self._refuse(call.msg, error)
        try:
            answers = getattr(self, endpoint.method)([each for _, each in asked]) if asked else []
        except Exception as error:
            for call, _ in asked:
                self._refuse(call.msg, self._internal(error, endpoint.kind.topic))
            if isinstance(error, Fatal):
                raise
            answers = []
        for (call, _), answer in zip(asked, answers, strict=False):
            if isinstance(answer, QiError):
                self._refuse(call.msg, answer)
            else:
                self._reply(call.msg, answer)
        spent = (time.perf_counter() - began) / len(calls)
        for _ in calls:
            self._stats.record(spent)

    def _admit(self, call: Call) -> Asked:
        """Deadline, loop, caller, permission, payload: in that order, the cheapest first."""
        carried = context.from_headers(call.msg.headers)
        if carried.deadline is not None and time.monotonic() >= carried.deadline:
            raise DeadlineExceeded("the request waited past its deadline", actor=self.name)
        carried = carried.passing(self.name)
        caller = self._known(call.caller, call.endpoint.guard)
        if caller.is_studio:
            # The studio speaks for the participant its context names.
            if carried.session:
                caller = replace(STUDIO_IDENTITY, user=carried.user or STUDIO)
        else:
            carried = replace(carried, session=caller.session, user=caller.user, host=caller.host)
        message = self._bus.codec.decode(call.endpoint.kind, call.msg.data)
        command = getattr(message, "command", "")
        if command:
            carried = replace(carried, command=command, cause=carried.cause or command)
        return Asked(message, carried, caller)

    def _known(self, session: str, guard: str) -> Identity:
        if session == STUDIO:
            return STUDIO_IDENTITY
        if guard == STUDIO_ONLY:
            raise Forbidden("only the studio itself may ask this", session=session)
        if guard == PUBLIC:
            return Identity(session, "")
        kept = self._identities.get(session)
        if kept is None or kept[0] < time.monotonic():
            if len(self._identities) > 10_000:
                self._identities.clear()
            with context.use(context.Context(trace=new_id(), path=(self.name,))):
                kept = (time.monotonic() + IDENTITY_KEPT_S, self.identify(session))
            self._identities[session] = kept
        found = kept[1]
        if not found.user:
            raise Unauthenticated("this session has not logged in", remedy="log in with `qi login`", session=session)
        if not found.may(guard):
            raise Forbidden(
                f"'{found.user}' may not do this: it needs the permission '{guard}'",
                remedy="ask somebody with the role admin to grant you a role that has it",
                user=found.user,
                permission=guard,
            )
        return found

    def _reply(self, msg: Msg, answer: Any) -> None:
        if msg.reply:
            with self._guarded("replying"):
                self._bus.publish(msg.reply, self._bus.codec.encode(answer))

    def _reply_later(self, call: Call, done: Future[Any]) -> None:
        error = done.exception() if not done.cancelled() else QiError(f"'{self.name}' gave the request up")
        if error is None:
            self._reply(call.msg, done.result())
        else:
            self._refuse(call.msg, error if isinstance(error, QiError) else self._internal(error, call.msg.subject))

    def _refuse(self, msg: Msg, error: QiError) -> None:
        self._stats.failed(str(error))
        if msg.reply:
            headers = {"Nats-Service-Error": error.message.splitlines()[0][:200].encode("ascii", "replace").decode()}
            headers["Nats-Service-Error-Code"] = str(error.code)
            with self._guarded("refusing"):
                self._bus.publish(msg.reply, self._bus.codec.encode(error.as_reply()), headers=headers)

    def _internal(self, error: BaseException, topic: str) -> QiError:
        log.error("handler failed", exc_info=error, extra={"actor": self.name, "topic": topic})
        return QiError(
            f"'{self.name}' could not answer '{topic}': {type(error).__name__}: {error}",
            remedy="this is a fault in Qi or in an addon; the studio's log holds the traceback",
        )

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except Fatal:
            raise
        except (Exception, SystemExit) as error:
            self._stats.failed(f"{what}: {error}")
            log.error("failed while %s", what, exc_info=error, extra={"actor": self.name})

    def _pong(self, _: Ping) -> Pong:
        return Pong(name=self.name, state=self.health())


def _members(cls: type) -> Iterable[Any]:
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        seen.update({k: v for k, v in vars(base).items() if callable(v) and hasattr(v, "__dict__")})
    return seen.values()
