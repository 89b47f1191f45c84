"""Who is logged in: each log-in is a session of its own on the mesh, so the broker and the services see the person.

A page holds a short access token; the refresh token is a cookie that no script can read, and changes with every use.
Event-loop thread, except where a method says otherwise.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jwt

from events.ids import new_id
from qi import context
from qi.app.server.doors import Doors
from qi.checked import Checked
from qi.contracts.auth import Logout
from qi.contracts.session import SessionInfo
from qi.credentials import guest
from qi.errors import Busy, QiError, Unauthenticated, Unavailable
from qi.home import Home, write_private
from qi.session.participant import Participant

log = logging.getLogger("qi.server")

ACCESS_S = 300
"""How long an access token is good; a page asks for the next before."""
REFRESH_S = 14 * 24 * 3600.0
GRACE_S = 15.0
"""Two windows may present one refresh token at once: so long the one before is good, too."""
CODE_S = 60.0
IDLE_S = 15 * 60.0
"""Without a socket and a request a log-in leaves the mesh; its refresh token brings it back."""
LOGINS_MOST = 500
KEPT_MOST = 100
"""Of one user: a script that logs in and never out would leave one each time, for two weeks."""
SWEEP_EVERY_S = 1.0
ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Kept:
    """A log-in, as it outlives this process."""

    id: str
    user: str
    token: str
    """Opens the user's sessions on the mesh; empty for the owner of the home."""
    refresh: str
    """Digest of the refresh token of now."""
    until: float
    before: str = ""
    """Digest of the refresh token before."""
    changed: float = 0.0
    """When that was changed; it is good for a moment more."""


@dataclass(eq=False, slots=True)
class Login:
    """One log-in on the mesh, from one address: a session has one host, and events name it."""

    kept: Kept
    address: str
    participant: Participant
    info: SessionInfo
    doors: Doors
    ended: list[Callable[[QiError], None]] = field(default_factory=list)
    """Sockets that want to know when it is over."""
    used: float = field(default_factory=time.monotonic)
    seen: int = 0
    """How many times the connection had come back when it was last looked who this is."""
    changed: bool = False
    """The studio says that this session is somebody else now, or has other roles."""

    def told(self, _: object) -> None:
        """Bus thread."""
        self.changed = True

    @property
    def id(self) -> str:
        return self.kept.id

    @property
    def at(self) -> tuple[str, str]:
        return self.id, self.address

    @property
    def uploads(self) -> str:
        """Name of its folder of files."""
        return folder_of(self.id)

    def may(self, permission: str) -> bool:
        return permission in self.info.permissions


@dataclass(frozen=True, slots=True)
class Entered:
    """What whoever logged in is given."""

    login: Login
    access: str
    refresh: str


