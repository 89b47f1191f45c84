"""The connection to the broker: one thread (:mod:`qi.loop_thread`) with the NATS client, for a whole process.

Nobody else touches the client. Other threads leave messages in the *outbox* (:mod:`qi.outbox`), which may hand one to
the socket at once (:mod:`qi.line`). Subscriptions call back on the bus thread and must do O(1) work there.
Pure standard library and nats-py, so that it also runs inside a DCC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nats.errors

from events.ids import new_id
from qi.complaints import about_eof, is_refusal, violation
from qi.credentials import Credentials
from qi.errors import Forbidden, Unauthenticated, Unavailable
from qi.loop_thread import LoopThread
from qi.outbox import Outbox, Outgoing
from qi.timer import Timer
from qi.wire import Callback, Message, Wire

log = logging.getLogger("qi.bus")

CONNECT_TIMEOUT_S = 2
CLOSE_LIMIT_S = 0.5
PING_INTERVAL_S = 15
RECONNECT_PAUSE_S = 0.25
LOOK_AGAIN_S = 0.05
REFUSED_PAUSE_S = 0.25
REFUSED_PAUSE_MOST_S = 10.0
WATCHDOG_EVERY_S = 5.0
WATCHDOG_FLUSH_S = 2
STOP_LIMIT_S = 5
PROBLEMS_KEPT = 50


@dataclass(slots=True, eq=False)
class Subscription:
    """One subject this process listens to; survives reconnects and a replaced connection."""

    subject: str
    queue: str
    callback: Callback
    sid: int = 0


class Link:
    """Connects, listens, sends. What replies mean is for :class:`qi.bus.Bus`, which fills in the hooks.

    Methods are for any thread but the bus thread, unless they say more.
    """

    def __init__(self, credentials: Credentials, *, session: str, name: str, watchdog_every_s: float) -> None:
        self.name = name
        self.session = session
        self._credentials = credentials
        self._watchdog_every_s = watchdog_every_s
        self._thread = LoopThread("qi-bus")
        self._loop = self._thread.loop
        self._client = Wire()
        self._problems: deque[str] = deque(maxlen=PROBLEMS_KEPT)
        self.inbox = f"_INBOX.{session}.{new_id()}"
        """Below it lies what only this connection may hear."""
        self._subscriptions = [Subscription(f"{self.inbox}.*", "", self._on_answer)]
        self._outbox = Outbox(self._loop, lambda: self._client, self._thread.spawn, self._problems.append)
        self._lock = threading.Lock()
        self._stopping = False
        self._refused = False
        """The broker does not let this process in any more, for now: :meth:`_try_again` is at work."""
        self._violations: set[str] = set()
        """Subjects that may not be listened to, in lower case."""
        self.reconnects = 0

    # -- hooks; bus thread, except the last ----------------------------------------------------------------------

    def _on_answer(self, msg: Message) -> None:
        """A message to this process's inbox."""

    def _on_refusal(self, subject: str) -> None:
        """The broker does not let this session publish to `subject` (in lower case)."""

    def _under_way(self) -> list[Outgoing]:
        """What to send again after the connection broke: nobody knows which of it got through."""
        return []

    def _end_overdue(self) -> None:
        """Called by the watchdog."""

    def _give_up_waiting(self) -> None:
        """The connection is gone for good; any thread."""

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect. Raises :class:`Unavailable` when the broker does not answer, :class:`Unauthenticated` when it
        refuses the credentials."""
        self._thread.start()
        try:
            self._thread.wait(self._start(), CONNECT_TIMEOUT_S * 3)
        except (OSError, nats.errors.Error, TimeoutError) as error:
            self.stop()
            if is_refusal(error):
                raise Unauthenticated(
                    f"the studio at {self._credentials.url} does not let this session in",
                    remedy="the log-in may have expired or been ended: log in again with `qi login`",
                    session=self.session,
                ) from error
            if isinstance(error, ssl.SSLCertVerificationError):
                raise Unavailable(
                    f"the certificate of {self._credentials.url} is not trusted: {error.verify_message}",
                    remedy="give the file that the studio's people gave you: --connect-ca FILE",
                ) from error
            raise Unavailable(
                f"no broker at {self._credentials.url}: {str(error) or type(error).__name__}",
                remedy="start a studio with `qi serve`, or check the address given to --connect",
            ) from error

    def stop(self) -> None:
        """Send what waits, close, end the thread; requests that still wait raise Unavailable. Safe to call twice."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        if self._thread.is_alive():
            try:
                self._thread.wait(self._close(), STOP_LIMIT_S)
            except (TimeoutError, nats.errors.Error, OSError) as error:
                log.warning("the connection did not close cleanly: %s", error or type(error).__name__)
            self._loop.call_soon_threadsafe(self._client.abort)
            self._thread.end(STOP_LIMIT_S)
        self._give_up_waiting()
        self._thread.close()

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def refused(self) -> bool:
        """Whether the broker lets this process in no more, for now at least."""
        return self._refused

    @property
    def problems(self) -> list[str]:
        """The last things the client complained about, oldest first."""
        return list(self._problems)

    # -- telling ------------------------------------------------------------------------------------------------

    def publish(
        self,
        subject: str,
        data: bytes,
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
        lossy: bool = False,
        at_once: bool = False,
    ) -> None:
        """Leave a message in the outbox; any thread, never blocks. `at_once` sends it from this thread, if it can be:
        for whoever has nothing else to do.

        Raises :class:`BadRequest` when it is too big, :class:`Busy` when the broker is away and the outbox is full
        (a `lossy` one is dropped and counted instead).
        """
        self._put(Outgoing(subject, data, reply, headers, None), lossy=lossy, at_once=at_once)

    def _put(self, item: Outgoing, *, lossy: bool = False, at_once: bool = False) -> None:
        self._outbox.put(item, lossy=lossy, at_once=at_once, on_loop=self._thread.is_here())

    @property
    def dropped(self) -> int:
        """How many lossy messages found the outbox full."""
        return self._outbox.dropped

    def subscribe(self, subject: str, callback: Callback, *, queue: str = "") -> Subscription:
        """Call `callback` on the bus thread for each message; it does O(1) work there.

        Blocks until the broker knows of it. Raises :class:`Unavailable` when the broker does not answer,
        :class:`Forbidden` when it does not let this session listen there.
        """
        entry = Subscription(subject, queue, callback)

        async def begin() -> None:
            self._subscriptions.append(entry)
            self._violations.discard(subject.lower())
            entry.sid = self._client.listen(subject, queue, callback)
            try:
                await self._client.round_trip(CONNECT_TIMEOUT_S)
                if subject.lower() in self._violations:
                    raise Forbidden(f"this session may not listen to '{subject}'", subject=subject)
            except BaseException:
                await self._forget(entry)
                raise

        try:
            self._thread.wait(begin(), CONNECT_TIMEOUT_S * 3)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable("the broker does not answer", subject=subject) from error
        return entry

    def unsubscribe(self, entry: Subscription) -> None:
        """Stop listening; messages already on their way are still delivered before this returns."""
        try:
            self._thread.wait(self._forget(entry), CONNECT_TIMEOUT_S * 2)
        except (TimeoutError, Unavailable):
            log.warning("'%s' was left without the broker's word", entry.subject)

    def every(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the bus thread every so often; it does O(1) work there."""
        return Timer(self._loop, seconds, callback)

    def flush(self, timeout_s: float = 5.0) -> None:
        """Return when the broker has seen all that was published before. Raises :class:`Unavailable`."""

        async def settle() -> None:
            while self._outbox and self._client.is_connected:
                self._outbox.drain()
                await asyncio.sleep(0)
            await self._client.round_trip(int(max(1, timeout_s)))

        try:
            self._thread.wait(settle(), timeout_s)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable("the broker does not answer") from error

    def renew(self, credentials: Credentials | None = None) -> None:
        """Connect anew, with other credentials or with the rights that the same ones have now.

        What waits in the outbox is sent then. Raises :class:`Unavailable` when that does not work at once; the link
        goes on trying.
        """
        if credentials is not None:
            self._credentials = credentials
        try:
            self._thread.wait(self._renew(), CONNECT_TIMEOUT_S * 3)
        except TimeoutError as error:
            raise Unavailable(f"no broker at {self._credentials.url}") from error
        if not self.connected:
            raise Unavailable(f"no broker at {self._credentials.url}: {self._problems[-1] if self._problems else ''}")

    @property
    def credentials(self) -> Credentials:
        """What the next connection will be made with."""
        return self._credentials

    # -- the connection -----------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await self._connect()
        self._thread.spawn(self._watchdog())

    async def _connect(self) -> None:
        client = Wire()

        # A callback that raises kills nats-py's reader without a word, so these only note; but while it connects for
        # the first time, nats-py tries for ever unless this raises.
        async def complain(error: Exception) -> None:
            if not client.options["allow_reconnect"]:
                raise error
            self._problems.append(f"{type(error).__name__}: {error}")
            kept_from = violation(error)
            if kept_from is not None:
                self._violated(*kept_from)
            elif client is self._client and not self._refused and is_refusal(error):
                self._refused = True
                self._thread.spawn(self._try_again())

        async def back() -> None:
            self._is_back()

        given = self._credentials
        more: dict[str, Any] = {}
        if given.url.startswith("tls:"):
            more["tls"] = ssl.create_default_context(cafile=given.ca or None)
            logging.getLogger("asyncio").addFilter(about_eof)
        try:
            await client.connect(
                given.url,
                user=given.user or self.session,
                password=given.password,
                name=self.name,
                error_cb=complain,
                reconnected_cb=back,
                connect_timeout=CONNECT_TIMEOUT_S,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_PAUSE_S,  # type: ignore[arg-type]
                ping_interval=PING_INTERVAL_S,
                allow_reconnect=False,
                **more,
            )
        except BaseException:
            client.options["allow_reconnect"] = True
            # After a failed handshake the client would wait for ever for the end of its socket.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.close(), CLOSE_LIMIT_S)
            raise
        client.options["allow_reconnect"] = True
        # No wait between these two: whoever subscribes meanwhile would be registered twice, or not at all.
        self._client = client
        for entry in self._subscriptions:
            entry.sid = client.listen(entry.subject, entry.queue, entry.callback)
        await client.round_trip(CONNECT_TIMEOUT_S)

    def _violated(self, what: str, subject: str) -> None:
        if what == "publish":
            self._on_refusal(subject)
        else:
            self._violations.add(subject)

    async def _try_again(self) -> None:
        """Whoever answers for the broker may not be back yet; but whoever was shut out must not hammer at the door."""
        pause = REFUSED_PAUSE_S
        try:
            while not self._stopping and self._refused and not self._client.is_connected:
                await asyncio.sleep(pause)
                pause = min(pause * 2, REFUSED_PAUSE_MOST_S)
                await self._replace()
        finally:
            self._refused = False

    async def _forget(self, entry: Subscription) -> None:
        if entry in self._subscriptions:
            self._subscriptions.remove(entry)
            with contextlib.suppress(nats.errors.Error, OSError):  # no connection: nobody sends any more
                await self._client.forget(entry.sid, CONNECT_TIMEOUT_S)

    async def _watchdog(self) -> None:
        """nats-py can believe itself connected while its reader is dead; only a round trip proves the link."""
        while True:
            await asyncio.sleep(self._watchdog_every_s)
            self._end_overdue()
            if self._refused or self._client.is_reconnecting or self._client.is_connecting:
                continue
            try:
                await self._client.round_trip(WATCHDOG_FLUSH_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, the connection is replaced
                if not self._client.is_reconnecting:
                    self._problems.append(f"watchdog: {type(error).__name__}: {error}")
                    await self._replace()

    async def _renew(self) -> None:
        await self._replace()
        # Cut off again, as whoever came in with the rights of a moment ago is, the client comes back by itself.
        while self._client.is_reconnecting and not self._refused:
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _replace(self) -> None:
        try:
            await asyncio.wait_for(self._client.close(), WATCHDOG_FLUSH_S)
        except Exception as error:  # noqa: BLE001 - it is thrown away in any case
            self._problems.append(f"close: {type(error).__name__}: {error}")
        self._client.abort()
        try:
            await self._connect()
        except Exception as error:  # noqa: BLE001 - the next round of the watchdog tries again
            self._problems.append(f"reconnect: {type(error).__name__}: {error}")
        else:
            self._is_back()

    def _is_back(self) -> None:
        self.reconnects += 1
        self._outbox.put_again(self._under_way())
        self._outbox.drain()

    async def _close(self) -> None:
        self._thread.cancel_spawned()
        try:
            if self._client.is_connected:
                self._outbox.drain()
                await self._client.round_trip(1)
        finally:
            self._give_up_waiting()
            if self._client.is_connected or self._client.is_reconnecting:
                await self._client.close()
