"""What every tracker keeps to. Subclass :class:`TrackerContract` and give it a fixture `tracker`::

class TestFileTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, tmp_path):
        return FileTracker(tmp_path)
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from qi.contracts.tracker import (
    Entity,
    FileRecord,
    Link,
    Note,
    Product,
    Project,
    ProjectTracker,
    Representation,
    Task,
    Tracker,
    Version,
    Viewer,
)
from qi.errors import Conflict, Invalid, Locked, NotFound

ALL = Viewer("root", sees_all=True)
FRAMES = Representation(
    name="exr",
    folder="/show/film/v001",
    files=(
        FileRecord(path="a.1001.exr", size=4, digest="a" * 64),
        FileRecord(path="a.1002.exr", size=4, digest="b" * 64),
    ),
    metadata={"colorspace": "ACEScg", "frames": [1001, 1002]},
)
MOVIE = Representation(name="mp4", folder="/show/film/v001", files=(FileRecord(path="a.mp4", size=9, digest="c" * 64),))


class TrackerContract:
    """The suite. The tracker is empty at the start of each test."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        raise NotImplementedError("give the suite a tracker")

    @pytest.fixture
    def film(self, tracker: Tracker) -> ProjectTracker:
        return tracker.within(ALL, tracker.add_project(Project(name="Film", root="/show/film")).id)

    @pytest.fixture
    def shot(self, film: ProjectTracker) -> Entity:
        return film.add_entity("seq010/sh0100", "shot", frames=(1001, 1100))

    @pytest.fixture
    def render(self, film: ProjectTracker, shot: Entity) -> Product:
        return film.ensure_product(shot.id, "renderMain", "render")

    @pytest.fixture
    def v001(self, render: Product) -> Version:
        return Version(product=render.id, number=1, key="k1", publish="p1", author="ada", comment="first")

    def test_a_project_comes_back_as_it_went_in(self, tracker: Tracker) -> None:
        given = Project(name="Film", root="/show/film", code="flm", fps=25.0, resolution=(2048, 858), bundle="b1")
        made = tracker.add_project(given)
        assert made == replace(given, id=made.id)
        assert tracker.project(ALL, made.id) == tracker.project(ALL, "FILM") == made

    def test_two_projects_never_share_a_name(self, tracker: Tracker) -> None:
        film = tracker.add_project(Project(name="Film", root="/a"))
        with pytest.raises(Conflict):
            tracker.add_project(Project(name="film", root="/b"))
        show = tracker.add_project(Project(name="Show", root="/b"))
        with pytest.raises(Conflict):
            tracker.change_project(replace(show, name="FILM"))
        assert tracker.change_project(replace(film, name="FILM")).name == "FILM"

    @pytest.mark.parametrize("bad", [{"name": ""}, {"root": "relative"}, {"fps": 0.0}, {"resolution": (0, 1)}])
    def test_a_malformed_project_is_refused(self, tracker: Tracker, bad: dict[str, object]) -> None:
        with pytest.raises(Invalid):
            tracker.add_project(replace(Project(name="Film", root="/a"), **bad))  # type: ignore[arg-type]

    def test_projects_come_in_pages_by_name_without_the_archived_ones(self, tracker: Tracker) -> None:
        for name in ("c", "A", "b", "d"):
            tracker.add_project(Project(name=name, root="/x", archived=name == "d"))
        first = tracker.projects(ALL, limit=2)
        second = tracker.projects(ALL, limit=2, after=first.next)
        assert [p.name for p in (*first.items, *second.items)] == ["A", "b", "c"]
        assert second.next == ""
        assert len(tracker.projects(ALL, archived=True).items) == 4

    def test_a_project_with_members_is_theirs_and_the_leads(self, tracker: Tracker) -> None:
        secret = tracker.add_project(Project(name="Secret", root="/s", members=("Ada",)))
        tracker.add_project(Project(name="Open", root="/o"))
        names = {user: [p.name for p in tracker.projects(Viewer(user)).items] for user in ("ada", "bob")}
        assert names == {"ada": ["Open", "Secret"], "bob": ["Open"]}
        assert len(tracker.projects(ALL).items) == 2
        tracker.within(Viewer("ada"), secret.id)
        for look in (tracker.project, tracker.within):
            with pytest.raises(NotFound):
                look(Viewer("bob"), secret.id)

    def test_what_is_not_there_is_not_found(self, tracker: Tracker, film: ProjectTracker) -> None:
        with pytest.raises(NotFound):
            tracker.change_project(Project(id="nothing", name="x", root="/x"))
        for look in (film.entity, film.task, film.product, film.version, film.representations, film.last_number,
                     film.notes, film.links, film.change_entity, film.change_task, film.change_version):  # fmt: skip
            with pytest.raises(NotFound):
                look("nothing")

    def test_nothing_is_written_in_an_archived_project(self, tracker: Tracker, film: ProjectTracker) -> None:
        tracker.change_project(replace(tracker.project(ALL, "film"), archived=True))
        with pytest.raises(Locked):
            film.add_entity("seq010", "sequence")
        assert film.entities().items == ()

    def test_what_is_missing_above_an_entity_is_made(self, film: ProjectTracker) -> None:
        shot = film.add_entity("ep01/seq010/sh0100", "shot", frames=(1001, 1010), attributes={"handles": 8})
        above = film.entity("ep01/seq010")
        assert (shot.path, shot.name, shot.parent, shot.kind) == ("ep01/seq010/sh0100", "sh0100", above.id, "shot")
        assert (above.kind, film.entity("EP01").kind) == ("sequence", "folder")
        assert film.entity("EP01/SEQ010/SH0100") == film.entity(shot.id) == shot
        assert film.add_entity("ep01/SEQ010/sh0200", "shot").parent == above.id

    def test_an_entity_is_unique_within_its_parent(self, film: ProjectTracker, shot: Entity) -> None:
        for taken in ("seq010", "seq010/SH0100"):
            with pytest.raises(Conflict):
                film.add_entity(taken, "sequence")
        film.add_entity("seq020/sh0100", "shot")

    @pytest.mark.parametrize("path", ["", "/", "a//b", "a/ b", "a/"])
    def test_a_malformed_path_is_refused(self, film: ProjectTracker, path: str) -> None:
        with pytest.raises(Invalid):
            film.add_entity(path, "shot")

    def test_a_malformed_entity_is_refused(self, film: ProjectTracker, shot: Entity) -> None:
        with pytest.raises(Invalid):
            film.add_entity("x", "planet")
        with pytest.raises(Invalid):
            film.add_entity("x", "shot", frames=(2, 1))
        with pytest.raises(Invalid):
            film.change_entity(shot.id, frames=(2, 1))
        with pytest.raises(Invalid):
            film.change_entity(shot.id, attributes={"x": float("nan")})
        assert film.entity(shot.id) == shot

    def test_entities_are_listed_below_a_parent_by_kind_and_by_text(self, film: ProjectTracker, shot: Entity) -> None:
        film.add_entity("seq010/sh0200", "shot")
        film.add_entity("assets/hero", "asset")
        assert [e.path for e in film.entities().items] == [
            "assets", "assets/hero", "seq010", "seq010/sh0100", "seq010/sh0200",
        ]  # fmt: skip
        assert [e.path for e in film.entities(parent="").items] == ["assets", "seq010"]
        assert [e.name for e in film.entities(parent=shot.parent).items] == ["sh0100", "sh0200"]
        assert [e.name for e in film.entities(kind="asset").items] == ["hero"]
        assert [e.name for e in film.entities(text="SH01").items] == ["sh0100"]

    def test_a_page_goes_on_where_the_last_ended_whatever_is_added(self, film: ProjectTracker) -> None:
        for n in range(7):
            film.add_entity(f"sh{n}", "shot")
        seen, after = [], ""
        while True:
            page = film.entities(limit=3, after=after)
            seen += [e.name for e in page.items]
            after = page.next
            if not after:
                break
            film.add_entity(f"a{len(seen)}", "asset")
        assert seen == [f"sh{n}" for n in range(7)]
        with pytest.raises(Invalid):
            film.entities(limit=0)

    def test_an_entity_is_changed_in_parts(self, film: ProjectTracker, shot: Entity) -> None:
        film.change_entity(shot.id, attributes={"handles": 8, "lens": "50mm"})
        changed = film.change_entity(shot.id, frames=(1001, 1050), attributes={"lens": None})
        assert changed == replace(shot, frames=(1001, 1050), attributes={"handles": 8})
        assert film.entity(shot.id) == changed

    def test_tasks_are_found_by_entity_and_by_who_has_them(self, film: ProjectTracker, shot: Entity) -> None:
        comp = film.add_task(Task(entity=shot.id, name="comp", type="comp", assignees=("Ada",)))
        film.add_task(Task(entity=shot.id, name="anim", type="anim"))
        assert [t.name for t in film.tasks(entity=shot.id).items] == ["anim", "comp"]
        assert film.tasks(assignee="ada").items == (film.task(comp.id),) == (comp,)
        with pytest.raises(Conflict):
            film.add_task(Task(entity=shot.id, name="COMP", type="comp"))
        with pytest.raises(NotFound):
            film.add_task(Task(entity="nothing", name="comp", type="comp"))
        assert film.change_task(comp.id, status="done").assignees == ("Ada",)
        assert film.change_task(comp.id, assignees=()).status == "done"

    def test_a_product_is_made_once(self, film: ProjectTracker, shot: Entity, render: Product) -> None:
        assert film.ensure_product(shot.id, "RENDERmain", "render") == film.product(render.id) == render
        with pytest.raises(Conflict):
            film.ensure_product(shot.id, "renderMain", "model")
        film.ensure_product(shot.id, "plate", "plate")
        assert [p.name for p in film.products(entity=shot.id).items] == ["plate", "renderMain"]
        assert film.products(product_type="render").items == (render,)

    def test_a_version_is_registered_with_all_it_has(self, film: ProjectTracker, v001: Version) -> None:
        made = film.register(v001, [MOVIE, FRAMES])
        assert made == replace(v001, id=made.id, created_at=made.created_at)
        assert made.created_at > 0
        assert film.versions(product=v001.product).items == (film.version(made.id),) == (made,)
        kept = film.representations(made.id)
        assert [replace(one, id="", version="") for one in kept] == [FRAMES, MOVIE]
        assert {one.version for one in kept} == {made.id}
        assert len({one.id for one in kept}) == 2

    def test_registering_twice_under_one_key_is_registering_once(self, film: ProjectTracker, v001: Version) -> None:
        made = film.register(v001, [FRAMES])
        film.change_version(made.id, status="final", approval="approved")
        again = film.register(v001, [FRAMES])
        assert (again.id, again.approval) == (made.id, "approved")
        assert len(film.versions(product=v001.product).items) == 1

    def test_another_thing_under_a_known_key_is_refused(self, film: ProjectTracker, v001: Version) -> None:
        film.register(v001, [FRAMES])
        for other, files in ((replace(v001, number=2), FRAMES), (v001, MOVIE), (replace(v001, comment="x"), FRAMES)):
            with pytest.raises(Conflict):
                film.register(other, [files])

    def test_a_number_is_taken_once(self, film: ProjectTracker, v001: Version) -> None:
        film.register(v001, [])
        with pytest.raises(Conflict):
            film.register(replace(v001, key="k2"), [])
        assert film.last_number(v001.product) == 1

    def test_the_last_number_is_the_highest_whatever_came_first(
        self, film: ProjectTracker, render: Product, v001: Version
    ) -> None:
        assert film.last_number(render.id) == 0
        for number in (7, 3, 10):
            film.register(replace(v001, number=number, key=f"k{number}"), [])
        assert film.last_number(render.id) == 10
        assert [v.number for v in film.versions(product=render.id).items] == [3, 7, 10]

    def test_a_malformed_version_is_refused(self, film: ProjectTracker, v001: Version) -> None:
        for bad in (replace(v001, number=0), replace(v001, key="")):
            with pytest.raises(Invalid):
                film.register(bad, [])
        with pytest.raises(Invalid):
            film.register(v001, [FRAMES, replace(MOVIE, name="EXR")])
        for bad in (replace(v001, product="nothing"), replace(v001, task="nothing")):
            with pytest.raises(NotFound):
                film.register(bad, [])
        assert film.versions().items == ()

    def test_status_and_approval_change_one_by_one(self, film: ProjectTracker, v001: Version) -> None:
        made = film.register(v001, [FRAMES])
        film.change_version(made.id, approval="approved")
        assert film.change_version(made.id, status="final").approval == "approved"
        assert film.representations(made.id)[0].name == "exr"
        with pytest.raises(Invalid):
            film.change_version(made.id, approval="perhaps")

    def test_notes_hang_on_entities_and_versions(self, film: ProjectTracker, shot: Entity, v001: Version) -> None:
        made = film.register(v001, [])
        for n, text in enumerate(("one", "two"), start=1):
            film.add_note(Note(target=made.id, author="ada", text=text, created_at=n))
        film.add_note(Note(target=shot.id, author="bob", text="on the shot"))
        assert [note.text for note in film.notes(made.id).items] == ["one", "two"]
        assert [note.author for note in film.notes(shot.id).items] == ["bob"]
        with pytest.raises(NotFound):
            film.add_note(Note(target="nothing", author="ada", text="x"))
        with pytest.raises(Invalid):
            film.add_note(Note(target=shot.id, author="ada", text=" "))

    def test_links_are_seen_from_both_ends_and_never_make_a_circle(self, film: ProjectTracker, v001: Version) -> None:
        a, b, c = (film.register(replace(v001, number=n, key=f"k{n}"), []).id for n in (1, 2, 3))
        made = film.add_link(Link(input=a, output=b))
        assert film.add_link(Link(input=a, output=b)) == made
        other = film.add_link(Link(input=b, output=c, type="generative"))
        assert set(film.links(b)) == {made, other}
        assert film.links(a) == (made,)
        for loop in (Link(input=c, output=a), Link(input=a, output=a)):
            with pytest.raises(Invalid):
                film.add_link(loop)
        with pytest.raises(Invalid):
            film.add_link(Link(input=a, output=c, type="vague"))

    def test_projects_keep_to_themselves(self, tracker: Tracker, film: ProjectTracker, shot: Entity) -> None:
        other = tracker.within(ALL, tracker.add_project(Project(name="Other", root="/o")).id)
        assert other.entities().items == ()
        with pytest.raises(NotFound):
            other.entity(shot.id)
