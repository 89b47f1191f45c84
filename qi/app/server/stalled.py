"""A connection's own end of it: who takes nothing from the wire is let go. Event-loop thread.

uvicorn waits for ever for a reader that reads nothing, and `close` waits until the last byte is taken: only aborting
the transport ends such a connection, and what it holds with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

log = logging.getLogger("qi.server")

STALLED_S = 30.0
"""A connection of which nothing moves for so long, or for twice that at most, is ended."""
TRANSPORT = "qi.transport"


class _Watch:
    """Looks, while a transport has more than it can send, whether it sends any of it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(STALLED_S, self._look, left)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: int) -> None:
        if self._transport.get_write_buffer_size() < before:
            self.begin()
        else:
            log.info("a connection that takes nothing was let go")
            self._transport.abort()


class _Watched(asyncio.Protocol):
    """Looks after its transport, beside what it is otherwise."""

    _watch: _Watch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._watch = _Watch(cast(asyncio.Transport, transport))
        super().connection_made(transport)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch.begin()

    def resume_writing(self) -> None:
        self._watch.end()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.end()
        super().connection_lost(exc)


class Http(_Watched, H11Protocol):
    """Its requests know their transport, and so do those of the socket that it may become."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._watch.end()  # the socket has one of its own
        super().handle_websocket_upgrade(event)


class WebSocket(_Watched, WebSocketsSansIOProtocol):
    """A socket of a page, or of a script."""


def abort(scope: MutableMapping[str, Any]) -> None:
    """End the connection now; what it was not sent yet is lost. Does nothing when it is over."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    transport.abort()
