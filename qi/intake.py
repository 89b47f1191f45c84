"""What the bus brings an actor: requests, what it listens to, and its timers' calls.

Each arrival is O(1) work on the bus thread: a look at the mailbox, and then the raw message goes in or is answered 429.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pykka._envelope import Envelope

from qi import context
from qi.bus import Bus, Subscription, Timer
from qi.context import STUDIO
from qi.contracts.mesh import Ping
from qi.endpoints import Call, Endpoint, Heard, Tick
from qi.errors import Busy, Loop, QiError
from qi.mailbox import Mailbox
from qi.replies import Replies
from qi.statistics import Statistics
from qi.wire import Message

BUSY_RETRY_MS = 200


class Intake:
    """One actor's: into its `mailbox`, in which `most` requests and `most_bytes` of them may wait."""

    def __init__(
        self, name: str, bus: Bus, mailbox: Mailbox, replies: Replies, stats: Statistics, most: int, most_bytes: int
    ) -> None:
        self.subscriptions: list[Subscription] = []
        self.timers: list[Timer] = []
        self._name = name
        self._name_in_head = name.encode()
        self._bus = bus
        self._mailbox = mailbox
        self._replies = replies
        self._stats = stats
        self._most = most
        self._most_bytes = most_bytes

    def serve(self, endpoint: Endpoint, subject: str, queue: str) -> None:
        """Requests at `subject`; of those that share a `queue` group, each reaches one. Actor thread."""
        mailbox = self._mailbox
        # A subject without a caller leads to one session; the broker lets only the studio publish there.
        position = subject.split(".").index("*") if "*" in subject else -1

        def arrive(msg: Message) -> None:  # bus thread
            unwelcome = self._unwelcome(endpoint, msg)
            if unwelcome is not None:
                self._replies.refuse(msg, unwelcome)
                return
            caller = msg.subject.split(".")[position] if position >= 0 else STUDIO
            mailbox.put_sized(Envelope(Call(endpoint, msg, time.monotonic(), caller)), len(msg.data))

        self.subscriptions.append(self._bus.subscribe(subject, arrive, queue=queue))

    def listen(self, subject: str, method: str, *, whole: bool = False) -> None:
        """What is said at `subject`, for `method`; under a flood the oldest goes. Actor thread."""
        mailbox, heard = self._mailbox, Heard(method, whole)

        def arrive(msg: Message) -> None:  # bus thread
            self._stats.dropped += heard.put(msg, self._most, self._most_bytes)
            if not heard.scheduled:
                heard.scheduled = True
                mailbox.put(Envelope(heard))

        self.subscriptions.append(self._bus.subscribe(subject, arrive))

    def listen_at_once(self, subject: str, heard: Callable[[Message], None]) -> None:
        """`heard` is called on the bus thread itself, past the mailbox."""
        self.subscriptions.append(self._bus.subscribe(subject, heard))

    def tick(self, seconds: float, method: str) -> None:
        """A call of `method` every so often; one that still waits is not joined by another. Actor thread."""
        mailbox, tick = self._mailbox, Tick(method)

        def due() -> None:  # bus thread
            if not tick.waiting:
                tick.waiting = True
                mailbox.put(Envelope(tick))

        self.timers.append(self._bus.every(seconds, due))

    def end(self) -> None:
        """Nothing arrives any more; what was on its way has been delivered. Any thread; a second time does nothing."""
        while self.timers:
            self.timers.pop().cancel()
        while self.subscriptions:
            self._bus.unsubscribe(self.subscriptions.pop())

    def _unwelcome(self, endpoint: Endpoint, msg: Message) -> QiError | None:
        """Why a request does not even reach the mailbox; bus thread."""
        # A loop is told here: the actor's own thread waits for the answer of this very request.
        if msg.head is not None and self._name_in_head in msg.head:
            try:
                context.from_headers(msg.headers, 0.0).check(self._name)
            except Loop as error:
                return error
        full = self._mailbox.qsize() >= self._most or self._mailbox.waiting_bytes >= self._most_bytes
        if full and endpoint.kind is not Ping:  # a full mailbox is no hang
            return Busy(f"'{self._name}' has too much to do", retry_ms=BUSY_RETRY_MS, actor=self._name)
        return None
