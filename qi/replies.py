"""How an actor answers: with a reply, with an error, or with a fault of its own. Any thread."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any

from qi.bus import Bus
from qi.disk_errors import disk_error
from qi.errors import BadRequest, QiError
from qi.messages import MAX_MESSAGE_BYTES
from qi.statistics import Statistics
from qi.wire import Message

log = logging.getLogger("qi.actor")


class Replies:
    """One actor's voice. Nothing it does raises: whoever asked learns what went wrong, if anything can reach him."""

    def __init__(self, bus: Bus, actor: str, statistics: Statistics) -> None:
        self._bus = bus
        self._actor = actor
        self._stats = statistics

    def send(self, msg: Message, answer: Any, *, at_once: bool = False) -> None:
        """The reply; one that cannot travel becomes an error. `at_once` says that nothing else waits to be done."""
        if not msg.reply:
            return
        try:
            self._bus.publish(msg.reply, self._bus.codec.encode(answer), at_once=at_once)
        except QiError as error:  # too big, or the outbox is full
            self.refuse(msg, error)
        except Exception as error:  # noqa: BLE001 - the caller learns it now rather than at its deadline
            self.refuse(msg, self.fault(error, msg.subject))

    def send_later(self, msg: Message, done: Future[Any]) -> None:
        """The reply of a future that is done."""
        error = done.exception() if not done.cancelled() else QiError(f"'{self._actor}' gave the request up")
        if error is None:
            self.send(msg, done.result())
        else:
            self.refuse(msg, error if isinstance(error, QiError) else self.fault(error, msg.subject))

    def refuse(self, msg: Message, error: QiError) -> None:
        """The error, in its body and in the headers of the NATS service protocol."""
        self._stats.failed(error.message)
        if not msg.reply:
            return
        headers = {
            "Nats-Service-Error": error.message[:200].encode("ascii", "replace").decode(),
            "Nats-Service-Error-Code": str(error.code),
        }
        try:
            data = self._bus.codec.encode(error.as_reply())
            if len(data) > MAX_MESSAGE_BYTES:
                raise BadRequest("the error is too big to travel")
        except Exception:
            log.exception("an error does not travel as it is", extra={"actor": self._actor})
            data = self._bus.codec.encode(type(error)(error.message[:1000]).as_reply())
        try:
            self._bus.publish(msg.reply, data, headers=headers)
        except QiError as error_of_ours:
            log.warning("an error could not be sent: %s", error_of_ours.message, extra={"actor": self._actor})

    def fault(self, error: BaseException, topic: str) -> QiError:
        """An error nobody meant, logged with its traceback, as a caller may see it."""
        log.error("handler failed", exc_info=error, extra={"actor": self._actor, "topic": topic})
        return disk_error(error) or QiError(
            f"'{self._actor}' could not answer '{topic}': {type(error).__name__}: {error}",
            remedy="this is a fault in Qi or in an addon; the studio's log holds the traceback",
        )
