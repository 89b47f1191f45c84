"""`qi settings`: read and change settings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from events.ids import new_id
from qi.app.cli.history import position_at
from qi.app.cli.output import Json, document, line, moment, problem, table
from qi.app.cli.project import required
from qi.app.cli.state import launch_config, studio
from qi.contracts.settings import (
    Changing,
    ExplainSetting,
    GetOptions,
    GetSettings,
    GetSettingsSchema,
    InvalidSetting,
    ListInvalid,
    PatchSettings,
    Setting,
)

verbs = typer.Typer(help="Settings: defaults, then bundle, project, its settings file, user.", no_args_is_help=True)

Project = Annotated[str, typer.Option("--project", "-p", help="Project whose settings.")]
Bundle = Annotated[str, typer.Option(help="Name, digest or pointer; default: what the project uses.")]
Scope = Annotated[str, typer.Option(help="bundle, project or user.")]
Target = Annotated[str, typer.Option("--target", "-t", help="Project, bundle or user; default: --project.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the history.")]
Path = Annotated[str, typer.Argument(help="ADDON.FIELD")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Expected = Annotated[int | None, typer.Option(help="Revision the value was read at.")]


def add_to(app: typer.Typer) -> None:
    from qi.app.cli import settings_changes

    settings_changes.add_changes_to(verbs)
    app.add_typer(verbs, name="settings")


@verbs.command("get")
def get(
    path: Annotated[str, typer.Argument(help="ADDON or ADDON.FIELD; everything when left out.")] = "",
    project: Project = "",
    bundle: Bundle = "",
    at: Annotated[str, typer.Option(help="As of this log position, or time (2h, or a date).")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Show where the value comes from.")] = False,
    as_json: Json = False,
) -> None:
    """Effective values. What is stored and does not count is told on standard error."""
    project = project or launch_config().working_project
    with studio(acts=False) as bus:
        if explain:
            _explained(bus, path, bundle, project, as_json, position_at(bus, at))
            return
        found = bus.request(GetSettings(path=path, project=project, bundle=bundle, at=position_at(bus, at)))
    if as_json:
        document(found)
    else:
        rows = [
            (name, value, "pinned" if _is_pinned(name, found.pinned) else "") for name, value in _rows(found.values)
        ]
        table(("setting", "value", ""), rows, empty="no settings")
    _tell_invalid(found.invalid)


@verbs.command("explain")
def explain(path: Path, project: Project = "", bundle: Bundle = "", as_json: Json = False) -> None:
    """Where a value comes from: what each layer says, who said so, when and why."""
    project = project or launch_config().working_project
    with studio(acts=False) as bus:
        _explained(bus, path, bundle, project, as_json)


@verbs.command("set")
def set_(
    path: Path,
    value: Annotated[str, typer.Argument(help="JSON, or plain text.")] = "",
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    reason: Reason = "",
    unset: Annotated[bool, typer.Option("--unset", help="Take the value away: lower layers show through.")] = False,
    expected: Expected = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Change one value of one scope. The value it would have anyway is kept too: it is pinned."""
    change: dict[str, Any] = {"unset": (path,)} if unset else {"settings": (Setting(path=path, value=parsed(value)),)}
    _patched(path, scope, target, project, reason, expected, dry_run, as_json, **change)


@verbs.command("unset")
def unset(
    path: Annotated[list[str], typer.Argument(help="ADDON.FIELD; several are taken away at once.")],
    scope: Scope = "project",
    target: Target = "",
    project: Project = "",
    reason: Reason = "",
    expected: Expected = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take values of one scope away: lower layers show through."""
    _patched(", ".join(path), scope, target, project, reason, expected, dry_run, as_json, unset=tuple(path))


@verbs.command("schema")
def schema(addon: str, project: Project = "", bundle: Bundle = "") -> None:
    """An addon's settings as JSON Schema, with what forms need."""
    with studio(acts=False) as bus:
        found = bus.request(GetSettingsSchema(addon=addon, bundle=bundle, project=project))
    document(found.schema)


@verbs.command("options")
def options(path: Path, project: Project = "", bundle: Bundle = "", as_json: Json = False) -> None:
    """The values that a setting is offered by its addon."""
    project = project or launch_config().working_project
    with studio(acts=False) as bus:
        found = bus.request(GetOptions(path=path, project=project, bundle=bundle)).options
    if as_json:
        document(found)
    else:
        rows = [(text(one.value), one.label if one.label != one.value else "") for one in found]
        table(("value", ""), rows, empty="it offers nothing at the moment")


@verbs.command("invalid")
def invalid(
    bundle: Annotated[str, typer.Argument(help="Name, digest or pointer.")] = "production", as_json: Json = False
) -> None:
    """Overrides of all scopes that a bundle's addons cannot carry over or that do not fit; exits with 1 for any."""
    with studio(acts=False) as bus:
        found = bus.request(ListInvalid(bundle=bundle)).settings
    if as_json:
        document(found)
    else:
        print_invalid(found)
    if found:
        raise typer.Exit(1)


def print_invalid(found: Iterable[InvalidSetting]) -> None:
    """A table of values that do not count."""
    rows = [(one.layer, one.path, text(one.value), one.by, one.why) for one in found]
    table(("where", "setting", "value", "by", "why it does not count"), rows, empty="every stored value counts")


def print_changes(changes: Iterable[Changing]) -> None:
    """A table of what changes, or would."""
    rows = [
        (one.path, text(one.old) if one.was_set else "—", text(one.new) if one.is_set else "—") for one in changes
    ]
    table(("setting", "old", "new"), rows, empty="nothing would change")


def scope_target(scope: str, target: str, project: str) -> str:
    """The target of a scope as options named it."""
    return target or (required(project) if scope == "project" else "production" if scope == "bundle" else "")


def parsed(value: str) -> Any:
    """A value as it was typed: JSON, or else plain text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def text(value: Any) -> str:
    """A value as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _patched(
    what: str,
    scope: str,
    target: str,
    project: str,
    reason: str,
    expected: int | None,
    dry_run: bool,
    as_json: bool,
    **change: Any,
) -> None:
    target = scope_target(scope, target, project)
    with studio(acts=True) as bus:
        done = bus.request(
            PatchSettings(
                scope=scope, target=target, reason=reason, expected=expected, dry_run=dry_run, command=new_id(),
                **change,
            )
        )  # fmt: skip
    if as_json:
        document(done)
    elif dry_run:
        print_changes(done.changes)
    else:
        line(f"{what}: {'changed' if done.changed else 'was so already'} (revision {done.revision})")


def _explained(bus: Any, path: str, bundle: str, project: str, as_json: bool, at: int = 0) -> None:
    why = bus.request(ExplainSetting(path=path, bundle=bundle, project=project, at=at))
    if as_json:
        document(why)
        return
    rows = [
        (
            one.layer, text(one.value), one.by, moment(one.at), one.reason,
            f"does not count: {one.why}" if one.why else "pinned" if one.pinned else "",
        )
        for one in why.layers
    ]  # fmt: skip
    table(("layer", "value", "by", "when", "why", ""), rows, empty="nothing says anything about it")


def _tell_invalid(found: Iterable[InvalidSetting]) -> None:
    for one in found:
        problem(f"{one.path} of the {one.layer} does not count: {one.why}")


def _is_pinned(name: str, pinned: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in pinned)


def _rows(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        nested = isinstance(value, dict) and value
        rows += _rows(value, f"{prefix}{key}.") if nested else [(prefix + key, text(value))]
    return rows
