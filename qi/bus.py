"""The only door to the mesh: one thread with an event loop and the NATS client, for a whole process.

Nobody else touches the client. Other threads leave messages in the *outbox*; one wake-up of the loop sends all that
wait (an actor that waited for its own publish would lose four fifths of its rate). Subscriptions call back on the bus
thread and must do O(1) work there. Pure standard library and nats-py, so that it also runs inside a DCC.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from events.ids import new_id
from qi import context
from qi.codec import Codec, Plain
from qi.errors import BadRequest, Busy, DeadlineExceeded, QiError, Unavailable, from_reply
from qi.messages import MAX_MESSAGE_BYTES, SERVICE, Address, Request
from qi.services import Services

log = logging.getLogger("qi.bus")

R = TypeVar("R")

CONNECT_TIMEOUT_S = 2
PING_INTERVAL_S = 15
WATCHDOG_EVERY_S = 5.0
WATCHDOG_FLUSH_S = 2
OUTBOX_LIMIT_BYTES = 32 * 1024 * 1024
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 1.0
PENDING_MESSAGES = 65_536
PENDING_BYTES = 64 * 1024 * 1024

Callback = Callable[[Msg], None]


@dataclass(frozen=True, slots=True)
class Credentials:
    """How this process reaches the broker."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class Subscription:
    """One subject this process listens to; survives reconnects and a replaced connection."""

    subject: str
    queue: str
    callback: Callback
    native: NatsSubscription | None = None


class Timer:
    """A repeated call on the bus thread, until it is cancelled. Any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[[], None]) -> None:
        self._loop, self._seconds, self._callback = loop, seconds, callback
        self._cancelled = False
        loop.call_soon_threadsafe(self._next)

    def _next(self) -> None:
        if not self._cancelled:
            self._loop.call_later(self._seconds, self._due)

    def _due(self) -> None:
        if not self._cancelled:
            self._callback()
            self._next()

    def cancel(self) -> None:
        self._cancelled = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A raw reply."""

    data: bytes
    headers: dict[str, str] | None


