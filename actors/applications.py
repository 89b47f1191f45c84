"""Applications: what the addons of a context's bundle bring, started on the desktop of whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from events.catalog import decode_event, encode_change
from events.ids import new_id
from events.launches import LaunchFailed, LaunchRequested, LaunchStarted, launch_stream
from events.names import fold_name
from events.record import Change, DomainEvent, now, token_of
from qi.actor import Actor, handles
from qi.contracts.applications import (
    Application,
    ApplicationList,
    Launch,
    LaunchInfo,
    LaunchList,
    ListApplications,
    RecentLaunches,
    StartProgram,
)
from qi.contracts.bundles import BundleInfo, GetBundle
from qi.contracts.db import FindTask, GetProject, ListEntities
from qi.contracts.hosting import AddonRun, GetAddons
from qi.contracts.log import AppendEvents, ReadLog
from qi.contracts.session import ListSessions
from qi.contracts.tracker import Entity, Project
from qi.desktops import desktop_of, spoken_to
from qi.errors import BadRequest, NotFound, QiError
from qi.messages import to_session

LISTED_MOST = 1000
LOOKED_BACK = 400
"""So many events of launches are looked at for those that were last."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody works."""

    project: Project
    entity: Entity | None
    task: str = ""

    @property
    def path(self) -> str:
        return self.entity.path if self.entity else ""

    @property
    def shown(self) -> str:
        name = self.path.rpartition("/")[2] or self.project.name
        return f"{name} · {self.task}" if self.task else name


class Applications(Actor):
    """Looks up what is to be started and with what, and records it; the desktop starts it."""

    name = "applications"
    requests = (
        GetProject, ListEntities, FindTask, GetBundle, GetAddons, ListSessions, AppendEvents, ReadLog, StartProgram,
    )  # fmt: skip

    @handles(ListApplications)
    def list_applications(self, message: ListApplications) -> ApplicationList:
        place = self._place(message.project, message.entity) if message.project else None
        bundle = self._bundle(place)
        return ApplicationList(
            bundle=bundle.name,
            applications=tuple(
                Application(addon=run.name, name=one["name"], title=one["title"])
                for run in self._addons(bundle)
                for one in run.applications
            ),
        )

    @handles(Launch)
    def launch(self, message: Launch) -> LaunchInfo:
        place = self._place(message.project, message.entity, message.task)
        desktop = desktop_of(self.caller.user, self.request(ListSessions()).sessions, message.desktop)
        bundle = self._bundle(place)
        said = self._application(bundle, message.addon, message.name)
        asked = LaunchRequested(
            addon=message.addon, name=message.name, title=said["title"], project=place.project.name,
            entity=place.path, task=place.task, bundle=bundle.id, desktop=desktop.id,
        )  # fmt: skip
        launch = new_id()
        start = StartProgram(
            label=f"{message.addon}-{message.name}", title=f"{said['title']} ({place.shown})",
            programs=tuple(said["programs"]), arguments=tuple(said["arguments"]),
            folder=f"{place.project.root}/{place.project.name}",
            environment={**bundle.environment, **said["environment"], **_names(place, bundle, launch)},
        )  # fmt: skip
        self._record(launch, asked)
        try:
            with spoken_to(desktop):
                started = self.request(start, to=to_session(desktop.id))
        except QiError as error:
            self._record(launch, LaunchFailed(message=error.message))
            raise
        outcome = LaunchStarted(program=started.program, pid=started.pid, host=started.host)
        self._record(launch, outcome)
        return _info(launch, asked, outcome, now())

    @handles(RecentLaunches)
    def recent(self, message: RecentLaunches) -> LaunchList:
        page = self.request(ReadLog(category="launch", user=self.caller.user, limit=LOOKED_BACK, newest=True))
        found: dict[tuple[str, ...], LaunchInfo] = {}
        asked: dict[str, LaunchRequested] = {}
        for one in page.events:
            match decode_event(one):
                case LaunchRequested() as said:
                    asked[one.stream] = said
                case LaunchStarted() as outcome if one.stream in asked:
                    info = _info(token_of(one.stream), asked[one.stream], outcome, one.recorded_at)
                    key = (info.addon, info.name, info.project, info.entity, info.task)
                    found.pop(key, None)
                    found[key] = info
        return LaunchList(launches=tuple(reversed(found.values()))[: message.limit])

    # -- inside -------------------------------------------------------------------------------------------------

    def _place(self, project: str, path: str, task: str = "") -> Place:
        if task and not path:
            raise BadRequest("a task needs the entity it belongs to")
        if task:
            context = self.request(FindTask(project=project, entity=path, task=task))
            return Place(context.project, context.entity, context.task.name)
        found = self.request(GetProject(project=project))
        if not path:
            return Place(found, None)
        parent, _, name = path.rpartition("/")
        page = self.request(ListEntities(project=found.id, parent=parent, text=name, limit=LISTED_MOST))
        entity = next((one for one in page.items if fold_name(one.path) == fold_name(path)), None)
        if entity is None:
            raise NotFound(f"there is no '{path}' in {found.name}", project=found.name, entity=path)
        return Place(found, entity)

    def _bundle(self, place: Place | None) -> BundleInfo:
        """What a publish in that place would be made with."""
        if place is None:
            return self.request(GetBundle(bundle=self.caller.bundle or "production"))
        entity = place.entity.id if place.entity else ""
        return self.request(
            GetBundle(bundle="", project=place.project.id, entity=entity, otherwise=self.caller.bundle)
        )

    def _addons(self, bundle: BundleInfo) -> list[AddonRun]:
        runs = self.request(GetAddons(bundle=bundle.name)).addons
        return [run for run in runs if run.status == "enabled" and run.applications]

    def _application(self, bundle: BundleInfo, addon: str, name: str) -> dict[str, Any]:
        """As its addon declares it. Raises :class:`NotFound`."""
        for run in self._addons(bundle):
            for one in run.applications:
                if (run.name, one["name"]) == (addon, name):
                    return one
        raise NotFound(
            f"the bundle '{bundle.name}' has no application '{name}' of an addon '{addon}'",
            remedy="the page of the shot or `qi launch` lists what can be launched there", bundle=bundle.name,
        )  # fmt: skip

    def _record(self, launch: str, said: DomainEvent) -> None:
        changes = (encode_change(Change(launch_stream(launch), said)),)
        self.request(AppendEvents(events=changes, expected={}, command=new_id()))


def _names(place: Place, bundle: BundleInfo, launch: str) -> dict[str, str]:
    """How a program that was launched knows where it is."""
    return {
        "QI_PROJECT": place.project.name, "QI_ENTITY": place.path, "QI_TASK": place.task, "QI_BUNDLE": bundle.name,
        "QI_LAUNCH": launch,
    }  # fmt: skip


def _info(launch: str, asked: LaunchRequested, outcome: LaunchStarted, at: int) -> LaunchInfo:
    return LaunchInfo(
        launch=launch, addon=asked.addon, name=asked.name, title=asked.title, project=asked.project,
        entity=asked.entity, task=asked.task, program=outcome.program, pid=outcome.pid, host=outcome.host, at=at,
    )  # fmt: skip
