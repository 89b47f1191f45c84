"""The base of every service and addon: one thread, one mailbox, its own state, spoken to by subjects only.

The bus thread only puts raw messages into the mailbox (:mod:`qi.intake`). Everything else, decoding included, happens
in the actor's own thread. Pykka owns the thread and its life.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar, cast

import pykka

from events.ids import new_id
from qi import context
from qi.bus import Bus
from qi.callers import Callers
from qi.contracts.mesh import Ping, Pong
from qi.contracts.session import Identify
from qi.endpoints import Asked, Call, Endpoint, Heard, Tick, every, handles, handles_batch, listens, members
from qi.errors import Busy, DeadlineExceeded, QiError
from qi.identity import STUDIO_IDENTITY, Identity, identity_of
from qi.intake import Intake
from qi.mailbox import Mailbox
from qi.messages import SERVICE, Address, Request
from qi.replies import Replies
from qi.statistics import Statistics
from qi.wire import Message

__all__ = ["Actor", "Asked", "Endpoint", "Fatal", "every", "handles", "handles_batch", "listens", "members"]

log = logging.getLogger("qi.actor")

A = TypeVar("A", bound="Actor")
M = TypeVar("M", bound=Request[Any])
R = TypeVar("R")

IDENTITY_CHANGES = ("qi.session.*.identity", "qi.event.user.>")
"""On these a session's user or a user's roles have changed: what was known of anybody counts no more."""
BATCH_MOST = 256
STOPPING_RETRY_MS = 500


class Fatal(Exception):
    """Raised by a handler whose actor cannot go on; the supervisor starts a new one."""


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
    is_service: ClassVar[bool] = True
    """Whether any participant may ask it: then it looks up who asks, and shows in `nats micro ls`."""
    mailbox_limit: ClassVar[int] = 4096
    mailbox_bytes: ClassVar[int] = 64 * 1024 * 1024
    finishes_within_s: ClassVar[float] = 0.0
    """How long it goes on answering what waits when it stops; what is left then, or at once, is told to come again."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus
        self._address: Address = SERVICE
        self._callers = Callers(self.name, lambda session: self.identify(session))
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._id = new_id()
        self._stats = Statistics()
        self._replies = Replies(bus, self.name, self._stats)
        self._intake = Intake(
            self.name, bus, self.mailbox, self._replies, self._stats, self.mailbox_limit, self.mailbox_bytes
        )

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Mailbox()

    # -- for subclasses -----------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Build the state; actor thread. Runs before the first subscription, so no request arrives without state."""

    def answered(self) -> None:
        """What need not be done before a group (:func:`handles_batch`) has its replies; actor thread."""

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
        return identity_of(info)

    # -- life, by Pykka -----------------------------------------------------------------------------------------

    @classmethod
    def endpoints(cls) -> list[Endpoint]:
        """The topics this class serves, read off its handlers."""
        found = [member.__dict__["_qi_endpoint"] for member in members(cls) if "_qi_endpoint" in member.__dict__]
        return [*found, Endpoint(Ping, "_pong", guard=Ping.needs)]

    def on_start(self) -> None:
        try:
            context.enter(context.Context(trace=new_id()))
            self.setup()
            for endpoint in self.endpoints():
                self._intake.serve(endpoint, self.subject_of(endpoint), self.queue_group)
            for member in members(type(self)):
                if "_qi_listens" in member.__dict__:
                    subject, whole = member.__dict__["_qi_listens"]
                    self._intake.listen(subject, member.__name__, whole=whole)
                if "_qi_every" in member.__dict__:
                    often = member.__dict__["_qi_every"]
                    self._intake.tick(getattr(self, often) if isinstance(often, str) else often, member.__name__)
            if self.is_service:
                for subject in IDENTITY_CHANGES:
                    self._intake.listen_at_once(subject, self._forget_identities)
                self._bus.services.add(self)
        except BaseException as error:
            # Pykka calls no hook for a failed start, and a SystemExit here would stop every actor of the process.
            failure = error if isinstance(error, Exception) else Fatal(f"'{self.name}' gave up at its start: {error!r}")
            self._failure = failure
            self._leave()
            self._ready.set()
            raise failure from error
        self._ready.set()

    def on_stop(self) -> None:
        self._leave(self.finishes_within_s)
        self.teardown()

    def on_failure(self, *_: Any) -> None:
        self._leave()
        self.teardown()

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Call):
            if message.endpoint.batch:
                waiting = self.mailbox.take_while(
                    lambda other: isinstance(other, Call) and other.endpoint is message.endpoint, BATCH_MOST - 1
                )
                self._handle_group(message.endpoint, [message, *waiting])
            else:
                self._handle(message)
        elif isinstance(message, Heard):
            for msg in message.take():
                self._hear(message.method, msg, whole=message.whole)
        elif isinstance(message, Tick):
            message.waiting = False
            with self._guarded(message.method):
                self._enter(context.Context(trace=new_id()), STUDIO_IDENTITY)
                getattr(self, message.method)()
        else:
            raise TypeError(f"'{self.name}' was sent {message!r} past the mesh")

    def begin_serving(self, timeout_s: float) -> None:
        """Pykka's `start`, of an object one keeps, and then :meth:`wait_ready`."""
        pykka.ActorRegistry.register(self.actor_ref)
        self._start_actor_loop()
        self.wait_ready(timeout_s)

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

    @property
    def queue_group(self) -> str:
        """Of those that listen to one topic under one name, each request reaches one."""
        return self.name

    def subject_of(self, endpoint: Endpoint) -> str:
        """The subject pattern under which an endpoint listens."""
        if endpoint.kind is Ping:
            return f"qi.rpc.*.mesh.ping.{self.name}"
        return self._address.subject("*", endpoint.kind.topic)

    def _forget_identities(self, _: Message) -> None:  # bus thread
        self._callers.forget()

    def _leave(self, finish_s: float = 0.0) -> None:
        """Any thread; only the actor's own may `finish` what waits."""
        self._bus.services.remove(self)
        self._intake.end()
        # All that was on its way is here: it is answered now, not left to its deadline.
        finish_until = time.monotonic() + finish_s
        for item in self.mailbox.empty_out():
            if isinstance(item, Call) and time.monotonic() < finish_until:
                self.on_receive(item)
            elif isinstance(item, Call):
                error = Busy(f"'{self.name}' is stopping", retry_ms=STOPPING_RETRY_MS, actor=self.name)
                self._replies.refuse(item.msg, error)

    def _hear(self, method: str, msg: Message, *, whole: bool) -> None:
        with self._guarded(f"listening to {msg.subject}"):
            self._enter(context.from_headers(msg.headers, time.monotonic()), STUDIO_IDENTITY)
            getattr(self, method)(msg if whole else msg.data)

    def _handle(self, call: Call) -> None:
        began = time.perf_counter()
        self.mailbox.took(len(call.msg.data))
        try:
            asked = self._admit(call)
            self._enter(asked.context, asked.caller)
            answer = getattr(self, call.endpoint.method)(asked.message)
        except QiError as error:
            self._replies.refuse(call.msg, error)
        except Fatal as error:
            self._replies.refuse(call.msg, QiError(f"'{self.name}' failed and restarts: {error}"))
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad request must not end the actor
            self._replies.refuse(call.msg, self._replies.fault(error, call.endpoint.kind.topic))
        else:
            # The reply comes last: whoever it wakes then need not wait for this thread.
            self._stats.record(time.perf_counter() - began)
            if isinstance(answer, Future):
                answer.add_done_callback(lambda done: self._send_later(call, done))
            else:
                self._answered(call)
                self._replies.send(call.msg, answer, at_once=self.mailbox.empty())
            return
        self._answered(call)
        self._stats.record(time.perf_counter() - began)

    def _send_later(self, call: Call, done: Future[Any]) -> None:
        """Whichever thread had it done."""
        self._answered(call)
        self._replies.send_later(call.msg, done)

    def _answered(self, call: Call) -> None:
        self._stats.answered(call.endpoint.kind.topic, time.monotonic() - call.arrived)

    def _handle_group(self, endpoint: Endpoint, calls: list[Call]) -> None:
        began = time.perf_counter()
        asked: list[Asked] = []
        admitted: list[Call] = []
        for call in calls:
            self.mailbox.took(len(call.msg.data))
            try:
                asked.append(self._admit(call))
                admitted.append(call)
            except QiError as error:
                self._replies.refuse(call.msg, error)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad request must not end the others
                self._replies.refuse(call.msg, self._replies.fault(error, endpoint.kind.topic))
        # A group has no context of its own: each request brings one.
        self._enter(context.Context(trace=new_id()), STUDIO_IDENTITY)
        answers: list[Any] = []
        try:
            if asked:
                answers = getattr(self, endpoint.method)(asked)
            if len(answers) != len(asked):
                raise RuntimeError(f"{len(asked)} requests, {len(answers)} answers")
        except Fatal as error:
            for call in admitted:
                self._replies.refuse(call.msg, QiError(f"'{self.name}' failed and restarts: {error}"))
            raise
        except QiError as error:
            answers = [error] * len(asked)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad group must not end the actor
            answers = [self._replies.fault(error, endpoint.kind.topic)] * len(asked)
        for call, answer in zip(admitted, answers, strict=True):
            if isinstance(answer, QiError):
                self._replies.refuse(call.msg, answer)
            else:
                self._replies.send(call.msg, answer)
        with self._guarded(f"having answered '{endpoint.kind.topic}'"):
            self.answered()
        spent = (time.perf_counter() - began) / len(calls)
        for call in calls:
            self._stats.record(spent)
            self._answered(call)

    def _admit(self, call: Call) -> Asked:
        """Raises what keeps a request out. An addon keeps out more."""
        return self._callers.admit(call, self._bus.codec)

    @staticmethod
    def _enter(here: context.Context, caller: Identity) -> None:
        context.enter(here)
        _caller.set(caller)

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
