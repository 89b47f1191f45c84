"""The only door to the mesh: requests and replies over the :class:`~qi.link.Link` of this process."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Any, NamedTuple, TypeVar, cast

from qi import context
from qi.codec import Codec, Plain
from qi.context import Context
from qi.credentials import Credentials
from qi.errors import Busy, DeadlineExceeded, Forbidden, QiError, Unavailable, from_reply
from qi.link import WATCHDOG_EVERY_S, Link, Subscription
from qi.messages import SERVICE, Address, Raw, Request
from qi.outbox import Outgoing
from qi.services import Services
from qi.timer import Timer
from qi.wire import Message

__all__ = ["Answer", "Bus", "Credentials", "Subscription", "Timer"]

log = logging.getLogger("qi.bus")

R = TypeVar("R")

RETRY_FIRST_S = 0.05
RETRY_MOST_S = 1.0


class Answer(NamedTuple):
    """A raw reply."""

    data: bytes
    head: Message | None
    """The message, where it carries headers: it is an error then."""


class Waiter(NamedTuple):
    """Who waits for a reply, and until when (`time.monotonic()`)."""

    future: Future[Answer] | asyncio.Future[Answer]
    limit: float
    sent: Outgoing
    """To be sent again when the connection broke: a command is known by its id, and asking twice is asking once."""
    needs: str


class Bus(Link):
    """Speaks for the participant `session`. Methods are for any thread but the bus thread, unless they say more."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        session: str,
        codec: Codec | None = None,
        name: str = "qi",
        host: str = "",
        watchdog_every_s: float = WATCHDOG_EVERY_S,
    ) -> None:
        super().__init__(credentials, session=session, name=name, watchdog_every_s=watchdog_every_s)
        self.codec: Codec = codec or Plain()
        self.host = host
        self._waiting: dict[str, Waiter] = {}
        self._numbers = itertools.count(1)
        self.services = Services(self)

    # -- asking -------------------------------------------------------------------------------------------------

    def request(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """Ask and wait.

        Raises the :class:`QiError` the answer holds, :class:`Unavailable` when nobody serves the topic,
        :class:`DeadlineExceeded` when no answer came in time. Inside a handler the caller's own deadline also holds.
        A message with a command id is sent again, until the deadline, while the answer is 503 or 429, and when the
        connection broke before the answer came.
        """
        sent, limit = self._limit(message, timeout_s)
        pause = RETRY_FIRST_S
        while True:
            future: Future[Answer] = Future()
            number = self._send(message, to, sent, limit, future, at_once=True)
            try:
                return self._decode(message, self._wait(future, number, message, limit))
            except (Unavailable, Busy):
                if not sent.command or self._stopping or limit - time.monotonic() <= pause:
                    raise
            # Nothing announces that a service is back; its next answer does.
            threading.Event().wait(pause)
            pause = min(pause * 2, RETRY_MOST_S)

    def ask(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> Future[Answer]:
        """Ask without waiting; any thread. Give the future to :meth:`answer` for the reply; it ends soon after the
        deadline with DeadlineExceeded."""
        sent, limit = self._limit(message, timeout_s)
        future: Future[Answer] = Future()
        self._send(message, to, sent, limit, future)
        return future

    def ask_raw(self, message: Raw, *, to: Address = SERVICE) -> Future[Answer]:
        """:meth:`ask` with JSON as it is; give what comes to :meth:`read_raw`."""
        sent, limit = self._limit(message, None)
        future: Future[Answer] = Future()
        self._send(message, to, sent, limit, future)
        return future

    def read_raw(self, message: Raw, answer: Answer) -> bytes:
        """The reply as JSON. Raises like :meth:`request`."""
        return self._good(message.topic, answer)

    def answer(self, message: Request[R], future: Future[Answer]) -> R:
        """Wait for what :meth:`ask` began. Raises like :meth:`request`."""
        return self._decode(message, self._wait(future, "", message, time.monotonic() + message.timeout_s))

    async def call(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """:meth:`request` for coroutines on the bus thread; no retries."""
        sent, limit = self._limit(message, timeout_s)
        future: asyncio.Future[Answer] = self._loop.create_future()
        # With others under way more may follow in this very round of the loop: they leave together.
        number = self._send(message, to, sent, limit, future, at_once=not self._waiting)
        timer = self._loop.call_later(limit - time.monotonic(), self._expire, future, message)
        try:
            return self._decode(message, await future)
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    # -- requests -----------------------------------------------------------------------------------------------

    def _limit(self, message: Request[Any] | Raw, timeout_s: float | None) -> tuple[Context, float]:
        limit = time.monotonic() + (message.timeout_s if timeout_s is None else timeout_s)
        here = context.current()
        if here.deadline is not None and here.deadline < limit:
            limit = here.deadline
        command = getattr(message, "command", "") or here.command
        return (
            Context(here.trace, here.cause, command, limit, here.path, here.session, here.user, here.host),
            limit,
        )

    def _send(
        self,
        message: Request[Any] | Raw,
        to: Address,
        sent: Context,
        limit: float,
        future: Future[Answer] | asyncio.Future[Answer],
        *,
        at_once: bool = False,
    ) -> str:
        """Returns the number under which `future` waits."""
        number = format(next(self._numbers), "x")
        data = message.data if isinstance(message, Raw) else self.codec.encode(message)
        item = Outgoing(to.subject(self.session, message.topic), data, f"{self.inbox}.{number}", None, sent)
        self._waiting[number] = Waiter(future, limit, item, message.needs)
        try:
            if self._stopping:
                raise _leaving()
            self._put(item, at_once=at_once)
        except QiError:
            del self._waiting[number]
            raise
        return number

    def _on_answer(self, msg: Message) -> None:
        waiter = self._waiting.pop(msg.subject[len(self.inbox) + 1 :], None)
        if waiter is not None:
            _settle(waiter.future, Answer(msg.data, msg if msg.head else None))

    def _wait(self, future: Future[Answer], number: str, message: Request[Any], limit: float) -> Answer:
        try:
            return future.result(max(0.0, limit - time.monotonic()))
        except TimeoutError as error:
            self._waiting.pop(number, None)
            future.cancel()
            raise self._too_late(message.topic) from error
        except CancelledError as error:
            raise _leaving() from error

    def _under_way(self) -> list[Outgoing]:
        return [waiter.sent for waiter in list(self._waiting.values())]

    def _on_refusal(self, subject: str) -> None:
        """Bus thread. The broker names what it refused in lower case; nobody will ever answer there."""
        for number, waiter in list(self._waiting.items()):
            if waiter.sent.subject.lower() == subject:
                self._waiting.pop(number, None)
                _settle(waiter.future, _refused(waiter))

    def _end_overdue(self) -> None:
        """Bus thread. Nobody else ends what :meth:`ask` began and nobody waits for."""
        now = time.monotonic()
        for number, waiter in list(self._waiting.items()):
            if waiter.limit < now:
                self._waiting.pop(number, None)
                _settle(waiter.future, DeadlineExceeded("no answer in time"))

    def _expire(self, future: asyncio.Future[Answer], message: Request[Any]) -> None:
        if not future.done():
            future.set_exception(self._too_late(message.topic))

    def _too_late(self, topic: str) -> DeadlineExceeded:
        """Whether the request was done nobody knows; what kept the answer away is told as far as it is seen here."""
        if self._refused:
            why = ": the studio does not let this session in any more"
            remedy = "the log-in may have expired or been ended: log in again (`qi login`)"
        elif not self.connected:
            why = ": the broker does not answer"
            remedy = "the connection comes back by itself; a command that has an id may be sent again"
        else:
            why, remedy = "", "the service is busy or hangs; the page Mesh or `qi status` shows which"
        return DeadlineExceeded(f"no answer to '{topic}' in time{why}", remedy=remedy, topic=topic)

    def _give_up_waiting(self) -> None:
        while self._waiting:
            _settle(self._waiting.popitem()[1].future, _leaving())

    def _decode(self, message: Request[R], answer: Answer) -> R:
        return cast(R, self.codec.decode(message.reply, self._good(message.topic, answer)))

    @staticmethod
    def _good(topic: str, answer: Answer) -> bytes:
        """What it holds, unless that is an error, which is raised."""
        if answer.head is not None:
            headers = answer.head.headers
            if headers.get("Status") == "503":
                raise Unavailable(
                    f"nobody serves '{topic}'",
                    remedy="the service may be restarting; the page Mesh or `qi status` shows what runs",
                    topic=topic,
                )
            if "Nats-Service-Error-Code" in headers:
                raise from_reply(Plain().decode(cast(Any, dict), answer.data))
        return answer.data


def _settle(future: Future[Answer] | asyncio.Future[Answer], outcome: Answer | QiError) -> None:
    try:
        if isinstance(outcome, Answer):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
    except (InvalidStateError, asyncio.InvalidStateError):
        log.debug("an answer came after its caller had given up")


def _refused(waiter: Waiter) -> Forbidden:
    needs = f": it needs the permission '{waiter.needs}'" if waiter.needs else ""
    return Forbidden(
        f"this session may not do this{needs}",
        remedy="ask somebody with the role admin for a role that has it, or log in as somebody else (`qi login`)",
        subject=waiter.sent.subject,
        permission=waiter.needs,
    )


def _leaving() -> Unavailable:
    return Unavailable("this process is leaving the mesh")
