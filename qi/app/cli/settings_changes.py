"""`qi settings`: what changed, taking it back, comparing, and carrying it elsewhere."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from events.ids import new_id
from events.settings_tree import with_value
from qi.app.cli.history import position_at
from qi.app.cli.output import Json, document, line, moment, table
from qi.app.cli.settings import (
    DryRun,
    Project,
    Reason,
    Scope,
    Target,
    print_changes,
    scope_target,
    text,
)
from qi.app.cli.state import studio
from qi.contracts.log import ReadLog
from qi.contracts.settings import GetOverrides, GetSettings, PatchSettings, RevertSettings, Setting
from qi.contracts.settings_history import DiffSettings, GetSettingHistory, SettingsOf
from qi.errors import Invalid, NotFound

if TYPE_CHECKING:
    from qi.bus import Bus



def add_changes_to(verbs: typer.Typer) -> None:
    for verb in (history, revert, diff, export):
        verbs.command(verb.__name__)(verb)
    verbs.command("import")(import_)


def history(
    path: Annotated[str, typer.Argument(help="ADDON or ADDON.FIELD; everything when left out.")] = "",
    scope: Annotated[str, typer.Option(help="bundle, project, 'project file' or user; all when left out.")] = "",
    target: Annotated[str, typer.Option("--target", "-t", help="Only of this project, bundle or user.")] = "",
    project: Project = "",
    before: Annotated[str, typer.Option(help="Before this log position, or time (2h, or a date).")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """What was changed, newest first: who, when, why, and from what to what."""
    if project:
        scope, target = scope or "project", target or project
    with studio(acts=False) as bus:
        found = bus.request(
            GetSettingHistory(scope=scope, target=target, path=path, before=position_at(bus, before), limit=limit)
        )
    if as_json:
        document(found)
        return
    rows = [
        (
            one.position, moment(one.at), one.by, one.scope, one.path, text(one.old) if one.was_set else "—",
            text(one.new) if one.is_set else "—", one.reason,
        )
        for one in found.changes
    ]  # fmt: skip
    table(("position", "when", "by", "where", "setting", "was", "is", "why"), rows, empty="nothing was changed here")
    if found.before:
        line(f"older ones: --before {found.before}")


def revert(
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")],
    to: Annotated[str, typer.Argument(help="Log position or time (2h, a date): what held then holds again.")] = "",
    change: Annotated[str, typer.Option(help="Instead: log position or event id of the one change to undo.")] = "",
    path: Annotated[str, typer.Option(help="Only ADDON or ADDON.FIELD.")] = "",
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make one scope what it was, or undo one change; as a change that can be undone again."""
    if bool(change) == bool(to):
        raise typer.BadParameter("give either the point to go back to, or --change")
    with studio(acts=True) as bus:
        if change:
            asked = RevertSettings(change=_event(bus, change), reason=reason, dry_run=dry_run, command=new_id())
        else:
            asked = RevertSettings(
                scope=scope, target=scope_target(scope, target, project), to=position_at(bus, to), path=path,
                reason=reason, dry_run=dry_run, command=new_id(),
            )  # fmt: skip
        done = bus.request(asked)
    if as_json:
        document(done)
    elif dry_run:
        print_changes(done.changes)
    else:
        line(f"{done.changed} values are as they were (revision {done.revision})")


def diff(
    first: Annotated[str, typer.Argument(help="bundle=B,project=P,user=U,at=N: any of them; N may be a time.")],
    second: Annotated[str, typer.Argument(help="Likewise; what now holds when left out.")] = "",
    addon: Annotated[str, typer.Option(help="Only this addon's.")] = "",
    as_json: Json = False,
) -> None:
    """Where the effective settings of two bundles, projects, users or times differ; exits with 1 when they do."""
    with studio(acts=False) as bus:
        asked = DiffSettings(first=_whose(bus, first), second=_whose(bus, second), addon=addon)
        found = bus.request(asked).differences
    if as_json:
        document(found)
    else:
        rows = [
            (one.path, text(one.first) if one.first_has else "—", text(one.second) if one.second_has else "—")
            for one in found
        ]
        table(("setting", first, second or "now"), rows, empty="no difference")
    if found:
        raise typer.Exit(1)


def export(
    file: Annotated[Path | None, typer.Argument(help="FILE.toml or FILE.json; TOML to the terminal if none.")] = None,
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    addon: Annotated[str, typer.Option(help="Only the settings of this addon.")] = "",
    effective: Annotated[bool, typer.Option("--effective", help="All values as they hold, not only its own.")] = False,
) -> None:
    """What one scope says, for `qi settings import`. Secrets are in it by their names only."""
    target = scope_target(scope, target, project)
    with studio(acts=False) as bus:
        values: dict[str, Any] = {}
        if effective:
            side = {"bundle": "", "project": "", "user": "", scope: target}
            asked = GetSettings(addon=addon, bundle=side["bundle"], project=side["project"], user=side["user"])
            values = bus.request(asked).values
        else:
            for one in bus.request(GetOverrides(scope=scope, target=target, addon=addon)).settings:
                values = with_value(values, tuple(one.path.split(".")), one.value)
    as_json = file is not None and file.suffix == ".json"
    said = json.dumps(values, ensure_ascii=False, indent=2) + "\n" if as_json else _toml(values)
    if file is None:
        sys.stdout.write(said)
    else:
        file.write_text(said, "utf-8")
        line(f"{sum(1 for _ in _leaves(values))} settings in {file}")


def import_(
    file: Annotated[Path, typer.Argument(help="FILE.toml or FILE.json, as `qi settings export` writes it.")],
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    reason: Reason = "",
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without it only say what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Set what a file says in one scope, all or nothing. What the file does not say stays."""
    try:
        said = file.read_text("utf-8")
        values = json.loads(said) if file.suffix == ".json" else tomllib.loads(said)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Invalid(f"{file} is not valid: {error}") from error
    if not isinstance(values, dict):
        raise Invalid(f"{file} holds no settings: they stand below the names of their addons")
    asked = PatchSettings(
        scope=scope, target=scope_target(scope, target, project), dry_run=not apply, command=new_id(),
        settings=tuple(Setting(path=".".join(path), value=value) for path, value in _leaves(values)),
        reason=reason or f"from {file.name}",
    )  # fmt: skip
    with studio(acts=True) as bus:
        done = bus.request(asked)
    if as_json:
        document(done)
    elif apply:
        line(f"{done.changed} settings changed (revision {done.revision})")
    else:
        print_changes(done.changes)
        if done.changes:
            line("nothing was changed; --apply does it")


def _toml(values: Mapping[str, Any]) -> str:
    import tomli_w

    empty = [".".join(path) for path, value in _leaves(values) if _holds_null(value)]
    if empty:
        raise Invalid(f"TOML cannot say that a value is empty: {', '.join(empty)}", remedy="Write to a file .json.")
    return tomli_w.dumps(values)


def _holds_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _whose(bus: Bus, text: str) -> SettingsOf:
    given = {"bundle": "", "project": "", "user": "", "at": ""}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in given:
            raise typer.BadParameter(f"'{part}' is none of bundle=…, project=…, user=…, at=…")
        given[key] = value
    at = position_at(bus, given["at"])
    return SettingsOf(bundle=given["bundle"], project=given["project"], user=given["user"], at=at)


def _event(bus: Bus, change: str) -> str:
    """The id of the event at a position."""
    if not change.isdecimal():
        return change
    page = bus.request(ReadLog(after=int(change) - 1, limit=1)).events
    if not page or page[0].position != int(change):
        raise NotFound(f"there is no event at {change}")
    return page[0].id
