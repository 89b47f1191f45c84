"""A page's request on its way to the studio and back: JSON in, JSON out, as the session of whoever is logged in.

Event-loop thread.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, TypeVar, cast

from qi import context
from qi.app.server.logins import Login
from qi.checked import Checked
from qi.contracts.hosting import EnsureAddon
from qi.errors import BadRequest, Busy, DeadlineExceeded, Unavailable
from qi.messages import MAX_MESSAGE_BYTES, SERVICE, TOPICS, Raw, Request, to_addon

R = TypeVar("R")

_codec = Checked()

TOPIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
LONGEST_S = 600.0
PAUSE_FIRST_S, PAUSE_MOST_S = 0.05, 1.0
KEPT_FROM_PAGES = frozenset({"auth.login", "auth.logout", "session.open", "session.end", "session.beat"})
"""These belong to the server's own log-ins: a page that asked them would pull the ground from under itself."""


async def ask(login: Login, topic: str, data: dict[str, Any], *, addon: str = "", timeout_s: float = 0.0) -> bytes:
    """The reply as JSON. A command with an id is sent again while nobody serves it or all are busy. Raises QiError."""
    if not isinstance(topic, str) or not TOPIC.fullmatch(topic) or topic in KEPT_FROM_PAGES:
        raise BadRequest(f"'{str(topic)[:100]}' is no topic that a page may ask")
    try:
        body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest(f"this cannot be sent: {error}") from error
    if len(body) > MAX_MESSAGE_BYTES:
        raise BadRequest(f"a request of {len(body)} bytes exceeds {MAX_MESSAGE_BYTES}")
    kind = TOPICS.get(topic)
    limit = time.monotonic() + min(timeout_s or (kind.timeout_s if kind else 10.0), LONGEST_S)
    command = str(data.get("command") or "")
    needs = kind.needs if kind and not addon else ""
    login.doors.ask(login.info.user)
    login.used = time.monotonic()
    pause = PAUSE_FIRST_S
    # Of one request that asks more than once, and asks again, everything is one tree.
    here = context.current()._replace(command=command)
    while True:
        message = Raw(topic, body, max(0.05, limit - time.monotonic()), command, needs)
        try:
            with context.use(here):
                return await _once(login, message, addon)
        except (Unavailable, Busy):
            if not command or limit - time.monotonic() <= pause:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_MOST_S)


async def asked(login: Login, message: Request[R], addon: str = "") -> R:
    """Ask the studio, or an addon, as this log-in. Raises QiError."""
    data: dict[str, Any] = json.loads(_codec.encode(message))
    kind: Any = type(message)
    return cast(R, _codec.decode(kind.reply, await ask(login, message.topic, data, addon=addon)))


async def _once(login: Login, message: Raw, addon: str) -> bytes:
    bus = login.participant.bus
    to = SERVICE
    if addon:
        to = to_addon(login.participant.bundle, addon)
    future = bus.ask_raw(message, to=to)
    try:
        answer = await asyncio.wait_for(asyncio.wrap_future(future), message.timeout_s)
    except TimeoutError as error:
        raise DeadlineExceeded(f"no answer to '{message.topic}' in time", topic=message.topic) from error
    try:
        return bus.read_raw(message, answer)
    except Unavailable:
        if not addon:
            raise
    # It does not run yet, as this session's bundle has it. What nobody took may be sent again.
    ensure = json.dumps({"name": addon}).encode()
    asked = Raw(EnsureAddon.topic, ensure, EnsureAddon.timeout_s, needs=EnsureAddon.needs)
    bus.read_raw(asked, await asyncio.wrap_future(bus.ask_raw(asked)))
    return bus.read_raw(message, await asyncio.wrap_future(bus.ask_raw(message, to=to)))
