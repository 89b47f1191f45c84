"""`qi addon`: how addons fare; making, checking, packing and installing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from events.ids import new_id
from qi.app.cli.output import Json, document, line, moment, table
from qi.app.cli.state import studio

verbs = typer.Typer(help="Addons: how they fare; making, packing and installing them.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The addon's folder, which holds addon.toml.")]
Bundle = Annotated[str, typer.Option(help="Of this bundle; of the session's own when empty.")]
MARKS = {"enabled": "green", "disabled": "dim", "incompatible": "yellow", "failed": "red"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="addon")


@verbs.command("list")
def list_(bundle: Bundle = "", as_json: Json = False) -> None:
    """Every addon: whether the bundle pins it, whether it runs, and why not."""
    from rich.text import Text

    from qi.contracts.hosting import GetAddons

    with studio(acts=False) as bus:
        found = bus.request(GetAddons(bundle=bundle))
    if as_json:
        document(found)
        return
    rows = [
        (
            run.name, run.version, Text(run.status, MARKS.get(run.status, "")), run.stage, run.where,
            run.problem or ", ".join(run.contributes),
        )
        for run in found.addons
    ]  # fmt: skip
    table(("name", "version", "status", "stage", "runs in", f"brings, or why not (bundle {found.bundle})"), rows,
          empty="no addons; `qi addon new NAME` makes one")  # fmt: skip


@verbs.command("inspect")
def inspect(
    addon: Annotated[str, typer.Argument(help="Name of an addon, or the file of a package.")],
    bundle: Bundle = "",
    as_json: Json = False,
) -> None:
    """All there is to know of one addon, or of a package that is not installed yet."""
    told = _of_package(Path(addon)) if Path(addon).is_file() else _of_bundle(addon, bundle)
    if as_json:
        document(told)
        return
    for key, value in told.items():
        if value not in ("", (), [], {}):
            line(f"{key:<12} {_words(value)}")


@verbs.command("restart")
def restart(name: str) -> None:
    """Start an addon anew; the running one goes when the new one serves."""
    from qi.contracts.hosting import RestartAddon

    with studio(acts=True) as bus:
        run = bus.request(RestartAddon(name=name))
    line(f"{run.name} {run.version} runs in a {run.where}")


@verbs.command("new")
def new(
    name: str, at: Annotated[Path, typer.Option(help="Folder to write it into.")] = Path()
) -> None:
    """Write a small addon that works, with a test that says so."""
    from qi.app.addon_template import write_addon

    folder = write_addon(name, at.expanduser())
    line(f"{folder}: addon.toml, addon.py, settings.py, a plugin and a test")
    line(f"next: `qi addon test {folder}`")


@verbs.command("check")
def check(folder: Folder, as_json: Json = False) -> None:
    """Load it in a process of its own and resolve its settings."""
    _examined(folder, as_json, tests=False)


@verbs.command("test")
def run_tests(folder: Folder, as_json: Json = False) -> None:
    """Load it in a process of its own, resolve its settings, run its tests."""
    _examined(folder, as_json, tests=True)


@verbs.command("pack")
def pack(
    folder: Folder,
    to: Annotated[Path, typer.Option(help="Folder for the package.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write it to one file: the same bytes for the same content."""
    from qi.addon_package import pack as write

    done = write(folder.expanduser().resolve(), to.expanduser().resolve())
    if as_json:
        document(done)
    else:
        line(f"{done.file}: {done.name} {done.version}, {done.files} files, digest {done.digest[:12]}")


@verbs.command("install")
def install(
    file: Annotated[Path, typer.Argument(help="A package, on the studio's machine.")],
    reason: Annotated[str, typer.Option(help="What it is for; it stays in the history.")] = "",
    as_json: Json = False,
) -> None:
    """Take a package into the studio; a bundle may pin it then. Versions live side by side."""
    from qi.contracts.addons import InstallAddon

    with studio(acts=True) as bus:
        done = bus.request(
            InstallAddon(file=str(file.expanduser().absolute()), reason=reason, command=new_id()), timeout_s=120
        )
    if as_json:
        document(done)
        return
    line(f"{done.name} {done.version} is installed, digest {done.digest[:12]}")
    line(f"next: `qi bundle edit BUNDLE --add {done.name}@{done.version}`")


@verbs.command("remove")
def remove(
    addon: Annotated[str, typer.Argument(metavar="NAME@VERSION")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")],
) -> None:
    """Let an installed version be found no more; refused while a bundle pins it."""
    from qi.contracts.addons import RemoveAddon

    name, at, version = addon.partition("@")
    if not at:
        raise typer.BadParameter("name the version too: NAME@VERSION")
    with studio(acts=True) as bus:
        bus.request(RemoveAddon(name=name, version=version, reason=reason, command=new_id()))
    line(f"{name} {version} is removed")


def _examined(folder: Path, as_json: bool, *, tests: bool) -> None:
    from qi.addon_check import examine

    found = examine(folder.expanduser().resolve(), tests=tests)
    if as_json:
        document(found)
    else:
        line(f"{found.name}: {found.plugins} plugins, {found.settings} settings, {found.tests} tests passed")
        for problem in found.problems:
            line(f"! {problem}")
    if found.problems:
        raise typer.Exit(1)


def _of_package(file: Path) -> dict[str, Any]:
    from tempfile import TemporaryDirectory

    from qi.addon_package import unpack

    with TemporaryDirectory() as scratch:
        record = unpack(file, Path(scratch) / "addon")
        return {**record.declared.model_dump(mode="json"), "title": record.title, "contributes": record.contributes}


def _of_bundle(name: str, bundle: str) -> dict[str, Any]:
    from dataclasses import asdict

    from qi.contracts.addons import ListAddons
    from qi.contracts.hosting import GetAddons
    from qi.errors import NotFound

    with studio(acts=False) as bus:
        runs = {run.name: run for run in bus.request(GetAddons(bundle=bundle)).addons}
        installed = [one for one in bus.request(ListAddons()).addons if one.installed and one.name == name]
    if name not in runs:
        raise NotFound(f"there is no addon '{name}'", remedy=f"there are: {', '.join(sorted(runs))}")
    versions = [f"{one.version} (by {one.installed_by}, {moment(one.installed_at)})" for one in installed]
    return {**asdict(runs[name]), "installed": versions}


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}".strip() for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(item) if isinstance(item, dict) else str(item) for item in value)
    return str(value)
