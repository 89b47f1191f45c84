"""`qi bundle`: what is pinned; making, comparing and checking bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from events.ids import new_id
from qi.app.cli.history import position_at, print_events
from qi.app.cli.output import Json, document, line, problem, table
from qi.app.cli.settings import print_invalid
from qi.app.cli.state import studio
from qi.contracts.bundles import (
    ArchiveBundle,
    BundleInfo,
    CheckBundle,
    CloneBundle,
    CreateBundle,
    DeleteBundle,
    DiffBundles,
    EditBundle,
    FreezeBundle,
    GetBundle,
    ListBundles,
    RestoreBundle,
)
from qi.contracts.log import ReadLog
from qi.contracts.settings import InvalidSetting, ListInvalid

if TYPE_CHECKING:
    from qi.bus import Bus

verbs = typer.Typer(help="Bundles: which addons, settings and environment belong together.", no_args_is_help=True)


Bundle = Annotated[str, typer.Argument(help="Name, digest (eight digits or more), production or staging.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the history.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why; it stays in the history.")]


def add_to(app: typer.Typer) -> None:
    from qi.app.cli import bundle_moves

    bundle_moves.add_moves_to(verbs)
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
    with studio(acts=True) as bus:
        made = bus.request(
            CreateBundle(name=name, dev=dev, addons=tuple(addon or ()), environment=_variables(env), reason=reason)
        )
    _told(made, as_json)


@verbs.command("list")
def list_(as_json: Json = False) -> None:
    """All bundles."""
    with studio(acts=False) as bus:
        found = bus.request(ListBundles())
    if as_json:
        document(found.bundles)
        return
    rows = [
        (b.name, b.state, ", ".join(_users(b)), b.checked, b.digest[:12], _addons(b))
        for b in found.bundles
    ]
    table(
        ("name", "state", "used by", "checked", "digest", "addons"), rows,
        empty="no bundles; `qi bundle create NAME` makes one",
    )


@verbs.command("show")
def show(
    bundle: Bundle,
    at: Annotated[str, typer.Option(help="As of this log position, or time (2h, or a date).")] = "",
    as_json: Json = False,
) -> None:
    """What one bundle pins."""
    with studio(acts=False) as bus:
        found = bus.request(GetBundle(bundle=bundle, at=position_at(bus, at)))
    if as_json:
        document(found)
        return
    line(f"{found.name}  {found.state}  {found.digest}")
    if users := _users(found):
        line(f"used by {', '.join(users)}")
    if found.checked:
        line(f"checked: {found.checked}")
    table(
        ("addon", "version", "content"),
        [(a.name, a.version, a.path or a.digest[:12]) for a in found.addons],
        empty="no addons",
    )
    if found.environment:
        table(("variable", "value"), sorted(found.environment.items()), empty="")
    if found.settings:
        table(("setting", "value"), sorted(found.settings.items()), empty="")


@verbs.command("clone")
def clone(
    bundle: Bundle,
    name: Annotated[str, typer.Argument(help="Of the new one.")],
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """A dev bundle with all that another one has."""
    with studio(acts=True) as bus:
        made = bus.request(CloneBundle(bundle=bundle, name=name, reason=reason, command=new_id()))
    _told(made, as_json)


@verbs.command("edit")
def edit(
    bundle: Bundle,
    add: Annotated[list[str] | None, typer.Option(help="Addon to take from its folder; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Addon to leave out; may be repeated.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="VARIABLE=value; may be repeated.")] = None,
    unset: Annotated[list[str] | None, typer.Option(help="Variable to leave out; may be repeated.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Change what a dev bundle pins."""
    with studio(acts=True) as bus:
        made = bus.request(
            EditBundle(
                bundle=bundle, add=tuple(add or ()), remove=tuple(remove or ()), set=_variables(env),
                unset=tuple(unset or ()), reason=reason, command=new_id(),
            )
        )  # fmt: skip
    _told(made, as_json)


@verbs.command("freeze")
def freeze(
    bundle: Bundle,
    reason: Reason = "",
    lossy: Annotated[bool, typer.Option("--lossy", help="Even if settings that count now get lost.")] = False,
    as_json: Json = False,
) -> None:
    """Make a dev bundle unchangeable; what it takes from folders is stored.

    Settings of any bundle, project or user that count in production and would not with it are listed first.
    """
    with studio(acts=True) as bus:
        lost = _lost(bus, bundle)
        if lost and not lossy:
            print_invalid(lost)
            problem(f"'{bundle}' would leave these settings out", "Migrate them in its addons, or freeze with --lossy.")
            raise typer.Exit(1)
        made = bus.request(FreezeBundle(bundle=bundle, reason=reason, command=new_id()))
    _told(made, as_json)