class Bus:
    """Speaks for the participant `session`. Methods are for any thread but the bus thread, unless they say more."""

    def __init__(
        self, credentials: Credentials, *, session: str, codec: Codec | None = None, name: str = "qi", host: str = ""
    ) -> None:
        self.session = session
        self.codec: Codec = codec or Plain()
        self.name = name
        self.host = host
        self._credentials = credentials
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="qi-bus", daemon=True)
        self._client = Client()
        self._inbox = f"_INBOX.{new_id()}"
        self._waiting: dict[str, Future[Answer]] = {}
        self._numbers = itertools.count(1)
        self._subscriptions: list[Subscription] = []
        self._outbox: deque[tuple[str, bytes, str, dict[str, str] | None]] = deque()
        self._outbox_bytes = 0
        self._draining = False
        self._lock = threading.Lock()
        self._stopping = False
        self._problems: deque[str] = deque(maxlen=50)
        self.services = Services(self)
        self.reconnects = 0
        self.dropped = 0

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect. Raises :class:`Unavailable` when the broker does not answer or refuses the credentials."""
        self._thread.start()
        try:
            self._on_loop(self._start(), CONNECT_TIMEOUT_S * 3)
        except (OSError, nats.errors.Error, TimeoutError) as error:
            self.stop()
            raise Unavailable(
                f"no broker at {self._credentials.url}: {error or type(error).__name__}",
                remedy="start a studio with `qi serve`, or check the address given to --connect",
            ) from error

    def stop(self) -> None:
        """Send what waits, close, end the thread. Safe to call twice."""
        if self._stopping:
            return
        self._stopping = True
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
                self._on_loop(self._close(), 5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        for waiter in list(self._waiting.values()):
            waiter.cancel()
        if not self._loop.is_running():
            self._loop.close()

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def problems(self) -> list[str]:
        """The last things the client complained about, oldest first."""
        return list(self._problems)

    # -- asking -------------------------------------------------------------------------------------------------

    def request(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """Ask and wait.

        Raises the :class:`QiError` the answer holds, :class:`Unavailable` when nobody serves the topic,
        :class:`DeadlineExceeded` when no answer came in time. Inside a handler the caller's own deadline also holds.
        A message with a command id is sent again, until the deadline, while the answer is 503 or 429.
        """
        limit, sent = self._limit(message, timeout_s)
        pause = RETRY_FIRST_S
        while True:
            try:
                return self._decode(message, self._wait(self._send(message, to, sent), message, sent))
            except (Unavailable, Busy) as error:
                if not sent.command or limit - time.monotonic() <= pause or error.data.get("final"):
                    raise
            # Nothing announces that a service is back; its next answer does.
            threading.Event().wait(pause)
            pause = min(pause * 2, RETRY_MOST_S)

    def ask(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> Future[Answer]:
        """Ask without waiting; give the future to :meth:`answer` for the reply."""
        return self._send(message, to, self._limit(message, timeout_s)[1])

    def answer(self, message: Request[R], future: Future[Answer]) -> R:
        """Wait for what :meth:`ask` began. Raises like :meth:`request`."""
        return self._decode(message, self._wait(future, message, context.Context("", deadline=self._after(message))))

    async def call(self, message: Request[R], *, to: Address = SERVICE, timeout_s: float | None = None) -> R:
        """:meth:`request` for coroutines on the bus thread; no retries."""
        _, sent = self._limit(message, timeout_s)
        future = self._send(message, to, sent)
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(future), sent.remaining_s())
        except TimeoutError as error:
            raise _too_late(message) from error
        return self._decode(message, answer)

    # -- telling ------------------------------------------------------------------------------------------------

    def publish(
        self, subject: str, data: bytes, *, reply: str = "", headers: dict[str, str] | None = None, lossy: bool = False
    ) -> None:
        """Leave a message in the outbox; any thread, never blocks.

        Raises :class:`BadRequest` when it is too big, :class:`Busy` when the broker is away and the outbox is full
        (a `lossy` one is dropped and counted instead).
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise BadRequest(
                f"a message of {len(data)} bytes exceeds {MAX_MESSAGE_BYTES}", subject=subject, size=len(data)
            )
        with self._lock:
            if self._outbox_bytes + len(data) > OUTBOX_LIMIT_BYTES:
                if lossy:
                    self.dropped += 1
                    return
                raise Busy("the broker takes no messages at the moment", retry_ms=1000)
            self._outbox.append((subject, data, reply, headers))
            self._outbox_bytes += len(data)
            if self._draining:
                return
            self._draining = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(self._start_drain)

    def subscribe(self, subject: str, callback: Callback, *, queue: str = "") -> Subscription:
        """Call `callback` on the bus thread for each message; it does O(1) work and never raises. Blocks until the
        broker knows of it."""
        entry = Subscription(subject, queue, callback)

        async def begin() -> None:
            self._subscriptions.append(entry)
            await self._listen(entry)
            await self._client.flush(CONNECT_TIMEOUT_S)

        self._on_loop(begin(), CONNECT_TIMEOUT_S * 2)
        return entry

    def unsubscribe(self, entry: Subscription) -> None:
        """Stop listening; messages already received are still delivered."""

        async def end() -> None:
            if entry in self._subscriptions:
                self._subscriptions.remove(entry)
            if entry.native is not None:
                with contextlib.suppress(nats.errors.Error, ValueError):
                    await entry.native.unsubscribe()

        with contextlib.suppress(TimeoutError):
            self._on_loop(end(), CONNECT_TIMEOUT_S)

    def every(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the bus thread every so often; it does O(1) work and never raises."""
        return Timer(self._loop, seconds, callback)

    def flush(self, timeout_s: float = 5.0) -> None:
        """Return when the broker has seen all that was published before. Raises :class:`Unavailable`."""

        async def settle() -> None:
            while self._draining:
                await asyncio.sleep(0)
            await self._client.flush(int(max(1, timeout_s)))

        try:
            self._on_loop(settle(), timeout_s)
        except (TimeoutError, nats.errors.Error) as error:
            raise Unavailable("the broker does not answer") from error

    # -- inside -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _on_loop(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the bus thread must not wait for itself")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    async def _start(self) -> None:
        await self._connect()
        self._watch = asyncio.get_running_loop().create_task(self._watchdog())

    async def _connect(self) -> None:
        # A callback that raises kills nats-py's read loop silently; these only append to a bounded queue.
        async def complain(error: Exception) -> None:
            self._problems.append(f"{type(error).__name__}: {error}")

        async def back() -> None:
            self.reconnects += 1
            self._start_drain()

        client = Client()
        extra: dict[str, Any] = {}
        if self._credentials.user:
            extra = {"user": self._credentials.user, "password": self._credentials.password}
        # allow_reconnect only once connected: a first connect must fail at once, not retry for ever.
        await client.connect(
            self._credentials.url,
            name=self.name,
            error_cb=complain,
            reconnected_cb=back,
            connect_timeout=CONNECT_TIMEOUT_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]
            ping_interval=PING_INTERVAL_S,
            allow_reconnect=False,
            **extra,
        )
        client.options["allow_reconnect"] = True
        self._client = client
        own = Subscription(f"{self._inbox}.*", "", self._on_answer)
        for entry in [own, *self._subscriptions]:
            await self._listen(entry)
        await client.flush(CONNECT_TIMEOUT_S)

    async def _listen(self, entry: Subscription) -> None:
        callback = entry.callback

        async def deliver(msg: Msg) -> None:
            try:
                callback(msg)
            except Exception:
                log.exception("callback failed", extra={"subject": entry.subject})

        entry.native = await self._client.subscribe(
            entry.subject,
            queue=entry.queue,
            cb=deliver,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )

    async def _watchdog(self) -> None:
        """nats-py can believe itself connected while its reader is dead; only a round trip proves the link."""
        while True:
            await asyncio.sleep(WATCHDOG_EVERY_S)
            if self._stopping or (not self._client.is_connected and not self._client.is_closed):
                continue
            try:
                # With its reader dead, flush() would write and report success.
                reader = self._client._reading_task
                if reader is None or reader.done():
                    raise ConnectionError("the client's reader is dead")
                await self._client.flush(WATCHDOG_FLUSH_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, the connection is replaced
                self._problems.append(f"watchdog: {type(error).__name__}: {error}")
                await self._replace()

    async def _replace(self) -> None:
        old = self._client
        with contextlib.suppress(Exception):
            await asyncio.wait_for(old.close(), WATCHDOG_FLUSH_S)
        try:
            await self._connect()
            self.reconnects += 1
            self._start_drain()
        except Exception as error:  # noqa: BLE001 - the next round of the watchdog tries again
            self._problems.append(f"reconnect: {type(error).__name__}: {error}")

    async def _close(self) -> None:
        if hasattr(self, "_watch"):
            self._watch.cancel()
        await self._drain()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._client.flush(1), 1)
        await asyncio.wait_for(self._client.close(), 3)

    def _start_drain(self) -> None:
        self._drain_task = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        """Send all that waits. While the broker is away it stays in the outbox; the reconnect starts this again."""
        while True:
            with self._lock:
                if not self._outbox or not self._client.is_connected:
                    self._draining = False
                    return
                items = list(self._outbox)
                self._outbox.clear()
                self._outbox_bytes = 0
            for at, (subject, data, reply, headers) in enumerate(items):
                try:
                    await self._client.publish(subject, data, reply, headers)
                except (nats.errors.ConnectionClosedError, nats.errors.OutboundBufferLimitError) as error:
                    self._problems.append(f"publish: {type(error).__name__}")
                    self._put_back(items[at:])
                    return
                except Exception as error:  # noqa: BLE001 - one bad subject must not stop the others
                    self._problems.append(f"publish to {subject}: {type(error).__name__}: {error}")

    def _put_back(self, items: list[tuple[str, bytes, str, dict[str, str] | None]]) -> None:
        with self._lock:
            self._outbox.extendleft(reversed(items))
            self._outbox_bytes += sum(len(data) for _, data, _, _ in items)
            self._draining = False

    def _limit(self, message: Request[Any], timeout_s: float | None) -> tuple[float, context.Context]:
        now = time.monotonic()
        limit = now + (message.timeout_s if timeout_s is None else timeout_s)
        here = context.current()
        if here.deadline is not None:
            limit = min(limit, here.deadline)
        command = getattr(message, "command", "") or here.command
        return limit, replace(here, deadline=limit, command=command)

    def _after(self, message: Request[Any]) -> float:
        return time.monotonic() + message.timeout_s

    def _send(self, message: Request[Any], to: Address, sent: context.Context) -> Future[Answer]:
        number = format(next(self._numbers), "x")
        future: Future[Answer] = Future()
        self._waiting[number] = future
        future.add_done_callback(lambda _: self._waiting.pop(number, None))
        subject = to.subject(self.session, message.topic)
        try:
            self.publish(subject, self.codec.encode(message), reply=f"{self._inbox}.{number}", headers=sent.headers())
        except QiError:
            future.cancel()
            raise
        return future

    def _on_answer(self, msg: Msg) -> None:
        future = self._waiting.get(msg.subject.rpartition(".")[2])
        if future is not None and not future.done():
            with contextlib.suppress(Exception):  # cancelled a moment ago
                future.set_result(Answer(msg.data, msg.headers))

    def _wait(self, future: Future[Answer], message: Request[Any], sent: context.Context) -> Answer:
        try:
            return future.result(sent.remaining_s())
        except TimeoutError as error:
            future.cancel()
            raise _too_late(message) from error
        except CancelledError as error:
            raise Unavailable("this process is leaving the mesh", final=True) from error

    def _decode(self, message: Request[R], answer: Answer) -> R:
        headers = answer.headers
        if headers:
            if headers.get("Status") == "503":
                raise Unavailable(
                    f"nobody serves '{message.topic}'",
                    remedy="the service may be restarting; `qi status` shows what runs",
                    topic=message.topic,
                )
            if "Nats-Service-Error-Code" in headers:
                raise from_reply(Plain().decode(cast(Any, dict), answer.data))
        return cast(R, self.codec.decode(message.reply, answer.data))


def _too_late(message: Request[Any]) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"no answer to '{message.topic}' in time",
        remedy="the service is busy or hangs; `qi status` shows which",
        topic=message.topic,
    )


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return cast(asyncio.AbstractEventLoop, uvloop.new_event_loop())
