"""`qi bundle`: what production, staging, projects and entities use, and a rehearsal of it."""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING, Annotated

import typer

from events.ids import new_id
from qi.app.cli.output import Json, document, line, moment, short, table
from qi.app.cli.settings import parsed
from qi.app.cli.state import studio
from qi.contracts.bundles import (
    GetBundle,
    LiftHold,
    ListPointers,
    PinBundle,
    PointerList,
    PromoteBundle,
    RequireCheck,
    RevertPointer,
)
from qi.contracts.db import GetProject, ListEntities
from qi.contracts.rehearsal import RehearsalInfo, RehearseBundle, ShowRehearsal
from qi.contracts.settings import AmendBundle, Setting
from qi.errors import NotFound

if TYPE_CHECKING:
    from qi.bus import Bus

LOOK_EVERY_S = 2.0

Bundle = Annotated[str, typer.Argument(help="Name, digest (eight digits or more), production or staging.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the history.")]
Pointer = Annotated[str, typer.Argument(help="production or staging.")]
Replaces = Annotated[str | None, typer.Option(help="Bundle or digest expected to be there now.")]


def add_moves_to(verbs: typer.Typer) -> None:
    verbs.command("promote")(promote)
    verbs.command("revert")(revert)
    verbs.command("release")(release)
    verbs.command("gate")(gate)
    verbs.command("pointers")(pointers)
    verbs.command("pin")(pin)
    verbs.command("unpin")(unpin)
    verbs.command("amend")(amend)
    verbs.command("rehearse")(rehearse)


def promote(
    bundle: Bundle,
    reason: Reason,
    to: Annotated[str, typer.Option(help="production or staging.")] = "production",
    replaces: Replaces = None,
    as_json: Json = False,
) -> None:
    """Point production or staging at a bundle; refused when somebody else moves it at the same time."""
    with studio(acts=True) as bus:
        if replaces is None:
            replaces = _there(bus, to)
        found = bus.request(
            PromoteBundle(bundle=bundle, pointer=to, replaces=replaces, reason=reason, command=new_id())
        )  # fmt: skip
    if as_json:
        document(found)
    else:
        line(f"{to} is now {found.name} ({found.digest[:12]})")


def revert(
    reason: Reason,
    pointer: Pointer = "production",
    to: Annotated[str, typer.Option(help="Further back: to this bundle.")] = "",
    replaces: Replaces = None,
    as_json: Json = False,
) -> None:
    """Go back to the bundle before, and hold: nothing automatic promotes until `qi bundle release`."""
    with studio(acts=True) as bus:
        if replaces is None:
            replaces = _there(bus, pointer)
        found = bus.request(
            RevertPointer(pointer=pointer, bundle=to, replaces=replaces, reason=reason, command=new_id())
        )
    if as_json:
        document(found)
    else:
        line(f"{pointer} is {found.name} ({found.digest[:12]}) again, and held")


def release(reason: Reason, pointer: Pointer = "production", as_json: Json = False) -> None:
    """After going back: allow automatic promotions again."""
    with studio(acts=True) as bus:
        _show(bus.request(LiftHold(pointer=pointer, reason=reason, command=new_id())), as_json)


def gate(
    reason: Reason,
    pointer: Pointer = "production",
    off: Annotated[bool, typer.Option("--off", help="Ask for no check any more.")] = False,
    as_json: Json = False,
) -> None:
    """Let only bundles come there that `qi bundle check` found fit."""
    with studio(acts=True) as bus:
        asked = RequireCheck(pointer=pointer, required=not off, reason=reason, command=new_id())
        _show(bus.request(asked), as_json)


def pointers(as_json: Json = False) -> None:
    """Where production and staging point, since when, and why."""
    with studio(acts=False) as bus:
        _show(bus.request(ListPointers()), as_json)


def pin(
    bundle: Bundle,
    project: Annotated[str, typer.Option(help="Project that uses it.")],
    reason: Reason,
    entity: Annotated[str, typer.Option(help="Only this sequence, shot or asset of it.")] = "",
) -> None:
    """Let a project or an entity use a bundle of its own instead of production."""
    with studio(acts=True) as bus:
        of, target, label = _target(bus, project, entity)
        bus.request(
            PinBundle(of=of, target=target, label=label, bundle=bundle, reason=reason, command=new_id())
        )  # fmt: skip
        found = bus.request(GetBundle(bundle=bundle))
    line(f"{label} uses {found.name} ({found.digest[:12]})")


def unpin(
    project: Annotated[str, typer.Option(help="Project.")],
    reason: Reason,
    entity: Annotated[str, typer.Option(help="Only this sequence, shot or asset of it.")] = "",
) -> None:
    """Let a project or an entity use production again."""
    with studio(acts=True) as bus:
        of, target, label = _target(bus, project, entity)
        bus.request(PinBundle(of=of, target=target, label=label, reason=reason, command=new_id()))
    line(f"{label} uses production")


