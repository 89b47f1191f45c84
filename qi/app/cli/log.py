"""`qi log`: prove, measure, copy and export the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qi.app.cli.output import Json, document, line, size, table
from qi.app.cli.state import studio
from qi.codec import as_json as plain_json
from qi.contracts.log import BackupLog, GetLogStats, ReadLog, VerifyLog

verbs = typer.Typer(help="The log: everything that ever changed.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="log")


@verbs.command("verify")
def verify(as_json: Json = False) -> None:
    """Prove the whole chain, and that nothing was cut off its end."""
    with studio(acts=False) as bus:
        proof = bus.request(VerifyLog())
    if as_json:
        document(proof)
    else:
        line(f"verified: {proof.events} events, head {proof.hash[:16]}, {proof.seconds} s")
        line(f"the signed head beside the log agrees up to {proof.signed_position}")


@verbs.command("stats")
def stats(as_json: Json = False) -> None:
    """How much there is of what."""
    with studio(acts=False) as bus:
        found = bus.request(GetLogStats())
    if as_json:
        document(found)
        return
    line(f"{found.events} events in {found.streams} streams, {size(found.bytes)} (+ {size(found.wal_bytes)} WAL)")
    line(f"head {found.head_hash[:16]}, signed up to {found.signed_position}")
    table(("type", "events"), sorted(found.types.items()), empty="no events yet")


@verbs.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="New file; never overwritten.")], as_json: Json = False) -> None:
    """Copy the log while it is in use, and prove the copy."""
    with studio(acts=False) as bus:
        done = bus.request(BackupLog(path=str(file.expanduser().absolute())))
    if as_json:
        document(done)
    else:
        line(f"{done.path}: {done.events} events, verified, head {done.hash[:16]}")


@verbs.command("export")
def export(
    stream: Annotated[str, typer.Option(help="Only this stream.")] = "",
    since: Annotated[int, typer.Option("--after", help="Only after this position.")] = 0,
) -> None:
    """Print events as JSON, one a line."""
    with studio(acts=False) as bus:
        after = since
        while True:
            page = bus.request(ReadLog(after=after, limit=1000, stream=stream))
            for event in page.events:
                line(json.dumps(event, default=plain_json, ensure_ascii=False, separators=(",", ":")))
                after = event.position
            if not page.more:
                return
