"""The pages over a tracker that has much to tell, that is slow or away, and that refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from events.ids import new_id
from qi.contracts.db import ChangeTask, CreateEntity, ListTasks
from qi.testing.studio import RunningStudio, Shot

pytestmark = pytest.mark.xdist_group("ui")

FAILED = "The tracker does not answer"
SHOTS = 7


class Between:
    """Sits on a window's wire. What is asked by a topic that begins with one of `topics` it answers itself by `how`:
    an error or a reply; by nothing, nobody ever does."""

    def __init__(self, page: Page) -> None:
        self.topics: tuple[str, ...] = ()
        self.how: dict[str, Any] = {}
        self.limit = 0
        self.asked: list[dict[str, Any]] = []
        page.route_web_socket(re.compile("/ws"), self._sit)

    def _sit(self, route: Any) -> None:
        server = route.connect_to_server()

        def up(text: str) -> None:
            frame = json.loads(text)
            if frame.get("op") == "request":
                self.asked.append(frame)
                if frame["topic"].startswith(self.topics or ("-",)):
                    if self.how:
                        route.send(json.dumps({"id": frame["id"], **self.how}))
                    return
                if self.limit and frame["topic"].startswith("db.") and "limit" in frame["data"]:
                    text = json.dumps({**frame, "data": {**frame["data"], "limit": self.limit}})
            server.send(text)

        route.on_message(up)


LATE = {"op": "error", "error": {"code": 504, "message": "no answer to 'db.x' in time", "data": {"topic": "db.x"}}}
REFUSED = {"op": "error", "error": {"code": 409, "message": "It is not approved yet."}}
NONE = {"op": "reply", "data": {"items": [], "next": ""}}


@pytest.fixture
def many(studio: RunningStudio) -> Iterator[Shot]:
    """The last of a project's shots, whose task is root's; none of the others is."""
    first = studio.given_project(entity="seq010/sh0000")
    paths = [f"seq010/sh00{number}0" for number in range(1, SHOTS)]
    for path in paths:
        studio.bus.request(CreateEntity(project=first.project, path=path, tasks=("comp",), command=new_id()))
    (task,) = studio.bus.request(ListTasks(project=first.project, entity=paths[-1])).items
    studio.bus.request(ChangeTask(project=first.project, task=task.id, assignees=("root",), command=new_id()))
    return Shot(first.project, paths[-1])


def test_what_no_first_page_of_the_tracker_holds_is_shown_found_and_published_to(
    window: Callable[..., Any], studio: RunningStudio, many: Shot
) -> None:
    one = window("root")
    between = Between(one.page)
    between.limit = 2
    page = one.go(f"/?project={many.project}")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=many.entity))
    expect(row.get_by_role("combobox", name="Status of comp")).to_be_visible()
    expect(page.get_by_role("treeitem")).to_have_count(SHOTS + 1)
    page.get_by_label("Find a shot or asset").fill("sh0060")
    page.get_by_role("treeitem", name=many.entity).get_by_role("button").click()
    expect(page.get_by_role("heading", name="Notes")).to_be_visible()

    # One that is there keeps its address, also after a reload; without a task it is said what to do.
    page.get_by_role("link", name="Publish here").click()
    where, task = page.get_by_label("Shot or asset"), page.get_by_role("combobox", name="Task")
    for _ in range(2):
        expect(where).to_have_value(many.entity)
        expect(task).to_have_value("comp")
        expect(page).to_have_url(re.compile(r"entity=seq010%2Fsh0060&task=comp"))
        page.reload()
    where.fill("seq010")
    expect(page.get_by_text("seq010 has no task")).to_be_visible()
    expect(page.get_by_text("Still to say: a task, files")).to_be_visible()


def test_of_a_tracker_that_does_not_answer_what_is_known_stays_with_its_age(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    one = window("root")
    between = Between(one.page)
    page = one.go(f"/?project={shot.project}&entity={shot.entity}")
    status, age = (
        page.get_by_role("combobox", name="Status of comp"),
        page.get_by_role("status", name="How old this is"),
    )
    expect(status).to_have_value("todo")
    between.topics, between.how = ("db.",), LATE
    (task,) = studio.bus.request(ListTasks(project=shot.project)).items
    studio.bus.request(ChangeTask(project=shot.project, task=task.id, status="review", command=new_id()))
    expect(age).to_contain_text(re.compile("As of.*(just now|ago).*the tracker does not answer", re.DOTALL))
    expect(status).to_have_value("todo")
    expect(page.locator("main")).not_to_contain_text(re.compile(r"in time|db\."))
    between.topics = ()
    age.get_by_role("button", name="Try again").click()
    expect(age).to_have_count(0)
    expect(status).to_have_value("review")

    # Nothing is known yet: it is no empty studio.
    between.topics, between.how = ("db.", "bundle.list"), {}
    page = one.go("/")
    expect(age).to_have_text("looking…", ignore_case=True)
    expect(page.get_by_role("combobox", name="Project")).to_have_text("Looking…")
    page = one.go("/bundles")
    expect(page.get_by_text("Looking…")).to_be_visible()
    expect(page.get_by_text("Clone one to change it")).to_have_count(0)
    between.how = LATE
    page = one.go("/publish")
    expect(age).to_contain_text(FAILED, ignore_case=True)
    expect(page.get_by_role("alert")).to_have_text("No answer came in time.")  # of the bundles, and once
    between.topics, between.how = ("db.project.list",), NONE
    page = one.go("/publish")
    expect(page.get_by_text("There is no project to publish to")).to_be_visible()


def test_work_begins_on_a_shot_without_tasks(window: Callable[..., Any], studio: RunningStudio, shot: Shot) -> None:
    studio.bus.request(CreateEntity(project=shot.project, path="seq010/bare", command=new_id()))
    address = f"/?project={shot.project}&entity=seq010/bare"
    seen = window("ada").go(address)
    expect(seen.get_by_text("No tasks here yet: a lead makes the first.")).to_be_visible()

    page = window("root").go(address)
    expect(page.get_by_text("Work begins with New task, on the right.")).to_be_visible()
    page.get_by_role("button", name="New task…").click()
    dialog = page.get_by_role("dialog", name="A new task on seq010/bare")
    dialog.get_by_label("Name").fill("roto")
    dialog.get_by_label("Who").fill("ada, root")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog).to_have_count(0)
    for one in (page, seen):
        row = one.get_by_role("row").filter(has=one.get_by_role("combobox", name="Status of roto"))
        expect(row).to_contain_text("ada, root")

    page.get_by_role("button", name="New task…").click()
    dialog.get_by_label("Name").fill("roto")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("there is a task 'roto' already")


def test_a_refused_status_goes_back_and_by_keyboard_one_is_recorded_with_enter(
    window: Callable[..., Any], studio: RunningStudio, shot: Shot
) -> None:
    one = window("root")
    between = Between(one.page)
    page = one.go(f"/?project={shot.project}&entity={shot.entity}")
    status = page.get_by_role("combobox", name="Status of comp")
    between.topics, between.how = ("db.task.change",), REFUSED
    status.select_option("done")
    expect(page.get_by_text("It is not approved yet.")).to_be_visible()
    expect(status).to_have_value("todo")
    between.topics = ()
    between.asked.clear()
    status.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("comp is in progress")).to_be_visible()
    status.press("ArrowDown")
    status.press("Escape")
    expect(status).to_have_value("in progress")
    wanted = [frame["data"]["status"] for frame in between.asked if frame["topic"] == "db.task.change"]
    assert wanted == ["in progress"]

    # Accepted, and then the tracker is silent: what was accepted is shown, not what was known before.
    between.topics, between.how = ("db.task.list",), LATE
    status.select_option("done")
    expect(page.get_by_text("comp is done")).to_be_visible()
    expect(page.get_by_role("status", name="How old this is")).to_contain_text("does not answer")
    expect(status).to_have_value("done")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/?project=Nope", "There is no project “Nope”"),
        ("/?project={project}&entity=seq9/none", "There is no “seq9/none” in"),
        ("/bundles?bundle=nope", "There is no bundle “nope”"),
        ("/history?position=99999999", "There is no event #99999999"),
    ],
)
def test_an_address_of_what_is_not_there_says_so_once(
    window: Callable[..., Any], shot: Shot, address: str, said: str
) -> None:
    page = window("root").go(address.replace("{project}", shot.project))
    expect(page.get_by_text(said)).to_have_count(1)
    expect(page.get_by_role("alert").filter(has_not_text=re.compile(f"barometer|{re.escape(said)}"))).to_have_count(0)