def amend(
    reason: Reason,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="ADDON.FIELD=value, as JSON or plain text; may be repeated.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(help="ADDON.FIELD; may be repeated.")] = None,
    bundle: Annotated[str, typer.Option(help="The one to amend.")] = "production",
    name: Annotated[str, typer.Option(help="Of the new one.")] = "",
    to: Annotated[str, typer.Option(help="production or staging.")] = "production",
    replaces: Replaces = None,
    as_json: Json = False,
) -> None:
    """Change settings of a frozen bundle: a clone is patched, frozen and promoted, all at once."""
    settings = []
    for one in change or []:
        path, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{one}' is not of the form ADDON.FIELD=value")
        settings.append(Setting(path=path, value=parsed(value)))
    with studio(acts=True) as bus:
        if replaces is None:
            replaces = _there(bus, to)
        made = bus.request(
            AmendBundle(
                bundle=bundle, name=name, settings=tuple(settings), unset=tuple(unset or ()), pointer=to,
                replaces=replaces, reason=reason, command=new_id(),
            )
        )  # fmt: skip
    if as_json:
        document(made)
    else:
        line(f"{to} is now {made.name} ({made.digest[:12]})")


def rehearse(
    bundle: Annotated[str, typer.Argument(help="The candidate: name or digest.")],
    last: Annotated[int, typer.Option(min=1, max=200, help="How many of the newest publishes.")] = 20,
    project: Annotated[str, typer.Option(help="Only publishes of this project.")] = "",
    as_json: Json = False,
) -> None:
    """Try the studio's recent publishes with a candidate; exits with 1 when one would break or come out differently."""
    rehearsal = new_id()
    with studio(acts=True) as bus:
        heard: queue.SimpleQueue[None] = queue.SimpleQueue()
        entry = bus.subscribe(f"qi.event.rehearsal.{rehearsal}.>", lambda _: heard.put(None))
        found = bus.request(RehearseBundle(bundle=bundle, last=last, project=project, command=rehearsal))
        shown = 0
        while True:
            if not as_json:
                shown = _progress(found, shown)
            if found.state != "running":
                break
            with contextlib.suppress(queue.Empty):
                heard.get(timeout=LOOK_EVERY_S)
            found = bus.request(ShowRehearsal(id=rehearsal))
        bus.unsubscribe(entry)
    if as_json:
        document(found)
    else:
        _verdict(found)
    if found.state != "finished" or any(one.verdict in ("breaks", "differs", "not tried") for one in found.tried):
        raise typer.Exit(1)


def _progress(found: RehearsalInfo, shown: int) -> int:
    for one in found.tried[shown:]:
        line(f"{one.verdict:<9}  {short(one.publish)}  {one.label}")
        for what in (*one.first, *((one.reason,) if one.reason else ())):
            line(f"           {what}")
        for cause in one.causes if one.verdict != "same" else ():
            line(f"           because of {cause}")
    return len(found.tried)


def _verdict(found: RehearsalInfo) -> None:
    counted = {
        verdict: sum(one.verdict == verdict for one in found.tried)
        for verdict in ("same", "differs", "breaks", "mends", "not tried")
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counted.items() if count) or "there was nothing to try"
    line(f"{found.bundle} ({found.digest[:12]}): {told}")


def _there(bus: Bus, pointer: str) -> str:
    """What is there as this command begins: whoever moves it meanwhile wins, and is named."""
    try:
        return bus.request(GetBundle(bundle=pointer)).digest
    except NotFound:
        return ""


def _target(bus: Bus, project: str, entity: str) -> tuple[str, str, str]:
    if not entity:
        found = bus.request(GetProject(project=project))
        return "project", found.id, found.name
    parent, _, name = entity.rpartition("/")
    page = bus.request(ListEntities(project=project, parent=parent, text=name, limit=1000))
    match = next((one for one in page.items if one.path.casefold() == entity.casefold()), None)
    if match is None:
        raise NotFound(f"there is no '{entity}' in '{project}'", remedy="`qi entity list` shows what there is")
    return "entity", match.id, f"{project}/{match.path}"


def _show(found: PointerList, as_json: bool) -> None:
    if as_json:
        document(found)
        return
    rows = [
        (
            one.name, one.bundle, one.digest[:12], one.moved_by, moment(one.moved_at), one.reason,
            ", ".join(word for word, so in (("held", one.held), ("takes checked ones only", one.needs_check)) if so),
        )
        for one in found.pointers
    ]  # fmt: skip
    table(("", "bundle", "digest", "by", "since", "why", ""), rows, empty="")
