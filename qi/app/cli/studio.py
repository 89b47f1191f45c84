"""`qi serve`, `qi status`, `qi restart`, `qi stop`, `qi doctor`, `qi subjects`."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any

import typer

from qi.app.cli.output import Json, document, line, moment, table
from qi.app.cli.state import launch_config
from qi.contracts.session import ListSessions
from qi.contracts.studio import GetStatus, RestartActor, StopStudio, StudioStatus
from qi.errors import Unavailable

WAIT_LIMIT_S = 60.0


def add_to(app: typer.Typer) -> None:
    app.command("serve")(serve)
    app.command("open")(open_)
    app.command("broker-keys")(broker_keys)
    app.command("status")(status)
    app.command("restart")(restart)
    app.command("stop")(stop)
    app.command("doctor")(doctor)
    app.command("subjects")(subjects)


def serve(
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT at which other machines reach it, with TLS. Needs --allow.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="Address or network that may connect, like 10.1.0.0/16; may be repeated.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(help="HOST:PORT of the Command Center; `off` for none. With TLS off this machine.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name by which browsers ask, beside this machine's; may be repeated.")
    ] = None,
    tls_cert: Annotated[str | None, typer.Option(help="PEM file of a certificate of your own.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file of its key.")] = None,
) -> None:
    """Run the studio here until it is stopped."""
    from qi.app.serve import serve as run

    config = launch_config(
        listen=listen, allow=tuple(allow) if allow else None, http=http, tls_cert=tls_cert, tls_key=tls_key,
        names=tuple(name) if name else None,
    )  # fmt: skip
    run(config, "served", resume=True)


def open_(
    page: Annotated[str, typer.Argument(help="Where to begin, like /history.")] = "/",
    shown: Annotated[bool, typer.Option("--print", help="Print the link instead: good once, for a minute.")] = False,
) -> None:
    """Open the Command Center in the browser."""
    import webbrowser

    from qi.app.front import find
    from qi.home import Home

    link = find(Home(launch_config().home)).link("/" + page.lstrip("/"))
    if shown or not webbrowser.open(link):
        line(link)


def broker_keys() -> None:
    """Print fresh keys for a broker of your own.

    As a shell reads them: `eval "$(qi broker-keys)"`.
    """
    from qi.app.keys import new_keys

    keys = new_keys()
    for name, value in {"QI_NATS_LISTEN": "127.0.0.1:4222", **keys.for_broker(), **keys.for_studio()}.items():
        line(f"export {name}={value}")


def status(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until a studio is ready.")] = False,
    as_json: Json = False,
) -> None:
    """What runs: services, addons, sessions. Starts nothing."""
    from qi.app.join import running
    from qi.services import gather

    deadline = time.monotonic() + WAIT_LIMIT_S
    while True:
        try:
            with running(launch_config()) as participant:
                bus = participant.bus
                found = bus.request(GetStatus())
                sessions = bus.request(ListSessions()).sessions
                figures = gather(bus)
            break
        except Unavailable:
            if not wait or time.monotonic() > deadline:
                raise
            threading.Event().wait(0.1)
    if as_json:
        document({"studio": found, "actors": figures, "sessions": sessions})
    else:
        _show(found, figures, sessions)


def restart(actor: Annotated[str, typer.Argument(help="Its name, as `qi status` shows it.")]) -> None:
    """Start one actor of the studio anew."""
    from qi.app.join import running

    with running(launch_config()) as participant:
        participant.bus.request(RestartActor(name=actor))
    line(f"{actor} restarts")


def stop() -> None:
    """Stop the studio that runs on this home."""
    from qi.app.join import running

    with running(launch_config()) as participant:
        participant.bus.request(StopStudio())
    line("stopping")


def doctor(as_json: Json = False) -> None:
    """Check what Qi needs, and how the studio is.

    Exits with 1 when something is wrong.
    """
    from qi.app.doctor import examine

    findings = examine(launch_config())
    if as_json:
        document(findings)
    else:
        table(
            ("check", "", "what was found"),
            [(f.check, "ok" if f.ok else "wrong", f.found + (f": {f.remedy}" if f.remedy else "")) for f in findings],
            empty="nothing to check",
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def subjects(as_json: Json = False) -> None:
    """Every topic: who may ask it, what it answers. Read off the message types."""
    from qi.app.catalogue import topics

    rows = topics()
    if as_json:
        document(rows)
    else:
        table(
            ("topic", "served by", "needs", "answers", "what"),
            [(r.topic, r.actor, r.needs or "nothing", r.reply, r.about) for r in rows],
            empty="no topics",
        )


def _waiting(data: dict[str, Any]) -> str:
    return f"{data['mailbox']} ({data['mailbox_deepest']})" if data else ""


def _show(found: StudioStatus, figures: list[dict[str, Any]], sessions: Any) -> None:
    line(f"studio {found.version} in {found.home}, {found.stage} since {moment(found.started_at)} ({found.lives})")
    stats = {str(a["name"]): a for a in figures}
    rows = []
    for child in found.children:
        answer = stats.get(child.name, {})
        data, first = answer.get("data", {}), (answer.get("endpoints") or [{}])[0]
        rows.append(
            (
                child.name, child.state, child.where, child.restarts, first.get("num_requests", ""),
                first.get("num_errors", ""), _waiting(data), data.get("p50_ms", ""), data.get("p99_ms", ""),
            )
        )  # fmt: skip
    columns = ("actor", "state", "where", "restarts", "requests", "errors", "waiting (most)", "p50 ms", "p99 ms")
    table(columns, rows, empty="none")
    table(("session", "kind", "user", "host"), [(s.id[-12:], s.kind, s.user, s.host) for s in sessions], empty="none")
    for problem in found.problems:
        line(f"! {problem}")
