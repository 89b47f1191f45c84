"""`qi settings`: read and change settings."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from events.ids import new_id
from qi.app.cli.history import position_at
from qi.app.cli.output import Json, document, line, moment, table
from qi.app.cli.project import required
from qi.app.cli.state import launch_config, studio
from qi.contracts.settings import (
    DiffSettings,
    ExplainSetting,
    GetSettingHistory,
    GetSettings,
    PatchSettings,
    RevertSettings,
    Setting,
    SettingsOf,
)

verbs = typer.Typer(help="Settings: defaults, then bundle, project, user.", no_args_is_help=True)

Project = Annotated[str, typer.Option("--project", "-p", help="Project whose settings.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="settings")


@verbs.command("get")
def get(
    path: Annotated[str, typer.Argument(help="ADDON or ADDON.FIELD; everything when left out.")] = "",
    project: Project = "",
    bundle: Annotated[str, typer.Option(help="Name, digest or pointer; default: what the project uses.")] = "",
    at: Annotated[int, typer.Option(help="As of this log position.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show where the value comes from.")] = False,
    as_json: Json = False,
) -> None:
    """Effective values."""
    project = project or launch_config().working_project
    with studio(acts=False) as bus:
        if explain:
            why = bus.request(ExplainSetting(path=path, bundle=bundle, project=project))
            if as_json:
                document(why)
            else:
                rows = [(one.layer, _text(one.value), one.by, moment(one.at), one.reason) for one in why.layers]
                table(("layer", "value", "by", "when", "why"), rows, empty="nothing says anything about it")
            return
        found = bus.request(GetSettings(path=path, project=project, bundle=bundle, at=at))
    if as_json:
        document(found)
    else:
        table(("setting", "value"), _rows(found.values), empty="no settings")


@verbs.command("set")
def set_(
    path: Annotated[str, typer.Argument(help="ADDON.FIELD")],
    value: Annotated[str, typer.Argument(help="JSON, or plain text.")] = "",
    scope: Annotated[str, typer.Option(help="bundle, project or user.")] = "project",
    target: Annotated[str, typer.Option("--target", "-t", help="Project or bundle; default: --project.")] = "",
    project: Project = "",
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")] = "",
    unset: Annotated[bool, typer.Option("--unset", help="Take the value away: lower layers show through.")] = False,
    expected: Annotated[int | None, typer.Option(help="Revision the value was read at.")] = None,
    as_json: Json = False,
) -> None:
    """Change one value of one scope."""
    if scope == "project":
        target = target or required(project)
    change: dict[str, Any] = {"unset": (path,)} if unset else {"settings": (Setting(path=path, value=parsed(value)),)}
    with studio(acts=True) as bus:
        done = bus.request(PatchSettings(scope=scope, target=target, reason=reason, expected=expected, **change))
    if as_json:
        document(done)
    else:
        line(f"{path}: {'changed' if done.changed else 'was so already'} (revision {done.revision})")


Scope = Annotated[str, typer.Option(help="bundle, project or user.")]
Target = Annotated[str, typer.Option("--target", "-t", help="Project, bundle or user; default: --project.")]


@verbs.command("history")
def history(
    path: Annotated[str, typer.Argument(help="ADDON or ADDON.FIELD; everything when left out.")] = "",
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """What was changed in one scope, newest first."""
    if scope == "project":
        target = target or required(project)
    with studio(acts=False) as bus:
        found = bus.request(GetSettingHistory(scope=scope, target=target, path=path, limit=limit))
    if as_json:
        document(found)
        return
    rows = [
        (one.position, moment(one.at), one.by, one.path, _text(one.old) if one.was_set else "-",
         _text(one.new) if one.is_set else "-", one.reason)
        for one in found.changes
    ]  # fmt: skip
    table(("position", "when", "by", "setting", "was", "is", "why"), rows, empty="nothing was changed here")


@verbs.command("revert")
def revert(
    to: Annotated[str, typer.Argument(help="Log position or time (2h, a date): what held then holds again.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")],
    path: Annotated[str, typer.Option(help="Only ADDON or ADDON.FIELD.")] = "",
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    as_json: Json = False,
) -> None:
    """Make one scope what it was, as one change that can be undone again."""
    if scope == "project":
        target = target or required(project)
    with studio(acts=True) as bus:
        done = bus.request(
            RevertSettings(
                scope=scope, target=target, path=path, to=position_at(bus, to), reason=reason, command=new_id()
            )
        )
    if as_json:
        document(done)
    else:
        line(f"{done.changed} values are as they were (revision {done.revision})")


@verbs.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="bundle=B,project=P,user=U,at=N: any of them.")],
    second: Annotated[str, typer.Argument(help="Likewise; what now holds when left out.")] = "",
    addon: Annotated[str, typer.Option(help="Only this addon's.")] = "",
    as_json: Json = False,
) -> None:
    """Where the effective settings of two bundles, projects, users or times differ."""
    with studio(acts=False) as bus:
        asked = DiffSettings(first=_whose(first), second=_whose(second), addon=addon)
        found = bus.request(asked).differences
    if as_json:
        document(found)
        return
    rows = [
        (one.path, _text(one.first) if one.first_has else "-", _text(one.second) if one.second_has else "-")
        for one in found
    ]
    table(("setting", first, second or "now"), rows, empty="no difference")


def _whose(text: str) -> SettingsOf:
    given: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in ("bundle", "project", "user", "at"):
            raise typer.BadParameter(f"'{part}' is none of bundle=…, project=…, user=…, at=POSITION")
        given[key] = int(value) if key == "at" and value.isdecimal() else value
    if not isinstance(given.get("at", 0), int):
        raise typer.BadParameter("at= takes a log position")
    return SettingsOf(**given)


def parsed(value: str) -> Any:
    """A value as it was typed: JSON, or else plain text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rows(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        rows += _rows(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, _text(value))]
    return rows
