"""`qi secret`: what settings name and nobody should see."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from events.ids import new_id
from qi.app.cli.output import Json, document, line, moment, table
from qi.app.cli.state import studio
from qi.contracts.secrets import ListSecrets, ReadSecret, RemoveSecret, StoreSecret

verbs = typer.Typer(help="Secrets: kept encrypted, named by settings.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="secret")


@verbs.command("set")
def set_(
    name: str,
    from_stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input.")] = False,
) -> None:
    """Keep a secret, or a new value of it. It is never an argument: others may read those."""
    value = sys.stdin.readline().rstrip("\n") if from_stdin else typer.prompt(f"'{name}'", hide_input=True)
    with studio(acts=True) as bus:
        done = bus.request(StoreSecret(name=name, value=value, command=new_id()))
    line(f"'{done.name}' is kept, version {done.version}; settings name it as {{\"secret\": \"{done.name}\"}}")


@verbs.command("list")
def list_(as_json: Json = False) -> None:
    """Names and versions; never a value."""
    with studio(acts=False) as bus:
        found = bus.request(ListSecrets())
    if as_json:
        document(found)
        return
    rows = [(one.name, one.version, one.stored_by, moment(one.stored_at)) for one in found.secrets]
    table(("name", "version", "stored by", "stored"), rows, empty="no secrets; `qi secret set NAME` keeps one")
    line(f"the vault's key is in: {found.kept_in}")


@verbs.command("get")
def get(
    name: str,
    version: Annotated[int, typer.Option(help="An earlier version; the newest when 0.")] = 0,
    purpose: Annotated[str, typer.Option(help="What for; it stays in the history.")] = "",
) -> None:
    """Print a secret. That you read it is an event."""
    with studio(acts=True) as bus:
        line(bus.request(ReadSecret(name=name, version=version, purpose=purpose)).value)


@verbs.command("remove")
def remove(name: str, reason: Annotated[str, typer.Option(help="Why; it stays in the history.")] = "") -> None:
    """Forget a secret in all its versions."""
    with studio(acts=True) as bus:
        bus.request(RemoveSecret(name=name, reason=reason, command=new_id()))
    line(f"'{name}' is forgotten")
