"""The tracker as everybody asks for it: through the mesh, over whatever addon has the role."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.ids import new_id
from events.projects import project_stream
from qi.contracts.db import (
    AddLink,
    AddNote,
    ChangeTask,
    ChangeVersion,
    CreateEntity,
    CreateProject,
    CreateTask,
    FindTask,
    GetEntity,
    GetProject,
    GetVersion,
    LatestVersion,
    ListEntities,
    ListLinks,
    ListNotes,
    ListProducts,
    ListTasks,
    ListVersions,
    RegisterVersion,
)
from qi.contracts.publish import ShowPublish
from qi.errors import Conflict, NotFound, QiError
from qi.testing.studio import RunningStudio, Shot


@pytest.fixture
def note(tmp_path: Path) -> str:
    (tmp_path / "note.txt").write_text("hold the last frame", "utf-8")
    return str(tmp_path / "note.txt")


def test_missing_parents_are_made_and_their_kinds_follow(studio: RunningStudio) -> None:
    shot = studio.given_project(entity="ep01/seq010/sh0100")
    found = studio.bus.request(ListEntities(project=shot.project)).items
    assert {entity.path: entity.kind for entity in found} == {
        "ep01": "folder", "ep01/seq010": "sequence", "ep01/seq010/sh0100": "shot",
    }  # fmt: skip
    tasks = studio.bus.request(ListTasks(project=shot.project, entity="ep01/seq010/sh0100")).items
    assert [(task.name, task.status) for task in tasks] == [("comp", "todo")]


def test_lists_come_in_pages_that_miss_nothing_and_repeat_nothing(studio: RunningStudio, shot: Shot) -> None:
    wanted = {f"seq020/sh{number:04d}" for number in range(12)}
    for path in wanted:
        studio.bus.request(CreateEntity(project=shot.project, path=path, command=new_id()))
    seen: list[str] = []
    after = ""
    while True:
        page = studio.bus.request(ListEntities(project=shot.project, kind="shot", after=after, limit=5))
        assert len(page.items) <= 5
        seen += [entity.path for entity in page.items]
        after = page.next
        if not after:
            break
    assert sorted(seen) == sorted({*wanted, shot.entity})
    named = studio.bus.request(GetEntity(project=shot.project, entity="SEQ020/sh0011"))
    assert named == studio.bus.request(GetEntity(project=shot.project, entity=named.id))
    assert (named.path, named.kind) == ("seq020/sh0011", "shot")


def test_a_project_needs_a_root_that_is_there_and_a_name_of_its_own(studio: RunningStudio, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not there"):
        studio.bus.request(CreateProject(name="Homeless", root=str(tmp_path / "nowhere"), command=new_id()))
    shot = studio.given_project()
    with pytest.raises(Conflict):
        studio.bus.request(CreateProject(name=shot.project.upper(), command=new_id()))
    assert studio.bus.request(GetProject(project=shot.project.lower())).name == shot.project


def test_who_created_a_project_is_in_the_log_once(studio: RunningStudio) -> None:
    asked = CreateProject(name=f"Begun {new_id()[-6:]}", command=new_id())
    made = studio.bus.request(asked)
    with pytest.raises(Conflict):
        studio.bus.request(asked)
    (event,) = studio.events(stream=project_stream(made.id))
    assert (event.type, event.data["name"], event.data["root"]) == ("project.created", made.name, made.root)
    assert event.meta.user not in ("", "studio")
    assert project_stream("71c/ä").startswith("project-")


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (GetProject(project="No such project"), "No such project"),
        (GetEntity(project="{project}", entity="seq999/sh1"), "seq999/sh1"),
        (GetVersion(project="{project}", version="nothing"), "nothing"),
        (FindTask(project="{project}", entity="seq999/sh1", task="comp"), "seq999/sh1"),
        (FindTask(project="{project}", entity="seq010/sh0100", task="paint"), "paint"),
    ],
)
def test_what_is_not_known_is_named(
    studio: RunningStudio, shot: Shot, asked: GetProject | GetEntity | GetVersion | FindTask, word: str
) -> None:
    request = type(asked)(**{**vars(asked), "project": asked.project.replace("{project}", shot.project)})
    with pytest.raises(NotFound) as told:
        studio.bus.request(request)
    assert word in told.value.message


def test_tasks_versions_notes_and_links_after_a_publish(studio: RunningStudio, shot: Shot, note: str) -> None:
    first = studio.finished(studio.publish(shot, [note], product="notes"))
    second = studio.finished(studio.publish(shot, [note], product="notes"))
    project = shot.project
    (product,) = studio.bus.request(ListProducts(project=project, entity=shot.entity)).items
    versions = studio.bus.request(ListVersions(project=project, product=product.id)).items
    by_number = {version.number: version for version in versions}
    assert {n: v.publish for n, v in by_number.items()} == {1: first.publish, 2: second.publish}
    assert all(version.author and version.created_at for version in versions)
    assert studio.bus.request(LatestVersion(project=project, entity=shot.entity, product="NOTES")).number == 2

    one, two = by_number[1], by_number[2]
    found = studio.bus.request(GetVersion(project=project, version=two.id))
    assert (found.entity.path, found.product, found.version) == (shot.entity, product, two)
    changed = studio.bus.request(ChangeVersion(project=project, version=two.id, approval="approved", command=new_id()))
    assert (changed.approval, changed.publish) == ("approved", second.publish)
    studio.bus.request(AddNote(project=project, target=two.id, text="lovely", command=new_id()))
    assert [n.text for n in studio.bus.request(ListNotes(project=project, target=two.id)).items] == ["lovely"]
    studio.bus.request(AddLink(project=project, input=one.id, output=two.id, command=new_id()))
    assert [(x.input, x.output) for x in studio.bus.request(ListLinks(project=project, version=two.id)).items] == [
        (one.id, two.id)
    ]
    (task,) = studio.bus.request(ListTasks(project=project)).items
    done = studio.bus.request(
        ChangeTask(project=project, task=task.id, status="done", assignees=("ada",), command=new_id())
    )
    assert (done.status, done.assignees) == ("done", ("ada",))


def test_a_task_is_made_on_what_is_there_already(studio: RunningStudio, shot: Shot) -> None:
    asked = CreateTask(
        project=shot.project, entity=shot.entity, name="roto", type="paint", assignees=("ada",), command=new_id()
    )
    made = studio.bus.request(asked)
    assert (made.name, made.type, made.assignees, made.status) == ("roto", "paint", ("ada",), "todo")
    found = studio.bus.request(FindTask(project=shot.project, entity=shot.entity, task="ROTO"))
    assert found.task == made
    plain = studio.bus.request(CreateTask(project=shot.project, entity=shot.entity, name="light", command=new_id()))
    assert plain.type == "light"
    with pytest.raises(Conflict, match="roto"):
        studio.bus.request(CreateTask(project=shot.project, entity=shot.entity, name="roto", command=new_id()))
    with pytest.raises(NotFound, match="sq/none"):
        studio.bus.request(CreateTask(project=shot.project, entity="sq/none", name="roto", command=new_id()))


def test_registering_twice_under_one_key_is_one_version(studio: RunningStudio, shot: Shot, note: str) -> None:
    info = studio.finished(studio.publish(shot, [note], product="notes"))
    state = studio.events(stream=f"publish-{info.publish}", type="publish.planned")[0]
    again = RegisterVersion(
        project=shot.project, entity=shot.entity, task=shot.task, product="notes", number=1, path=str(info.path),
        publish=info.publish, key=info.publish, plan=state.data["plan"], command=new_id(),
    )  # fmt: skip

    known = studio.bus.request(again)

    versions = studio.bus.request(ListVersions(project=shot.project)).items
    assert [(version.id, version.number) for version in versions] == [(known.id, 1)]
    with pytest.raises(QiError) as told:
        studio.bus.request(type(again)(**{**vars(again), "key": new_id(), "command": new_id()}))
    assert told.value.code == 409
    assert studio.bus.request(ShowPublish(publish=info.publish)).state == "succeeded"
