"""`qi publish`, `qi publishes`, `qi show`, `qi cancel`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from events.ids import new_id
from events.publish_steps import step_key
from qi.app.cli.output import Json, document, line, moment, short, size, state, table
from qi.app.cli.project import Project_, required
from qi.app.cli.state import studio
from qi.contracts.publish import (
    CancelPublish,
    ListFiles,
    ListPublishes,
    PublishInfo,
    RepairPublish,
    ReplayPublish,
    RequestPublish,
    ShowPublish,
)

if TYPE_CHECKING:
    from qi.bus import Bus


def add_to(app: typer.Typer) -> None:
    app.command("publish")(publish)
    app.command("publishes")(publishes)
    app.command("show")(show)
    app.command("cancel")(cancel)


def publish(
    sources: Annotated[list[Path], typer.Argument(metavar="PATH_OR_PATTERN", help="A file, or name.####.exr.")],
    product: Annotated[str, typer.Option("--product", "-n", help="Name of the product.")],
    entity: Annotated[str, typer.Option("--entity", "-e", help="SEQ/SHOT or asset.")],
    task: Annotated[str, typer.Option("--task", "-t", help="Task on it.")],
    project: Project_ = "",
    comment: Annotated[str, typer.Option("--comment", "-m", help="Your words.")] = "",
    bundle: Annotated[str, typer.Option(help="Name or digest; production by default.")] = "",
    as_json: Json = False,
) -> None:
    """Publish files as the next version of a product."""
    request = RequestPublish(
        command=new_id(),
        project=required(project),
        entity=entity,
        task=task,
        product=product,
        sources=tuple(str(source.expanduser().absolute()) for source in sources),
        comment=comment,
        bundle=bundle,
        environment=dict(os.environ),
    )
    with studio(acts=True) as bus:
        carry(bus, request, request.command, as_json)


def publishes(
    failed: Annotated[bool, typer.Option("--failed", help="Only failures that no replay made good.")] = False,
    state_: Annotated[
        str, typer.Option("--state", help="running, succeeded, failed, cancelled, interrupted or unknown.")
    ] = "",
    project: Project_ = "",
    user: Annotated[str, typer.Option(help="Only what this user asked for.")] = "",
    product: Annotated[str, typer.Option(help="Only versions of this product.")] = "",
    plugin: Annotated[str, typer.Option(help="Only those in which a plugin took part whose name contains this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: Json = False,
) -> None:
    """All publishes, newest first."""
    with studio(acts=False) as bus:
        wanted = ListPublishes(
            failed=failed, state=state_, project=project, user=user, product=product, plugin=plugin, limit=limit
        )  # fmt: skip
        found = bus.request(wanted).publishes
        if as_json:
            document([json_of(bus, info) for info in found])
            return
    rows = [
        (
            short(p.publish), state(p.state), _number(p), p.product, p.entity, p.project, p.user,
            moment(p.requested_at), short(p.made_good_by) if p.made_good_by else "",
        )
        for p in found
    ]  # fmt: skip
    columns = ("publish", "state", "version", "product", "entity", "project", "user", "when", "made good by")
    table(columns, rows, empty="no publishes" + (" that failed for good" if failed else "; `qi publish` makes one"))


def _number(info: PublishInfo) -> str:
    if info.mode == "what_if":
        return "trial"
    return f"v{info.version:03d}" if info.version else ""


def show(
    publish: Annotated[str, typer.Argument(help="Id of the publish, its beginning or end, or 'last'.")],
    as_json: Json = False,
) -> None:
    """One publish: its steps, its version, its error."""
    with studio(acts=False) as bus:
        info = bus.request(ShowPublish(publish=publish))
        if as_json:
            document(json_of(bus, info))
            return
        files = list(files_of(bus, info))
    print_publish(info)
    rows = [(s.state, s.plugin, s.instance, s.outcome, f"{s.duration_ms:.0f}", s.message) for s in info.steps]
    table(("towards", "plugin", "instance", "", "ms", ""), rows, empty="no steps yet")
    if files:
        total = sum(file["size"] for file in files)
        first, last = (Path(files[at]["path"]).name for at in (0, -1))
        line(f"{len(files)} files, {size(total)}; first {first}, last {last}")


def cancel(
    publish: Annotated[str, typer.Argument(help="Id of the publish, its beginning or end, or 'last'.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Call a publish off."""
    with studio(acts=True) as bus:
        done = bus.request(CancelPublish(publish=publish, reason=reason, command=new_id()))
    line(f"cancelled {short(done.publish)}")


def carry(bus: Bus, request: RequestPublish | ReplayPublish | RepairPublish, publish: str, as_json: bool) -> None:
    """Ask, watch until it ends, print; exits 1 when it failed."""
    from qi.app.cli.watching import watch

    info = watch(bus, request, publish)
    if as_json:
        document(json_of(bus, info))
    else:
        print_publish(info)
    if info.state != "succeeded":
        raise typer.Exit(1)


def json_of(bus: Bus, info: PublishInfo) -> dict[str, Any]:
    """A publish as every command prints it: `files` are listed, not counted."""
    return {**asdict(info), "files": list(files_of(bus, info))}


def files_of(bus: Bus, info: PublishInfo) -> Iterator[dict[str, Any]]:
    """The files of a visible version, page by page."""
    offset = 0
    while info.files:
        page = bus.request(ListFiles(publish=info.publish, offset=offset))
        yield from (asdict(file) for file in page.files)
        offset += len(page.files)
        if not page.more:
            return


def print_publish(info: PublishInfo) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    version = f" v{info.version:03d}" if info.version else ""
    console.print(Text.assemble(state(info.state), f"  {info.product}{version}  {info.entity}  {info.project}"))
    console.print(f"  publish  {info.publish}", markup=False)
    if info.path:
        console.print(f"  path     {info.path}  ({info.files} files)", markup=False)
    console.print(f"  bundle   {info.bundle} {info.bundle_digest[:12]}, pinned at {info.position}", markup=False)
    if info.replay_of:
        console.print(f"  {'tries' if info.mode == 'what_if' else 'replays'}  {info.replay_of}", markup=False)
    if info.made_good_by and info.made_good_by != info.publish:
        console.print(f"  made good by {info.made_good_by}", markup=False)
    for step, message, remedy in _wrong(info):
        # Many a plugin's message ends with what to do, which stands below.
        console.print(f"  {step}: {message.removesuffix(remedy).rstrip()}", markup=False, style="red")
        if remedy:
            console.print(f"  → {remedy}", markup=False)
    for offer in info.offers:
        step = " of ".join(filter(None, (offer.plugin, offer.instance)))
        console.print(f"  → {offer.title} ({step}): `qi replay {short(info.publish)} --repair`", markup=False)


def _wrong(info: PublishInfo) -> Iterator[tuple[str, str, str]]:
    """Each step that failed, by its last outcome, and whatever else ended the publish: which, what, what to do."""
    last = {step_key(step.plugin, step.instance): step for step in info.steps}
    failed = {key: step for key, step in last.items() if step.outcome == "failed"}
    for key, step in failed.items():
        yield key, step.message, step.remedy
    if info.error and info.error.step not in failed:
        yield info.error.step, info.error.message, info.error.remedy
