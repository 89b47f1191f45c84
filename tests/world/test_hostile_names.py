"""Names in any script, and names that try to lead elsewhere: a version lies in its folder, or nothing is made."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.blobs import Blobs
from events.errors import QiError
from events.ids import new_id
from events.record import Digest
from qi.addon_record import read_addon
from qi.contracts.bundles import CreateBundle
from qi.contracts.db import CreateEntity, CreateProject
from qi.contracts.publish import ListFiles, Remap
from qi.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from qi.integrate import Place, claim, commit, digest_file, stage
from qi.paths import PathConfig, Paths, path_values, this_platform
from qi.testing.studio import RunningStudio, Shot
from qi.worker.planning import outputs_of, plan

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
NFD = unicodedata.normalize("NFD", "Schönheit")
LONGEST = "字" * 60  # 180 bytes: with entity, version and extension just below the longest name a disk takes
HOSTILE = (
    "..", "../up", "/etc/up", "a/../../up", "up/..", "\\\\server\\up", "C:up", "a\0b", "a\nb", "~root", ".", ".hidden",
    "con", "x" * 300, "{root[projects]}", "<up>", "", " ", "up ",
    "\u202eup", "%2e%2e%2fup", "qi.rpc.studio.*", "\ud800",
)  # fmt: skip


@pytest.fixture
def note(tmp_path: Path) -> str:
    (tmp_path / "note.txt").write_text("hold", "utf-8")
    return str(tmp_path / "note.txt")


PRODUCTS_AND_SOURCES = {
    "الجمال": "灯台 الفنار.txt",
    "美しさ 字": "new\nline.txt",
    FAMILY + " family": "quote'\".txt",
    NFD: unicodedata.normalize("NFD", "é.txt"),
    "it's `here` & $there; #1 (final)": "#hash %d *.txt",
    LONGEST: "a" * 251 + ".txt",
    "क्षि": "[x]{y}<z>.txt",
    "a.b.c": "tab\t\\back.txt",
    "-rf": "-rf $(rm) with space.txt",
}


def test_products_and_sources_may_be_named_in_any_script(studio: RunningStudio, shot: Shot, tmp_path: Path) -> None:
    for source in PRODUCTS_AND_SOURCES.values():
        (tmp_path / source).write_text(source, "utf-8")

    asked = {
        product: studio.publish(shot, [str(tmp_path / source)], product=product)
        for product, source in PRODUCTS_AND_SOURCES.items()
    }

    for product, publish in asked.items():
        info = studio.finished(publish)
        assert info.state == "succeeded", info.error
        (file,) = studio.bus.request(ListFiles(publish=publish)).files
        assert Path(file.path).read_text("utf-8") == PRODUCTS_AND_SOURCES[product]
        folder = studio.home.projects / shot.project / shot.entity / "publish" / unicodedata.normalize("NFC", product)
        assert Path(file.path).parent == folder / "v001"


def test_two_spellings_of_one_name_are_one_product(studio: RunningStudio, shot: Shot, note: str) -> None:
    spellings = (NFD, unicodedata.normalize("NFC", NFD))

    infos = [studio.finished(studio.publish(shot, [note], product=name)) for name in spellings]

    assert [(info.state, info.version) for info in infos] == [("succeeded", 1), ("succeeded", 2)]
    assert len({Path(str(info.path)).parent for info in infos}) == 1


def test_sources_and_destinations_may_lie_deep(studio: RunningStudio, tmp_path: Path) -> None:
    shot = studio.given_project(entity="/".join(["e" * 150] * 10))
    deep = tmp_path / "/".join(["d" * 200] * 8)
    deep.mkdir(parents=True)
    (deep / "note.txt").write_text("deep", "utf-8")

    info = studio.finished(studio.publish(shot, [str(deep / "note.txt")], product="notes"))

    assert info.state == "succeeded", info.error
    assert len(str(deep)) > 1024 < len(str(info.path))


def test_what_no_disk_can_hold_is_refused_before_a_publish_exists(
    studio: RunningStudio, shot: Shot, note: str, tmp_path: Path
) -> None:
    command = new_id()
    with pytest.raises(Invalid, match="longer than 255 bytes"):
        studio.publish(shot, [note], product="字" * 84, command=command)  # a folder of 252 bytes, a longer file name
    raw = os.fsencode(tmp_path) + b"/not-utf8-\xff.txt"
    Path(os.fsdecode(raw)).write_text("x", "utf-8")
    with pytest.raises(QiError) as refused:
        studio.publish(shot, [os.fsdecode(raw)], product="notes", command=command)
    assert refused.value.code in (400, 422)
    assert studio.events(stream=f"publish-{command}") == []


# -- names that lead elsewhere ----------------------------------------------------------------------------------


def everything(folder: Path) -> set[str]:
    """Also of a studio that runs, whose folders go while they are looked at: os.walk passes over those."""
    found = (Path(place, name) for place, *names in os.walk(folder) for name in (*names[0], *names[1]))
    return {path.relative_to(folder).as_posix() for path in found}


def test_no_name_that_anybody_gives_leads_out_of_its_folder(studio: RunningStudio, note: str, tmp_path: Path) -> None:
    """Each hostile name in each place: refused as the caller's mistake, or taken as a mere name."""
    shot = studio.given_project()
    projects = studio.home.projects
    before = everything(studio.home.root.parent)
    refusals = (BadRequest, Invalid, NotFound, Conflict, Forbidden)
    published: list[str] = []
    taken = {"product": 0, "project": 0, "entity": 0, "task": 0}

    def tried(what: str, *ask: object) -> bool:
        try:
            studio.bus.request(*ask)  # type: ignore[arg-type]
        except refusals:
            return False
        taken[what] += 1
        return True

    def publish(what: str, target: Shot, product: str) -> None:
        try:
            published.append(studio.publish(target, [note], product=product))
        except refusals:
            return
        taken[what] += 1

    for name in HOSTILE:
        publish("product", shot, name)
        if tried("entity", CreateEntity(project=shot.project, path=name, tasks=("comp",), command=new_id())):
            publish("entity", Shot(shot.project, name, "comp"), "notes")
        if tried("task", CreateEntity(project=shot.project, path=new_id(), tasks=(name,), command=new_id())):
            taken["task"] += 1
        if tried("project", CreateProject(name=name + new_id()[-4:], command=new_id())):
            taken["project"] += 1
        if tried("project", CreateProject(name=name, command=new_id())):
            tried("project", CreateEntity(project=name, path="sh", tasks=("comp",), command=new_id()))
            publish("project", Shot(name, "sh", "comp"), "notes")
        for bundle in (name, f"../{name}"):
            tried("project", CreateBundle(name=bundle, reason="a test", command=new_id()))
        with pytest.raises(refusals):
            studio.publish(shot, [note], product="notes", command=f"../{name}")
    infos = [studio.finished(one) for one in published]

    for info in infos:
        assert info.state in ("succeeded", "failed")
        if info.path:
            assert Path(info.path).resolve().is_relative_to(projects.resolve())
    own = ("projects", "runs", "blobs", "code", "logs", "keys", "tracker", "events.db", "views.db", "state.db")
    inside = tuple(f"{studio.home.root.name}/{place}" for place in own)
    assert not [path for path in everything(studio.home.root.parent) - before if not path.startswith(inside)]
    assert all(taken.values()), taken