def _lost(bus: Bus, bundle: str) -> list[InvalidSetting]:
    """What does not count with this bundle and, of projects and users, does with production."""
    before = {(one.layer, one.target, one.path) for one in bus.request(ListInvalid(bundle="production")).settings}
    found = bus.request(ListInvalid(bundle=bundle)).settings
    return [one for one in found if (one.layer, one.target, one.path) not in before]


@verbs.command("diff")
def diff(
    first: Bundle,
    second: Bundle,
    at: Annotated[str, typer.Option(help="The second as of this log position, or time (2h, or a date).")] = "",
    as_json: Json = False,
) -> None:
    """What two bundles have differently; exits with 1 when they do."""
    with studio(acts=False) as bus:
        found = bus.request(DiffBundles(first=first, second=second, at=position_at(bus, at)))
    parts = {"addon": found.addons, "plugin": found.plugins, "setting": found.settings, "variable": found.environment}
    if as_json:
        document(found)
    else:
        rows = [
            (kind, one.name, _brief(one.old), _brief(one.new)) for kind, changed in parts.items() for one in changed
        ]
        table(("", "", first, second), rows, empty="they have the same content")
    if any(parts.values()):
        raise typer.Exit(1)


@verbs.command("check")
def check(bundle: Bundle, as_json: Json = False) -> None:
    """Load it in a scratch process, run its addons' tests, resolve its settings; exits with 1 when it is not fit."""
    with studio(acts=True) as bus:
        found = bus.request(CheckBundle(bundle=bundle, command=new_id()))
    if as_json:
        document(found)
    else:
        line(f"{found.name} ({found.digest[:12]}) is {'fit' if found.checked == 'good' else 'not fit'}")
        for one in found.problems:
            line(f"  {one}")
    if found.checked != "good":
        raise typer.Exit(1)


@verbs.command("history")
def history(
    bundle: Annotated[str, typer.Argument(help="Name or digest; production or staging for what was promoted.")],
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """What became of a bundle, or of production."""
    with studio(acts=False) as bus:
        pointer = bundle in ("production", "staging")
        stream = f"pointer-{bundle}" if pointer else f"bundle-{bus.request(GetBundle(bundle=bundle)).id}"
        found = bus.request(ReadLog(stream=stream, limit=limit, newest=True)).events
    document(found) if as_json else print_events(found)


@verbs.command("archive")
def archive(bundle: Bundle, reason: NeededReason, as_json: Json = False) -> None:
    """Put a bundle away that nothing uses any more."""
    with studio(acts=True) as bus:
        made = bus.request(ArchiveBundle(bundle=bundle, reason=reason, command=new_id()))
    _told(made, as_json)


@verbs.command("restore")
def restore(bundle: Bundle, reason: NeededReason, as_json: Json = False) -> None:
    """Take an archived bundle out again."""
    with studio(acts=True) as bus:
        made = bus.request(RestoreBundle(bundle=bundle, reason=reason, command=new_id()))
    _told(made, as_json)


@verbs.command("delete")
def delete(bundle: Bundle, reason: NeededReason) -> None:
    """Let an archived bundle that no publish needs be found no more."""
    with studio(acts=True) as bus:
        bus.request(DeleteBundle(bundle=bundle, reason=reason, command=new_id()))
    line(f"{bundle} is gone; what it was stays in the history")


def _told(made: BundleInfo, as_json: bool) -> None:
    if as_json:
        document(made)
    else:
        line(f"{made.name} is {made.state}: {made.digest[:12]}, {len(made.addons)} addons")


def _variables(given: list[str] | None) -> dict[str, str]:
    environment = {}
    for item in given or []:
        variable, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{item}' is not of the form VARIABLE=value")
        environment[variable] = value
    return environment


def _brief(text: str) -> str:
    """A digest as people read it."""
    return " ".join(word[:12] if len(word) == 64 else word for word in text.split(" "))


def _users(bundle: BundleInfo) -> list[str]:
    return [*bundle.pointers, *(one.label for one in bundle.pinned_by)]


def _addons(bundle: BundleInfo) -> str:
    return ", ".join(f"{addon.name} {addon.version}" for addon in bundle.addons)
