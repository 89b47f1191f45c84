"""`qi bundle`: what is pinned and where the pointers point."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from qi.app.cli.output import Json, document, line, table
from qi.app.cli.state import studio
from qi.contracts.bundles import BundleInfo, CreateBundle, GetBundle, ListBundles, PromoteBundle
from qi.errors import NotFound

verbs = typer.Typer(help="Bundles: which addons, settings and environment belong together.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="bundle")


@verbs.command("create")
def create(
    name: str,
    dev: Annotated[bool, typer.Option("--dev", help="Editable; its addons come from their folders.")] = False,
    addon: Annotated[
        list[str] | None, typer.Option(help="Only this addon; may be repeated. Default: all found.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="VARIABLE=value; may be repeated.")] = None,
    reason: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Make a bundle of the addons that are found now."""
    environment = {}
    for item in env or []:
        variable, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{item}' is not of the form VARIABLE=value")
        environment[variable] = value
    with studio(acts=True) as bus:
        made = bus.request(
            CreateBundle(name=name, dev=dev, addons=tuple(addon or ()), environment=environment, reason=reason)
        )
    if as_json:
        document(made)
    else:
        line(f"{made.name} is {made.state}: {made.digest[:12]}, {len(made.addons)} addons")


@verbs.command("list")
def list_(as_json: Json = False) -> None:
    """All bundles."""
    with studio(acts=False) as bus:
        found = bus.request(ListBundles())
    if as_json:
        document(found.bundles)
        return
    rows = [(b.name, b.state, ", ".join(b.pointers), b.digest[:12], _addons(b)) for b in found.bundles]
    table(
        ("name", "state", "pointers", "digest", "addons"), rows, empty="no bundles; `qi bundle create NAME` makes one"
    )


@verbs.command("show")
def show(bundle: Annotated[str, typer.Argument(help="Name, digest or pointer.")], as_json: Json = False) -> None:
    """What one bundle pins."""
    with studio(acts=False) as bus:
        found = bus.request(GetBundle(bundle=bundle))
    if as_json:
        document(found)
        return
    line(f"{found.name}  {found.state}  {found.digest}")
    if found.pointers:
        line(f"pointed at by {', '.join(found.pointers)}")
    table(
        ("addon", "version", "content"),
        [(a.name, a.version, a.path or a.digest[:12]) for a in found.addons],
        empty="no addons",
    )
    if found.environment:
        table(("variable", "value"), sorted(found.environment.items()), empty="")
    if found.settings:
        table(("setting", "value"), sorted(found.settings.items()), empty="")


@verbs.command("promote")
def promote(
    bundle: Annotated[str, typer.Argument(help="Name or digest.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")],
    to: Annotated[str, typer.Option(help="production or staging.")] = "production",
    replaces: Annotated[str | None, typer.Option(help="Bundle or digest expected to be there now.")] = None,
    as_json: Json = False,
) -> None:
    """Point production or staging at a bundle; refused when somebody else moves it at the same time."""
    with studio(acts=True) as bus:
        if replaces is None:
            with suppress(NotFound):  # it points at nothing yet
                replaces = bus.request(GetBundle(bundle=to)).digest
        found = bus.request(PromoteBundle(bundle=bundle, pointer=to, replaces=replaces, reason=reason))
    if as_json:
        document(found)
    else:
        line(f"{to} is now {found.name} ({found.digest[:12]})")


def _addons(bundle: BundleInfo) -> str:
    return ", ".join(f"{addon.name} {addon.version}" for addon in bundle.addons)