class Logins:
    """All log-ins of this server."""

    def __init__(self, home: Home, session: str = "") -> None:
        """`session` is the server's own: those of its windows belong to it."""
        self._home = home
        self._session = session
        self.doors = Doors()
        self._secret = secrets.token_bytes(32)
        self.owner_key = secrets.token_urlsafe(32)
        """Whoever can read it from the home's owner-only file is the owner."""
        self._logins: dict[tuple[str, str], Login] = {}
        """By log-in and address."""
        self._kept: dict[str, Kept] = self._read()
        self._current: dict[str, str] = {}
        """Log-in → its refresh token of now, as far as this process made it."""
        self._codes: dict[str, tuple[float, str]] = {}
        self._reviving: dict[tuple[str, str], asyncio.Future[Login]] = {}

    # -- coming in ----------------------------------------------------------------------------------------------

    async def by_password(self, user: str, password: str, address: str) -> Entered:
        """Raises :class:`Unauthenticated`, and what the provider raises."""
        self._require_room()
        participant, info, token = await asyncio.to_thread(self._join, address, user, password, "")
        return await self._enter(address, participant, info, token)

    async def by_code(self, code: str, address: str) -> Entered:
        """By a one-time code. Raises :class:`Unauthenticated`."""
        self._require_room()
        until, login = self._codes.pop(_digest(code), (0.0, ""))
        if until < time.monotonic():
            raise Unauthenticated("this link was used before, or is too old", remedy="open Qi again")
        kept = self._kept.get(login)
        if login and kept is None:
            # Without a token it would be the owner's.
            raise Unauthenticated("who made this link has logged out", remedy="log in again")
        participant, info, token = await asyncio.to_thread(self._join, address, "", "", kept.token if kept else "")
        return await self._enter(address, participant, info, token)

    async def by_refresh(self, refresh: str, address: str) -> Entered:
        """The next pair of tokens. Raises :class:`Unauthenticated`; a token that was used before ends its log-in."""
        id_, _, _ = refresh.partition(".")
        kept, digest, now = self._kept.get(id_), _digest(refresh), time.time()
        if kept is None or kept.until < now:
            raise Unauthenticated("nobody is logged in here any more", remedy="log in again")
        is_before = secrets.compare_digest(digest, kept.before) and now < kept.changed + GRACE_S
        # A server that died may have changed the token and not said so: then the one before is changed again.
        if secrets.compare_digest(digest, kept.refresh) or (is_before and id_ not in self._current):
            self._current[id_] = current = f"{id_}.{secrets.token_urlsafe(32)}"
            self._keep(
                replace(kept, refresh=_digest(current), until=now + REFRESH_S, before=digest, changed=now)
            )
        elif is_before:
            current = self._current[id_]
        else:
            log.warning("a refresh token of '%s' was used twice: its log-in ends", kept.user)
            await self.end(id_, "the log-in was used from two places, so it was ended")
            raise Unauthenticated("the log-in was used from two places, so it was ended", remedy="log in again")
        login = await self.get(id_, address)
        return Entered(login, self._access(login), current)

    async def of_access(self, access: str, address: str) -> Login:
        """Whose access token this is. Raises :class:`Unauthenticated`."""
        try:
            said = jwt.decode(access, self._secret, algorithms=[ALGORITHM], options={"require": ["exp", "sid"]})
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("the access token is not valid any more", remedy="refresh it") from error
        return await self.get(str(said["sid"]), address)

    def expires(self, access: str) -> float:
        """Seconds that an access token is still good."""
        said = jwt.decode(access, options={"verify_signature": False})
        return float(said["exp"]) - time.time()

    def code(self, login: str = "") -> str:
        """A one-time code for one more window: of a log-in, or of the owner when empty."""
        now = time.monotonic()
        self._codes = {code: kept for code, kept in self._codes.items() if kept[0] > now}
        if len(self._codes) >= LOGINS_MOST:
            raise Busy("too many links wait to be opened", retry_ms=1000)
        made = secrets.token_urlsafe(24)
        self._codes[_digest(made)] = (now + CODE_S, login)
        return made

    async def get(self, id_: str, address: str) -> Login:
        """A log-in, back on the mesh if it had left. Raises :class:`Unauthenticated`."""
        login = self._logins.get((id_, address))
        if login is None:
            login = await self._revived(id_, address)
        login.used = time.monotonic()
        return login

    # -- going --------------------------------------------------------------------------------------------------

    async def end(self, id_: str, why: str) -> None:
        """Forget a log-in: its tokens open nothing any more, its sockets close."""
        kept = self._kept.pop(id_, None)
        self._current.pop(id_, None)
        self._write()
        ended = [self._logins.pop(login.at) for login in list(self._logins.values()) if login.id == id_]
        for login in ended:
            self._tell(login, Unauthenticated(why or "you logged out", remedy="log in again"))
        for login in ended:
            await asyncio.to_thread(_leave, login.participant, kept.token if kept else "")
        await asyncio.to_thread(shutil.rmtree, self._home.uploads / folder_of(id_), ignore_errors=True)

    async def sweep(self) -> None:
        """For ever: ends what the studio ended, lets go of what nobody uses."""
        await asyncio.to_thread(self._clear_uploads)
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self._look_around()
            except Exception:
                log.exception("looking after the log-ins failed")

    async def _look_around(self) -> None:
        now = time.monotonic()
        for login in list(self._logins.values()):
            if login.changed or login.seen != login.participant.bus.reconnects:
                await self._look_at(login)
            elif not login.ended and now - login.used > IDLE_S:
                self._logins.pop(login.at, None)
                await asyncio.to_thread(login.participant.leave)
        for id_ in [kept.id for kept in self._kept.values() if kept.until < time.time()]:
            await self.end(id_, "the log-in has expired")

    def _clear_uploads(self) -> None:
        """On a thread: what log-ins left behind that ended while no server ran."""
        if self._home.uploads.is_dir():
            kept = set(map(folder_of, self._kept))
            for folder in self._home.uploads.iterdir():
                if folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)

    async def close(self) -> None:
        """Leave the mesh; what is kept stays."""
        for login in list(self._logins.values()):
            await asyncio.to_thread(login.participant.leave)
        self._logins.clear()

    # -- inside -------------------------------------------------------------------------------------------------

    def _join(self, address: str, user: str, password: str, token: str) -> tuple[Participant, SessionInfo, str]:
        """On a thread. By name and password, by a log-in's token, or as the owner; the token that opens it again."""
        connection = self._home.connection()
        if connection is None:
            raise Unavailable("no studio runs here", remedy="`qi serve` starts one")
        credentials = connection.credentials
        if user:
            credentials = guest(connection.url, connection.ca)
        elif token:
            credentials = replace(credentials, password=token)
        participant = Participant(credentials, kind="web", codec=Checked(), home=self._home, parent=self._session)
        if address:
            participant.host = participant.bus.host = address
        with context.use(context.Context(trace=new_id())):
            info = participant.join()
            try:
                if user:
                    logged_in = participant.log_in(user, password)
                    return participant, logged_in.session, logged_in.token
            except BaseException:
                participant.leave()
                raise
        assert info is not None
        return participant, info, token

    async def _enter(self, address: str, participant: Participant, info: SessionInfo, token: str) -> Entered:
        known = [kept for kept in self._kept.values() if kept.user == info.user]
        if len(known) >= KEPT_MOST:
            await self.end(min(known, key=lambda one: one.until).id, "this user has logged in too often since")
        id_ = new_id()
        refresh = f"{id_}.{secrets.token_urlsafe(32)}"
        kept = Kept(id_, info.user, token, _digest(refresh), time.time() + REFRESH_S)
        login = await asyncio.to_thread(_listening, Login(kept, address, participant, info, self.doors))
        self._logins[login.at] = login
        self._keep(kept)
        return Entered(login, self._access(login), refresh)

    async def _revived(self, id_: str, address: str) -> Login:
        """Several requests of one page come at once; one of them joins."""
        at = (id_, address)
        if at in self._reviving:
            return await asyncio.shield(self._reviving[at])
        kept = self._kept.get(id_)
        if kept is None:
            raise Unauthenticated("nobody is logged in here any more", remedy="log in again")
        self._require_room()
        future = self._reviving[at] = asyncio.get_running_loop().create_future()
        try:
            participant, info, _ = await asyncio.to_thread(self._join, address, "", "", kept.token)
            login = await asyncio.to_thread(_listening, Login(kept, address, participant, info, self.doors))
            self._logins[at] = login
            future.set_result(login)
        except Unauthenticated as error:
            future.set_exception(error)
            future.exception()  # whoever waits hears of it; nobody need
            await self.end(id_, error.message)
            raise
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        finally:
            del self._reviving[at]
        return login

    async def _look_at(self, login: Login) -> None:
        """The studio may have ended a log-in, or its roles may be others now."""
        seen, login.changed = login.participant.bus.reconnects, False
        try:
            info = await asyncio.to_thread(login.participant.look)
        except QiError as error:
            log.debug("who '%s' is now cannot be asked: %s", login.info.user, error.message)
            login.changed = not isinstance(error, Unauthenticated)
            if login.changed:
                return
            info = replace(login.info, user="")
        login.seen = seen
        if info.user == login.info.user:
            login.info = info
        else:
            await self.end(login.id, "the log-in was ended by the studio")

    def _access(self, login: Login) -> str:
        now = int(time.time())
        said = {"sub": login.info.user, "sid": login.id, "iat": now, "exp": now + ACCESS_S}
        return jwt.encode(said, self._secret, algorithm=ALGORITHM)

    def _require_room(self) -> None:
        if len(self._logins) >= LOGINS_MOST:
            raise Busy("too many people are logged in at this server", retry_ms=10_000)

    @staticmethod
    def _tell(login: Login, error: QiError) -> None:
        for told in list(login.ended):
            told(error)

    def _keep(self, kept: Kept) -> None:
        self._kept[kept.id] = kept
        for login in self._logins.values():
            if login.id == kept.id:
                login.kept = kept
        self._write()

    def _write(self) -> None:
        write_private(self._home.web_logins, json.dumps([asdict(kept) for kept in self._kept.values()]))

    def _read(self) -> dict[str, Kept]:
        try:
            said: list[dict[str, Any]] = json.loads(self._home.web_logins.read_text("utf-8"))
            return {one["id"]: Kept(**one) for one in said if one["until"] > time.time()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("%s cannot be read; everybody logs in again: %s", self._home.web_logins, error)
            return {}


def _listening(login: Login) -> Login:
    bus = login.participant.bus
    login.seen = bus.reconnects
    bus.subscribe(f"qi.session.{login.info.id}.identity", login.told)
    return login


def _leave(participant: Participant, token: str) -> None:
    if token:
        try:
            participant.bus.request(Logout(token=token), timeout_s=2.0)
        except QiError as error:
            log.debug("the studio did not hear of a log-out: %s", error.message)
    participant.leave()


def folder_of(id_: str) -> str:
    """Where a log-in's uploads are kept. Events name that folder to others, who with the id could end the log-in: it
    begins the refresh token, and one that is not the newest counts as stolen."""
    return _digest(id_)[:32]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
