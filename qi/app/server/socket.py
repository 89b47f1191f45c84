"""`/ws`: one socket a window. Requests and their replies, facts in order, feeds as far as the reader keeps up.

What is sent waits in one outbox: facts are bounded by bytes, and a reader too slow for them is let go (it comes back
and goes on behind the last one it saw); of a feed only the newest frame waits. Event-loop thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict, deque
from contextlib import ExitStack
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from qi.app.server import facts
from qi.app.server.asking import LONGEST_S, ask
from qi.app.server.facts import Fact, Facts
from qi.app.server.feeds import Feeds
from qi.app.server.logins import Login, Logins
from qi.app.server.places import Places
from qi.app.server.stalled import abort
from qi.errors import BadRequest, Busy, Forbidden, QiError, Unauthenticated

log = logging.getLogger("qi.server")

HELLO_WITHIN_S = 5.0
SILENCE_S = 45.0
RENEW_BEFORE_S = 30.0
FEED_EVERY_S = 1 / 30
OUTBOX_BYTES = 8 * 1024 * 1024
REQUESTS_MOST = 64
"""Of one socket under way at once."""
SUBSCRIPTIONS_MOST = 100
SUBJECTS_MOST = 1000
"""Of feeds of one socket that wait; of more the oldest is dropped."""
CLOSE_LIMIT_S = 2.0
"""For the last words; then the connection is ended, whatever the other side still has to take."""
REASON_LONGEST = 120
"""Bytes that a closing frame has room for."""
OUT, REFUSED, SLOW, FAULT, CROWDED = 4401, 4403, 4408, 4409, 4429


class Socket:
    """One window's connection."""

    def __init__(
        self,
        ws: WebSocket,
        places: Places,
        logins: Logins,
        facts_: Facts,
        feeds: Feeds,
        studio: dict[str, str],
        address: str,
    ) -> None:
        """`places` are those of windows: it takes one once it knows whose it is."""
        self._ws = ws
        self._places = places
        self._held = ExitStack()
        self._logins = logins
        self._facts = facts_
        self._feeds = feeds
        self._studio = studio
        self._address = address
        self._login: Login | None = None
        self._out: deque[str] = deque()
        self._out_bytes = 0
        self._frames: OrderedDict[tuple[int, str], str] = OrderedDict()
        """Of each feed the newest frame."""
        self._wake = asyncio.Event()
        self._given_up = asyncio.Event()
        """The reader is too slow: nothing it might still take is waited for."""
        self._requests: dict[int, asyncio.Task[None]] = {}
        self._subscriptions: dict[int, asyncio.Task[None] | None] = {}
        self._replaying = asyncio.Lock()
        """What was is read for one subscription after another: all go through one outbox."""
        self._closing: tuple[int, str] | None = None
        self._good_until = 0.0
        self._asked_to_renew = False
        self._away = False
        """The studio does not answer: the window was told."""

    async def run(self) -> None:
        """Until it is closed, by whichever side."""
        with self._held:
            await self._run()

    async def _run(self) -> None:
        await self._ws.accept()
        tasks = [asyncio.create_task(work) for work in (self._read(), self._write(), self._given_up.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._let_go()
            asyncio.get_running_loop().call_later(CLOSE_LIMIT_S, abort, self._ws.scope)
            for task in [*tasks, *self._requests.values()]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._ws.client_state is WebSocketState.CONNECTED:
                code, reason = self._closing or (1000, "")
                try:
                    await self._ws.close(code, reason.encode("ascii", "replace")[:REASON_LONGEST].decode())
                except (WebSocketDisconnect, RuntimeError):
                    log.debug("the other side closed it first, or took nothing until the end")

    # -- reading ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            first = await asyncio.wait_for(self._ws.receive_text(), HELLO_WITHIN_S)
            await self._hello(self._parsed(first))
            while self._closing is None:
                frame = self._parsed(await asyncio.wait_for(self._ws.receive_text(), SILENCE_S))
                await self._take(frame)
        except QiError as error:
            self._bye(_code(error), error)
            await self._flushed()
        except TimeoutError:
            self._bye(FAULT, BadRequest("nothing was heard for too long"))
            await self._flushed()
        except KeyError:
            self._bye(FAULT, BadRequest("frames are text"))
            await self._flushed()
        except (WebSocketDisconnect, RuntimeError):
            return  # gone

    async def _take(self, frame: dict[str, Any]) -> None:
        op, id_ = frame.get("op"), frame.get("id")
        if op == "ping":
            self._send({"op": "pong"})
        elif op == "hello":
            await self._hello(frame)
        elif not isinstance(id_, int) or isinstance(id_, bool):
            raise BadRequest(f"a frame '{str(op)[:40]}' has a number as its id")
        elif op == "request":
            self._request(id_, frame)
        elif op == "cancel":
            if task := self._requests.pop(id_, None):
                task.cancel()
        elif op == "subscribe":
            self._subscribe(id_, frame)
        elif op == "unsubscribe":
            self._unsubscribe(id_)
        else:
            raise BadRequest(f"there is no frame '{str(op)[:40]}'")

    async def _hello(self, frame: dict[str, Any]) -> None:
        if frame.get("op") != "hello" or not isinstance(frame.get("access"), str):
            raise BadRequest("the first frame says hello, with an access token")
        access = frame["access"]
        login = await self._logins.of_access(access, self._address)
        if self._login is not None and self._login.id != login.id:
            raise Forbidden("this socket belongs to another log-in")
        if self._login is None:
            self._held.enter_context(self._places.held(login.info.user))
            self._login = login
            login.ended.append(self._ended)
        self._good_until = time.monotonic() + self._logins.expires(access)
        self._asked_to_renew = False
        info = login.info
        self._send({
            "op": "welcome", "session": info.id,
            "user": {"name": info.user, "roles": list(info.roles), "permissions": list(info.permissions)},
            "bundle": info.bundle, "head": self._facts.position, "studio": self._studio,
        })  # fmt: skip
        self._look_at_studio(login)

    def _request(self, id_: int, frame: dict[str, Any]) -> None:
        login = self._logged_in()
        if len(self._requests) >= REQUESTS_MOST or id_ in self._requests:
            self._error(id_, Busy("too many requests are under way in this window", retry_ms=200))
            return
        data, wait_ms = frame.get("data") or {}, frame.get("timeout_ms") or 0
        if not isinstance(data, dict) or not isinstance(wait_ms, int) or not 0 <= wait_ms <= LONGEST_S * 1000:
            raise BadRequest("the data of a request are an object, its timeout is a number of milliseconds")

        async def carry_out() -> None:
            try:
                reply = await ask(
                    login, frame.get("topic", ""), data, addon=str(frame.get("addon") or ""), timeout_s=wait_ms / 1000
                )
                self._put(f'{{"op":"reply","id":{id_},"data":{reply.decode()}}}')
            except QiError as error:
                self._error(id_, error)
            except Exception:
                log.exception("a request failed")
                self._error(id_, QiError("the server failed at this request"))
            finally:
                self._requests.pop(id_, None)

        self._requests[id_] = asyncio.create_task(carry_out())

    # -- subscriptions ------------------------------------------------------------------------------------------

    def _subscribe(self, id_: int, frame: dict[str, Any]) -> None:
        login = self._logged_in()
        after = frame.get("after")
        try:
            if id_ in self._subscriptions or len(self._subscriptions) >= SUBSCRIPTIONS_MOST:
                raise BadRequest("this window listens to too much, or twice under one number")
            patterns = facts.checked(frame.get("subjects"), login.info.id)
            if not login.may("read"):
                raise Forbidden("listening needs the permission 'read'", permission="read")
            if after is not None and (not isinstance(after, int) or isinstance(after, bool) or after < 0):
                raise BadRequest("'after' is a position of the log")
            if after is not None and not login.may("history.read"):
                after = None  # from now on; what was is for those who may read the history
        except QiError as error:
            self._error(id_, error)
            return
        self._subscriptions[id_] = asyncio.create_task(self._begin(id_, patterns, after))

    async def _begin(self, id_: int, patterns: tuple[str, ...], after: int | None) -> None:
        heard = tuple(one for one in patterns if one.startswith("qi.event."))
        others = tuple(one for one in patterns if not one.startswith("qi.event."))

        login = self._logged_in()

        def take(fact: Fact) -> None:
            # What he may can be taken from him at any moment.
            if login.may("read") and facts.matches(fact.subject, heard):
                self._fact(id_, fact)

        try:
            if others:
                await self._feeds.listen((self, id_), login, others, lambda *told: self._feed(id_, *told))
            start = self._facts.position if after is None else after
            self._send({"op": "subscribed", "id": id_, "head": start})
            if heard and after is not None:
                async with self._replaying:
                    async for fact in self._facts.since(login, after, heard):
                        self._fact(id_, fact)
                        while self._out_bytes > OUTBOX_BYTES // 2 and self._closing is None:
                            await asyncio.sleep(FEED_EVERY_S)  # the log can wait for a slow reader
            if heard:
                self._facts.listen((self, id_), take)
        except QiError as error:
            self._subscriptions.pop(id_, None)
            self._feeds.leave((self, id_))
            self._error(id_, error)

    def _unsubscribe(self, id_: int) -> None:
        task = self._subscriptions.pop(id_, None)
        if task is not None:
            task.cancel()
        self._facts.leave((self, id_))
        self._feeds.leave((self, id_))
        for key in [key for key in self._frames if key[0] == id_]:
            del self._frames[key]

    def _fact(self, id_: int, fact: Fact) -> None:
        self._put(f'{{"op":"event","id":{id_},"event":{fact.json}}}')

    def _feed(self, id_: int, subject: str, text: str) -> None:
        frame = f'{{"op":"feed","id":{id_},"subject":{json.dumps(subject)},"data":{text}}}'
        if subject.startswith("qi.session."):
            self._put(frame)  # what is said to one session is said once
            return
        self._frames[id_, subject] = frame
        if len(self._frames) > SUBJECTS_MOST:
            self._frames.popitem(last=False)
        self._wake.set()

    # -- writing ------------------------------------------------------------------------------------------------

    def _send(self, frame: dict[str, Any]) -> None:
        self._put(json.dumps(frame, separators=(",", ":")))

    def _error(self, id_: int, error: QiError) -> None:
        self._put(json.dumps({"op": "error", "id": id_, "error": error.as_reply()}, default=str))

    def _put(self, text: str) -> None:
        self._out.append(text)
        self._out_bytes += len(text)
        if self._out_bytes > OUTBOX_BYTES and self._closing is None:
            self._closing = (SLOW, "too slow: come back and go on behind the last fact you saw")
            self._given_up.set()
        self._wake.set()

    async def _write(self) -> None:
        last_feed = 0.0
        try:
            while True:
                await self._woken()
                while self._out:
                    text = self._out.popleft()
                    self._out_bytes -= len(text)
                    await self._ws.send_text(text)
                if self._closing is not None:
                    return
                now = time.monotonic()
                if self._frames and now - last_feed >= FEED_EVERY_S:
                    last_feed = now
                    frames, self._frames = self._frames, OrderedDict()
                    for text in frames.values():
                        await self._ws.send_text(text)
                self._look_at_login(now)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _woken(self) -> None:
        """When there is something to send; feeds that wait for their turn, and the log-in, are looked at in time."""
        if self._out or self._closing:
            return
        try:
            async with asyncio.timeout(FEED_EVERY_S if self._frames else 1.0):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    def _look_at_login(self, now: float) -> None:
        if self._login is None:
            return
        self._look_at_studio(self._login)
        if now > self._good_until:
            self._bye(OUT, Unauthenticated("the access token has expired", remedy="refresh it"))
        elif now > self._good_until - RENEW_BEFORE_S and not self._asked_to_renew:
            self._asked_to_renew = True
            self._send({"op": "renew"})

    def _look_at_studio(self, login: Login) -> None:
        """A window whose socket is well shows what was, and should know."""
        if login.participant.detached != self._away:
            self._away = not self._away
            self._send({"op": "studio", "answers": not self._away})

    async def _flushed(self) -> None:
        """Give the last words a moment to leave."""
        for _ in range(20):
            if not self._out:
                return
            await asyncio.sleep(0.01)

    # -- ending -------------------------------------------------------------------------------------------------

    def _ended(self, error: QiError) -> None:
        self._bye(OUT, error)

    def _bye(self, code: int, error: QiError) -> None:
        if self._closing is None:
            self._put(json.dumps({"op": "bye", "error": error.as_reply()}, default=str))
            self._closing = self._closing or (code, error.message)
            self._wake.set()

    def _let_go(self) -> None:
        for id_ in list(self._subscriptions):
            self._unsubscribe(id_)
        if self._login is not None and self._ended in self._login.ended:
            self._login.ended.remove(self._ended)

    def _logged_in(self) -> Login:
        if self._login is None:
            raise Unauthenticated("nobody is logged in here")
        return self._login

    @staticmethod
    def _parsed(text: str) -> dict[str, Any]:
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest("a frame is JSON") from error
        if not isinstance(frame, dict):
            raise BadRequest("a frame is an object")
        return frame


def _code(error: QiError) -> int:
    if isinstance(error, Unauthenticated):
        return OUT
    return CROWDED if isinstance(error, Busy) else FAULT
