"""`qi replay`: go on, do it again, or try what would happen."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from events.ids import new_id
from qi.app.cli.history import position_at
from qi.app.cli.output import Json, document, line, short, table
from qi.app.cli.publish import carry, json_of, print_publish
from qi.app.cli.state import studio
from qi.contracts.compare import ComparePublishes, Comparison
from qi.contracts.publish import PublishInfo, Remap, RepairPublish, ReplayPublish, ShowPublish

if TYPE_CHECKING:
    from qi.bus import Bus

MODES = ("resume", "rerun", "what-if")


def add_to(app: typer.Typer) -> None:
    app.command("replay")(replay)


def replay(
    publish: Annotated[str, typer.Argument(help="Id of the publish, its beginning or end, or 'last'.")],
    mode: Annotated[
        str,
        typer.Option(help="resume: go on. rerun: anew, with what the first one had. what-if: try it with what is now."),
    ] = "resume",
    remap: Annotated[list[str] | None, typer.Option(help="OLD=NEW: where inputs lie now; may be repeated.")] = None,
    accept_changed: Annotated[bool, typer.Option("--accept-changed", help="Go on with inputs that changed.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="resume: let validators repair what they can.")] = False,
    took_effect: Annotated[
        bool | None, typer.Option("--took-effect/--took-no-effect", help="Of a step nobody knows the outcome of.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="what-if: with this bundle; production by default.")] = "",
    settings_at: Annotated[
        str, typer.Option(help="what-if: settings, and a bundle not named, as of a log position or time (2h, a date).")
    ] = "",
    as_json: Json = False,
) -> None:
    """Do a publish again, or try it with something else."""
    if mode not in MODES:
        raise typer.BadParameter(f"'{mode}' is none of {', '.join(MODES)}")
    if mode != "what-if" and (bundle or settings_at):
        raise typer.BadParameter("--bundle and --settings-at are for --mode what-if: a replay has what it had")
    if repair and (mode != "resume" or remap or accept_changed or took_effect is not None):
        raise typer.BadParameter("--repair goes on with the same publish as it is: it takes no other option")
    rules, command = _rules(remap or []), new_id()
    with studio(acts=True) as bus:
        shown = bus.request(ShowPublish(publish=publish))
        whole = shown.publish
        if repair:
            steps = tuple(offer.step for offer in shown.offers)
            carry(bus, RepairPublish(publish=whole, steps=steps, command=command), whole, as_json)
            return
        request = ReplayPublish(
            publish=whole, mode=mode, remap=rules, accept_changed=accept_changed,
            took_effect=took_effect, bundle=bundle, settings_at=position_at(bus, settings_at),
            environment=dict(os.environ) if mode == "what-if" else {}, command=command,
        )  # fmt: skip
        if mode == "what-if":
            _try(bus, request, whole, as_json)
        else:
            carry(bus, request, whole if mode == "resume" else command, as_json)


def _try(bus: Bus, request: ReplayPublish, first: str, as_json: bool) -> None:
    """Run it in a scratch folder, compare; exits 1 when anything came out differently."""
    from qi.app.cli.watching import watch

    tried = watch(bus, request, request.command)
    found = bus.request(ComparePublishes(first=first, second=tried.publish))
    if as_json:
        document({"publish": json_of(bus, tried), "side_effect_free": False, "comparison": asdict(found)})
    else:
        _show(tried, found)
    if not found.same or tried.state != "succeeded":
        raise typer.Exit(1)


def _show(tried: PublishInfo, found: Comparison) -> None:
    print_publish(tried)
    line("  a trial, not side-effect free: nothing was integrated or registered; what plugins do beside, they did")
    if found.same:
        line(f"the same as {short(found.first)}: instances, steps and outputs")
    else:
        rows = [(d.what, d.name, d.was, d.now) for d in found.differences]
        table(("what came out differently", "", "was", "is now"), rows, empty="")
    rows = [(c.what, c.name, c.was, c.now) for c in found.causes]
    table(("what it was made with", "", "was", "is now"), rows, empty="made with the same")


def _rules(remap: list[str]) -> tuple[Remap, ...]:
    rules = []
    for rule in remap:
        old, equals, new = rule.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{rule}' is not of the form OLD=NEW")
        rules.append(Remap(old=old, new=str(Path(new).expanduser().absolute())))
    return tuple(rules)
