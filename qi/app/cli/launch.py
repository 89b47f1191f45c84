"""`qi launch`: an application, in a context, on one's own desktop."""

from __future__ import annotations

from typing import Annotated

import typer

from qi.app.cli.output import Json, document, line, table
from qi.app.cli.project import Project_, required
from qi.app.cli.state import launch_config, studio


def add_to(app: typer.Typer) -> None:
    app.command("launch")(launch)


def launch(
    application: Annotated[str, typer.Argument(help="NAME, or ADDON.NAME; without it, what can be launched.")] = "",
    project: Project_ = "",
    entity: Annotated[str, typer.Option("--entity", "-e", help="SEQ/SHOT or asset.")] = "",
    task: Annotated[str, typer.Option("--task", "-t", help="Task on it.")] = "",
    as_json: Json = False,
) -> None:
    """Start an application in a context, on your desktop."""
    from qi.contracts.applications import Launch, ListApplications
    from qi.errors import Invalid, NotFound

    if not application:
        where = project or launch_config().working_project
        with studio(acts=False) as bus:
            found = bus.request(ListApplications(project=where, entity=entity))
        if as_json:
            document(found)
        else:
            rows = [(f"{one.addon}.{one.name}", one.title) for one in found.applications]
            table(("application", "title"), rows, empty=f"the addons of the bundle '{found.bundle}' bring none")
        return
    name = required(project)
    with studio(acts=True) as bus:
        known = bus.request(ListApplications(project=name, entity=entity)).applications
        fitting = [one for one in known if application in (one.name, f"{one.addon}.{one.name}")]
        if not fitting:
            listed = ", ".join(f"{one.addon}.{one.name}" for one in known) or "none"
            raise NotFound(f"there is no application '{application}' there", remedy=f"there are: {listed}")
        if len(fitting) > 1:
            listed = ", ".join(f"{one.addon}.{one.name}" for one in fitting)
            raise Invalid(f"several addons bring '{application}'", remedy=f"say which: {listed}")
        made = bus.request(
            Launch(addon=fitting[0].addon, name=fitting[0].name, project=name, entity=entity, task=task)
        )
    document(made) if as_json else line(f"{made.title} runs on {made.host}: {made.program}, process {made.pid}")
