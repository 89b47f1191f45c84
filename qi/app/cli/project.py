"""`qi project`, `qi entity` and `qi task`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qi.app.cli.output import Json, document, line, table
from qi.app.cli.state import launch_config, studio
from qi.contracts.db import CreateEntity, CreateProject, CreateTask, ListEntities, ListProjects, ListTasks
from qi.contracts.folders import MakeFolders
from qi.contracts.tracker import Entity, Project

projects = typer.Typer(help="Projects.", no_args_is_help=True)
entities = typer.Typer(help="Sequences, shots and assets of a project.", no_args_is_help=True)
tasks = typer.Typer(help="Work on sequences, shots and assets.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(projects, name="project")
    app.add_typer(entities, name="entity")
    app.add_typer(tasks, name="task")


@projects.command("create")
def create(
    name: str,
    root: Annotated[Path | None, typer.Option(help="Folder that will hold the project's folder.")] = None,
    code: Annotated[str, typer.Option(help="Short form for file names.")] = "",
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 24.0,
    member: Annotated[
        list[str] | None, typer.Option(help="Who may see it; may be repeated. Default: everyone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A new project."""
    place = str(root.expanduser().absolute()) if root else ""
    with studio(acts=True) as bus:
        made = bus.request(CreateProject(name=name, root=place, code=code, fps=fps, members=tuple(member or ())))
        bus.request(MakeFolders(project=made.name))
    if as_json:
        document(made)
    else:
        line(f"project {made.name} in {made.root}/{made.name}")


@projects.command("list")
def list_(as_json: Json = False) -> None:
    """All projects you may see."""
    found: list[Project] = []
    with studio(acts=False) as bus:
        after = ""
        while True:
            page = bus.request(ListProjects(after=after))
            found += page.items
            after = page.next
            if not after:
                break
    if as_json:
        document(found)
    else:
        rows = [(p.name, p.code, f"{p.fps:g}", p.root) for p in found]
        table(("name", "code", "fps", "root"), rows, empty="no projects; `qi project create NAME` makes one")


Project_ = Annotated[str, typer.Option("--project", "-p", help="Project.")]


@entities.command("create")
def create_entity(
    entity: Annotated[str, typer.Argument(help="Its path: seq010/sh0100. What is missing above it is made.")],
    project: Project_ = "",
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="A task on it; may be repeated.")] = None,
    kind: Annotated[str, typer.Option(help="folder, episode, sequence, shot or asset.")] = "shot",
    as_json: Json = False,
) -> None:
    """A new shot, asset or sequence."""
    with studio(acts=True) as bus:
        where = required(project)
        made = bus.request(CreateEntity(project=where, path=entity, kind=kind, tasks=tuple(task or ())))
        for name in task or [""]:
            bus.request(MakeFolders(project=where, entity=made.path, task=name))
    if as_json:
        document(made)
    else:
        line(f"{made.kind} {made.path}" + (f" with {', '.join(task)}" if task else ""))


@entities.command("list")
def list_entities(project: Project_ = "", as_json: Json = False) -> None:
    """All entities of a project, with their tasks."""
    name = required(project)
    found: list[Entity] = []
    named: dict[str, list[str]] = {}
    with studio(acts=False) as bus:
        after = ""
        while True:
            page = bus.request(ListEntities(project=name, after=after))
            found += page.items
            after = page.next
            if not after:
                break
        while True:
            known = bus.request(ListTasks(project=name, after=after))
            for task in known.items:
                named.setdefault(task.entity, []).append(task.name)
            after = known.next
            if not after:
                break
    if as_json:
        document([{**vars(e), "tasks": named.get(e.id, [])} for e in found])
    else:
        rows = [(e.path, e.kind, ", ".join(named.get(e.id, []))) for e in found]
        table(("path", "kind", "tasks"), rows, empty="no entities; `qi entity create SEQ/SHOT` makes one")


@tasks.command("create")
def create_task(
    task: Annotated[str, typer.Argument(help="Its name: comp, light, model.")],
    entity: Annotated[str, typer.Option("--entity", "-e", help="Path of what it is work on: seq010/sh0100.")],
    project: Project_ = "",
    type_: Annotated[str, typer.Option("--type", help="What kind of work; its name unless said.")] = "",
    who: Annotated[list[str] | None, typer.Option(help="Who works on it; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """A new task on a shot, asset or sequence."""
    where = required(project)
    with studio(acts=True) as bus:
        made = bus.request(
            CreateTask(project=where, entity=entity, name=task, type=type_, assignees=tuple(who or ()))
        )
        bus.request(MakeFolders(project=where, entity=entity, task=made.name))
    if as_json:
        document(made)
    else:
        line(f"task {made.name} on {entity}" + (f" for {', '.join(made.assignees)}" if made.assignees else ""))


def required(project: str) -> str:
    """The project given with the verb or before it."""
    found = project or launch_config().working_project
    if not found:
        raise typer.BadParameter("which project? give --project NAME")
    return found