def test_a_remap_moves_no_version(studio: RunningStudio, shot: Shot, note: str, tmp_path: Path) -> None:
    first = studio.finished(studio.publish(shot, [note], product="notes"))
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "note.txt").write_text("hold", "utf-8")

    with pytest.raises(Invalid, match=r"remap\.0\.old"):
        studio.replay(first.publish, "rerun", remap=(Remap(old="a\0", new=".."),))
    rules = (Remap(old="", new="/"), Remap(old=str(tmp_path), new=f"{tmp_path}/up/../up"))
    info = studio.finished(studio.replay(first.publish, "rerun", remap=rules))

    assert info.state == "succeeded", info.error
    assert Path(str(info.path)).parent == Path(str(first.path)).parent


ANY = st.text(max_size=12) | st.sampled_from(HOSTILE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ANY, ANY, ANY, ANY, ANY, ANY)
def test_whatever_a_plugin_calls_its_outputs_they_lie_in_the_version(
    tmp_path: Path, name: str, ext: str, output: str, product: str, entity: str, project: str
) -> None:
    root, source = tmp_path / "root", tmp_path / "source"
    root.mkdir(exist_ok=True)
    source.write_bytes(b"x")
    paths = Paths(PathConfig(roots={"projects": {this_platform(): str(root)}}))
    try:
        values = path_values(project, entity, product=product, version=1)
        folder = paths.publish_folder(values)
        place = Place("p1", paths.root_of(folder), folder)
        made_by_plugin = {"name": name, "ext": ext, "output": output, "files": [str(source)]}
        found = outputs_of([{"representations": [made_by_plugin]}])
        given_ = {"project": project, "entity": entity, "product": product, "version": 1}
        made = plan(place, found, {source: digest_file(source)}, tmp_path / "own", paths, given_)
    except Invalid:
        return
    claim(place)
    stage(made)
    commit(made)
    visible = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".qi.json" and path != source]
    assert [path.resolve().parent for path in visible] == [folder]
    assert folder.resolve().is_relative_to(root.resolve())
    for path in (visible[0], folder / ".qi.json"):
        path.unlink()
    folder.rmdir()


@given(ANY)
def test_no_digest_leads_out_of_the_content_store(digest: str) -> None:
    with pytest.raises(Invalid):
        Blobs(Path("/store")).path(Digest(digest))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ANY)
def test_no_addon_is_named_a_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "addon"
    folder.mkdir(exist_ok=True)
    quoted = name.encode("unicode_escape").decode().replace('"', '\\"')
    (folder / "addon.toml").write_text(f'name = "{quoted}"\nversion = "1.0.0"\n', "utf-8", "replace")
    try:
        record = read_addon(folder)
    except QiError:
        return
    assert record.problem or not set(record.name) & set("/\\.\0 ")
