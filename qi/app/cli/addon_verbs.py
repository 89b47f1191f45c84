"""`qi <addon> <verb>`: what addons add to the command line, as the session's bundle pins them. Main thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
import typer.main

from events.blobs import Blobs
from events.record import Digest
from qi.addon import use_lib
from qi.app.cli.state import launch_config, on_the_mesh
from qi.contracts.bundles import GetBundle
from qi.errors import Invalid, NotFound
from qi.home import Home
from qi.importing import import_file
from qi.verbs import speaking


def run(addon: str, arguments: list[str]) -> Any:
    """Raises :class:`NotFound` for what is neither a command of Qi nor an addon, :class:`Invalid` for one without
    verbs, and what the verb raises."""
    with on_the_mesh(acts=True) as participant:
        bundle = participant.bus.request(GetBundle(bundle=participant.bundle or "production"))
        pin = next((pin for pin in bundle.addons if pin.name == addon), None)
        if pin is None:
            raise NotFound(
                f"there is no command and no addon '{addon}'",
                remedy=f"`qi --help` lists the commands; bundle '{bundle.name}' pins "
                f"{', '.join(pin.name for pin in bundle.addons) or 'no addons'}",
            )
        folder = Path(pin.path) if pin.path else Home(launch_config().home).code / pin.digest
        if not folder.is_dir():
            Blobs(Home(launch_config().home).blobs).checkout(Digest(pin.digest), folder)
        group = _verbs(addon, folder)
        with speaking(participant, addon):
            return group(arguments, prog_name=f"qi {addon}", standalone_mode=False)


def _verbs(addon: str, folder: Path) -> Any:
    use_lib(folder)
    made = typer.Typer(
        no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )

    @made.callback(help=f"Verbs of the addon '{addon}'.")
    def about() -> None: ...

    for file in sorted((folder / "cli").glob("*.py")):
        if file.name[0] in "_.":
            continue
        found = getattr(import_file(file, f"qi_verbs_{addon}_{file.stem}"), "verbs", None)
        if not isinstance(found, typer.Typer):
            raise Invalid(f"cli/{file.name} of '{addon}' holds no Typer app named verbs")
        made.registered_commands += found.registered_commands
        made.registered_groups += found.registered_groups
    if not made.registered_commands and not made.registered_groups:
        raise Invalid(f"the addon '{addon}' adds no verbs", remedy=f"`qi addon inspect {addon}` shows what it brings")
    return typer.main.get_group(made)
