"""Connections before they ask: how long they may say nothing, and how many an address may hold. Event-loop thread.

Whoever has asked is bound by :mod:`qi.app.server.guard`; a connection that never asks would never get there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import ClassVar

import h11

from qi.app.server.admission import Admission
from qi.app.server.stalled import Http

log = logging.getLogger("qi.server")

HEAD_LIMIT_S = 15.0
"""From the first byte awaited to the whole head of a request; between requests the server's keep-alive counts."""
AN_ADDRESS_MOST = 1000
"""Windows of a whole floor may come through one. A socket counts no more: it says within seconds who it is."""
A_STRANGER_MOST = 20
"""Of a machine that may not connect: enough to be told so."""


class Connection(Http):
    """One of them, until it ends or becomes a socket."""

    admission: ClassVar[Admission]
    held: ClassVar[Counter[str]]
    """By address."""
    _address: str | None = None
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = str(self.client[0]) if self.client else ""
        most = AN_ADDRESS_MOST if self.admission.lets_in(address) else A_STRANGER_MOST
        if self.held[address] >= most:
            log.info("%s holds %d connections, one more is closed", address, most)
            transport.abort()
            return
        self.held[address] += 1
        self._address = address
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_awaiting()
        elif self._address is not None and self._head is None:
            self._await_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._leave()
        super().handle_websocket_upgrade(event)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_LIMIT_S, self.transport.abort)

    def _stop_awaiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _leave(self) -> None:
        self._stop_awaiting()
        if self._address is None:
            return
        self.held[self._address] -= 1
        if not self.held[self._address]:
            del self.held[self._address]
        self._address = None


def connections(admission: Admission) -> type[Connection]:
    """The connections of one server."""
    return type("Connections", (Connection,), {"admission": admission, "held": Counter()})
