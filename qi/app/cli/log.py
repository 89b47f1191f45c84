"""`qi log`: prove, measure, copy, export, repair and replace the log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qi.app.cli.filters import filtered
from qi.app.cli.history import every
from qi.app.cli.output import Json, document, line, size, table
from qi.app.cli.state import launch_config, studio
from qi.codec import as_json as plain_json
from qi.contracts.log import BackupLog, GetLogStats, ReadLog

verbs = typer.Typer(help="The log: everything that ever changed.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="log")


@verbs.command("verify")
def verify(as_json: Json = False) -> None:
    """Prove the whole chain, and that nothing was cut off its end. Starts no studio: a damaged log may not let it."""
    from qi.app.log_care import prove_log

    proof = prove_log(launch_config())
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


@verbs.command("repair")
def repair(
    new: Annotated[Path, typer.Argument(help="New file; never overwritten.")],
    log: Annotated[Path | None, typer.Option(help="The damaged log; without it, the home's own.")] = None,
    as_json: Json = False,
) -> None:
    """Copy what is good of a damaged log to a new file. The studio must be stopped; the damaged file stays as it is."""
    from qi.app.log_care import repair_log

    target = new.expanduser().absolute()
    done = repair_log(launch_config(), target, log.expanduser().absolute() if log else None)
    if as_json:
        document(done)
        return
    line(f"{target}: {done.events} events kept, verified, head {done.hash[:16]}")
    if done.first_bad is None:
        line("no damage was found in the events")
    else:
        line(f"first bad position {done.first_bad}: {done.why}")


@verbs.command("adopt")
def adopt(
    file: Annotated[Path, typer.Argument(help="A backup, or what `qi log repair` made; it stays as it is.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the log.")],
    as_json: Json = False,
) -> None:
    """Put a copy of a log in the place of the home's own, which is kept beside it. The studio must be stopped."""
    from qi.app.log_care import adopt_log

    done = adopt_log(launch_config(), file.expanduser().absolute(), reason)
    if as_json:
        document(done)
        return
    line(f"adopted {done.events} events; the head of the log is {done.position}, which tells of it")
    if done.before:
        line(f"the log before it is kept as {done.before}; events it is known to have had beyond these: {done.lost}")


@verbs.command("redact")
def redact(
    position: Annotated[int, typer.Argument(help="Of the event, as `qi history` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the log.")],
    field: Annotated[list[str] | None, typer.Option(help="Only this part of it; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    as_json: Json = False,
) -> None:
    """Blank what should never have been recorded: values, reasons, messages. The studio must be stopped."""
    from qi.app.log_care import redact_log

    if not yes and not typer.confirm(f"What event {position} says is gone for good then. Go on?"):
        raise typer.Abort
    done = redact_log(launch_config(), position, tuple(field or ()), reason)
    if as_json:
        document(done)
        return
    line(f"event {done.position} ({done.type} of {done.stream}): {', '.join(done.fields)} blanked")
    if done.blobs:
        line(f"with it went {done.blobs} contents that nothing else named")
    line(f"the chain still holds; event {done.told_at} tells of it. Backups made before still have what was blanked.")


@verbs.command("export")
@filtered
def export(
    asked: ReadLog,
    after: Annotated[int, typer.Option(min=0, help="Only after this position.")] = 0,
) -> None:
    """Print events as JSON, one a line."""
    with studio(acts=False) as bus:
        for page in every(bus, replace(asked, after=after, limit=1000)):
            for event in page.events:
                line(json.dumps(event, default=plain_json, ensure_ascii=False, separators=(",", ":")))
