"""`qi job` and `qi notices`: what addons work at, and what they have to say."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from events.ids import new_id
from qi.app.cli.output import Json, document, line, moment, short, table
from qi.app.cli.state import studio
from qi.errors import Invalid, NotFound

verbs = typer.Typer(help="Jobs: work of addons that takes long.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="job")
    app.command("notices")(notices)


@verbs.command("start")
def start(
    addon: str,
    kind: str,
    arguments: Annotated[str, typer.Option(help="A JSON object.")] = "{}",
    title: Annotated[str, typer.Option(help="What people read.")] = "",
    as_json: Json = False,
) -> None:
    """Begin a job of an addon; it goes on when this command has ended, and after a restart."""
    from qi.contracts.jobs import StartJob

    try:
        given = json.loads(arguments)
    except ValueError as error:
        raise Invalid(f"--arguments is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise Invalid('--arguments must be a JSON object, like {"shots": ["sh010"]}')
    with studio(acts=True) as bus:
        made = bus.request(StartJob(addon=addon, kind=kind, arguments=given, title=title, command=new_id()))
    document(made) if as_json else line(f"{short(made.id)} {made.title} is {made.state}")


@verbs.command("kinds")
def kinds(addon: str, as_json: Json = False) -> None:
    """The kinds of jobs that an addon does."""
    from qi.contracts.jobs import ListJobKinds

    with studio(acts=False) as bus:
        found = bus.request(ListJobKinds(addon=addon)).kinds
    document(found) if as_json else table(("kind",), [(one,) for one in found], empty=f"'{addon}' does no jobs")


@verbs.command("list")
def list_(
    state: Annotated[str, typer.Option(help="Only queued, running, succeeded, failed or cancelled ones.")] = "",
    as_json: Json = False,
) -> None:
    """Jobs, newest first."""
    from qi.contracts.jobs import ListJobs

    with studio(acts=False) as bus:
        found = bus.request(ListJobs(state=state)).jobs
    if as_json:
        document(found)
        return
    rows = [
        (short(job.id), job.title, job.state, f"{job.step}/{job.steps or '?'}", job.user, moment(job.created_at),
         job.message)
        for job in found
    ]  # fmt: skip
    table(("job", "title", "state", "steps", "user", "begun", "says"), rows, empty="no jobs")


@verbs.command("cancel")
def cancel(job: Annotated[str, typer.Argument(help="Its id, or the end of it.")]) -> None:
    """Call a job off; it ends at its next step."""
    from qi.contracts.jobs import CancelJob, ListJobs

    with studio(acts=True) as bus:
        found = [one.id for one in bus.request(ListJobs(limit=1000)).jobs if one.id.endswith(job)]
        if len(found) != 1:
            raise NotFound(f"{len(found)} jobs have an id that ends in '{job}'", remedy="`qi job list` shows them")
        done = bus.request(CancelJob(id=found[0]))
    line(f"{done.title} is {done.state if done.state != 'running' else 'called off, it ends at its next step'}")


def notices(
    everything: Annotated[bool, typer.Option("--all", help="Those that were read, too.")] = False,
    as_json: Json = False,
) -> None:
    """What addons had to say to you. It counts as read then."""
    from qi.contracts.notices import ListNotices, ReadNotices

    with studio(acts=False) as bus:
        found = bus.request(ListNotices(unread=not everything)).notices
        bus.request(ReadNotices())
    if as_json:
        document(found)
        return
    rows = [(moment(one.at), one.level, one.source, one.text) for one in found]
    table(("when", "", "from", "says"), rows, empty="nothing new")
