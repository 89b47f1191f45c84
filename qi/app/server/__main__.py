"""`python -m qi.app.server --home … [--http HOST:PORT]`: the server's process.

Whoever starts it holds its standard input open; when that closes, for whatever reason, the server ends. It answers with
one line on standard output: `ready`, or its error as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading

import uvicorn

from events.ids import new_id
from qi import context
from qi.app import logs
from qi.app.first_word import say_ready, telling
from qi.app.front import ServerFile
from qi.app.launch import read_launch_config
from qi.app.server.admission import Admission
from qi.app.server.app import Application
from qi.app.server.connections import connections
from qi.app.server.facts import Facts
from qi.app.server.feeds import Feeds
from qi.app.server.logins import Logins
from qi.app.server.reach import Reach
from qi.app.server.stalled import WebSocket
from qi.checked import Checked
from qi.contracts.hosting import AddonRun, GetAddons
from qi.contracts.studio import GetStatus
from qi.errors import QiError, Unavailable
from qi.home import Home
from qi.session.participant import Participant

log = logging.getLogger("qi.server")

LOG_FILE = "server.jsonl"
FRAME_MOST_BYTES = 512 * 1024
STOP_LIMIT_S = 5
BEAT_EVERY_S = 3.0
"""Whoever keeps the server looks for it less often."""


class Server(uvicorn.Server):
    """Signals are this module's: uvicorn would raise them again when it has ended."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


async def serve(
    home: Home, sock: socket.socket, tls: tuple[str, str, str] | None, admission: Admission, ended: threading.Event
) -> None:
    """Until `ended`. `tls` names the files of certificate, key and authority.

    Raises QiError when there is no studio."""
    connection = home.connection()
    if connection is None:
        raise Unavailable("no studio runs here", remedy="`qi serve` starts one, and this server beside it")
    participant = Participant(connection.credentials, kind="server", codec=Checked(), home=home)
    await asyncio.to_thread(participant.join)
    bus = participant.bus
    logins = Logins(home, participant.session)
    try:
        with context.use(context.Context(trace=new_id())):
            status = await asyncio.to_thread(bus.request, GetStatus())
            addons: tuple[AddonRun, ...] = (await asyncio.to_thread(bus.request, GetAddons(bundle="production"))).addons
        facts = Facts(bus)
        await facts.begin()
        reach = Reach(home, logins, facts, Feeds())
        application = Application(reach, {"name": home.root.name, "version": status.version}, addons, admission)
        config = uvicorn.Config(
            application.asgi, log_config=None, access_log=False, server_header=False, date_header=False,
            http=connections(admission), ws=WebSocket,
            ws_max_size=FRAME_MOST_BYTES, ws_ping_interval=None, ws_per_message_deflate=False,
            timeout_keep_alive=30, timeout_graceful_shutdown=STOP_LIMIT_S, limit_concurrency=4000,
            ssl_certfile=tls[0] if tls else None, ssl_keyfile=tls[1] if tls else None,
        )  # fmt: skip
        server = Server(config)
        host, port = sock.getsockname()[:2]
        url = f"{'https' if tls else 'http'}://{'localhost' if host in ('0.0.0.0', '::') else host}:{port}"
        lives = (facts.follow(), logins.sweep(), _beat(home), server.serve(sockets=[sock]))
        work = [asyncio.create_task(one) for one in lives]
        ServerFile(url, logins.owner_key, os.getpid(), tls[2] if tls else "").write(home)
        say_ready()
        log.info("the Command Center is at %s", url)
        told = asyncio.create_task(asyncio.to_thread(ended.wait))
        await asyncio.wait([told, *work], return_when=asyncio.FIRST_COMPLETED)
        for one in work:
            if one.done():
                one.result()
                log.error("uvicorn, or what follows the log, ended by itself")
                raise QiError("the server ended by itself", remedy=f"its log in {home.logs} may say why")
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(work[-1], STOP_LIMIT_S * 2)
        for one in work:
            one.cancel()
    finally:
        ended.set()  # whatever ended it: the loop waits for the thread that waits for this
        ServerFile.remove(home, os.getpid())
        await logins.close()
        await asyncio.to_thread(participant.leave)


async def _beat(home: Home) -> None:
    while True:
        await asyncio.sleep(BEAT_EVERY_S)
        ServerFile.beat(home, os.getpid())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--http", default="127.0.0.1:0")
    parser.add_argument("--allow", nargs="*", default=())
    parser.add_argument("--name", nargs="*", default=())
    parser.add_argument("--tls-cert", default="")
    parser.add_argument("--tls-key", default="")
    parser.add_argument("--tls-ca", default="")
    given = parser.parse_args()
    config = read_launch_config(home=given.home)
    home = Home(config.home)
    home.make()
    logs.set_up(config.log_level, file=home.logs / LOG_FILE, terminal=False)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_hold_leash, args=(ended,), name="qi-leash", daemon=True).start()

    def work() -> None:
        sock = _bound(given.http)
        tls = (given.tls_cert, given.tls_key, given.tls_ca) if given.tls_cert else None
        _loop(serve(home, sock, tls, Admission(given.allow, given.name), ended))

    return telling("the server", work)


def _loop(work: object) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)  # type: ignore[arg-type]
    else:
        uvloop.run(work)  # type: ignore[arg-type]


def _bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, int(port)))
    except OSError as error:
        raise Unavailable(
            f"{address} cannot be listened at: {error.strerror}", remedy="name another with --http HOST:PORT"
        ) from error
    made.listen(256)
    made.set_inheritable(False)
    return made


def _hold_leash(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
