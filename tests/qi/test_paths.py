"""Path templates: what goes in comes out again, and nothing gets out of its root."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qi.errors import Conflict, Invalid, NotFound
from qi.paths import Padding, PathConfig, Paths, Template, entity_path, path_values, text_fault
from qi.paths.values import normal

PATHS = Paths(PathConfig(), platform="linux")
NAMES = st.text(min_size=1, max_size=12).map(normal).filter(lambda text: not text_fault(text))
WORDS = NAMES.filter(lambda text: "." not in text)
ENTITIES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def test_a_publish_path_reads_as_the_studio_wrote_it() -> None:
    values = path_values("Nova", "seq010/sh0100", product="beauty", version=3, frame=1001, ext="exr")
    assert PATHS.publish_folder(values) == Path("/mnt/projects/Nova/seq010/sh0100/publish/beauty/v003")
    assert PATHS.publish_name(values) == "sh0100_beauty_v003.1001.exr"
    assert PATHS.product_folder(values) == Path("/mnt/projects/Nova/seq010/sh0100/publish/beauty")


def test_an_entity_without_parents_has_no_hierarchy() -> None:
    values = path_values("Nova", "robot", product="model", version=1)
    assert PATHS.publish_folder(values) == Path("/mnt/projects/Nova/robot/publish/model/v001")


@given(NAMES, ENTITIES, NAMES, st.integers(1, 10**6), st.none() | st.integers(0, 10**6), WORDS, st.just("") | WORDS)
def test_a_published_path_gives_back_the_values_it_was_made_of(
    project: str, entity: str, product: str, version: int, frame: int | None, ext: str, output: str
) -> None:
    framed = {} if frame is None else {"frame": frame}
    values = path_values(project, entity, product=product, version=version, ext=ext, output=output, **framed)
    path = PATHS.publish_folder(values) / PATHS.publish_name(values)
    assert PATHS.parse_publish(path) == values
    assert entity_path(PATHS.parse_publish(path)) == entity


@given(NAMES, ENTITIES, NAMES, st.integers(1, 9999), st.just("") | NAMES, WORDS)
def test_a_workfile_gives_back_the_values_it_was_made_of(
    project: str, entity: str, task: str, version: int, comment: str, ext: str
) -> None:
    values = path_values(project, entity, task=task, version=version, comment=comment, ext=ext)
    assert PATHS.parse_work(PATHS.workfile(values)) == values


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=8)))
def test_whatever_is_filled_in_a_path_stays_below_its_root(values: dict[str, str]) -> None:
    template = Template("{root[disk]}/{a}/<{b}/>x{c}", roots={"disk": "/disk"})
    try:
        path = PurePosixPath(template.fill(values))
    except Invalid:
        return
    assert path.is_relative_to("/disk")
    assert ".." not in path.parts
    assert len(path.parts) == (5 if values.get("b") else 4)


@given(NAMES, NAMES, st.just("") | NAMES)
def test_a_path_is_read_rightly_or_refused_never_wrongly(a: str, b: str, c: str) -> None:
    template = Template("{a}_{b}<-{c}>")
    values = {"a": a, "b": b, **({"c": c} if c else {})}
    try:
        readings = [template.parse(template.fill(values))]
    except Invalid as refused:
        readings = refused.data["readings"]
    assert readings == [values] or len(readings) == 2


def test_a_path_that_can_be_read_in_two_ways_is_refused_with_both() -> None:
    with pytest.raises(Invalid) as refused:
        Template("{a}_{b}").parse("x_y_z")
    assert refused.value.data["readings"] == [{"a": "x_y", "b": "z"}, {"a": "x", "b": "y_z"}]


def test_a_path_of_another_place_does_not_match() -> None:
    with pytest.raises(Invalid, match="does not match"):
        PATHS.parse_publish("/mnt/projects/Nova/sh0100/publish/beauty/v003/other_beauty_v003.exr")
    with pytest.raises(Invalid, match="does not match"):
        PATHS.parse_publish("/elsewhere/Nova/sh0100/publish/beauty/v003/sh0100_beauty_v003.exr")


def test_numbers_are_read_only_in_the_padding_they_are_written_in() -> None:
    template = Template("{@version}.{@frame}", padding=Padding(version=3, frame=4))
    assert template.fill({"version": 1234, "frame": 7}) == "v1234.0007"
    assert template.parse("v1234.0007") == {"version": 1234, "frame": 7}
    for other in ("v0123.0007", "v12.0007", "v123.07", "v\u0661\u0662\u0663.0007"):
        with pytest.raises(Invalid):
            template.parse(other)


def test_a_key_is_spelled_with_brackets_or_a_dot() -> None:
    values = {"project": {"name": "Nova"}}
    assert Template("{project.name}").fill(values) == Template("{project[name]}").fill(values) == "Nova"


def test_the_case_of_the_key_is_the_case_of_the_value() -> None:
    values = {"task": {"name": "lookDev"}}
    template = Template("{task[name]}_{Task[name]}_{TASK[NAME]}")
    assert template.fill(values) == "lookDev_LookDev_LOOKDEV"
    assert template.parse("lookDev_LookDev_LOOKDEV") == values
    with pytest.raises(Invalid):
        template.parse("lookDev_LookDev_ANIM")


def test_a_cased_key_alone_comes_back_in_its_case() -> None:
    assert Template("{TASK}").parse("ANIM") == {"task": "ANIM"}
    assert Template("{Task}_{TASK}").parse("Anim_ANIM") == {"task": "Anim"}


def test_optional_parts_vanish_and_may_nest() -> None:
    template = Template("{name}<_{output}<-{comment}>>.{ext}")
    assert template.fill({"name": "a", "ext": "exr"}) == "a.exr"
    assert template.fill({"name": "a", "ext": "exr", "output": "o"}) == "a_o.exr"
    assert template.fill({"name": "a", "ext": "exr", "output": "o", "comment": "c"}) == "a_o-c.exr"
    assert template.fill({"name": "a", "ext": "exr", "comment": "c"}) == "a.exr"


def test_all_missing_keys_are_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        PATHS.publish_folder({"project": {"name": "No/va"}})
    assert refused.value.data["fields"] == {
        "entity.name": "is missing",
        "product.name": "is missing",
        "project.name": "holds a path separator",
        "version": "is missing",
    }


@pytest.mark.parametrize(
    "value",
    ["..", ".", "a/b", "a\\b", "a\0b", "a\nb", "CON", "nul.exr", "lpt1", " a", "a ", "a.", ".qi", "a:b",
     "\u202egpj", "\ud800", "\u0301a"],
)  # fmt: skip
def test_a_value_that_could_leave_its_folder_or_break_a_platform_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        Template("{root[r]}/{name}", roots={"r": "/r"}).fill({"name": value})
    assert list(refused.value.data["fields"]) == ["name"]


@pytest.mark.parametrize("value", ["镜头 010", "Größe", "شات", "a b", "a.b", "shot-010_x", "con10"])
def test_names_of_any_script_pass(value: str) -> None:
    assert Template("{name}").parse(Template("{name}").fill({"name": value})) == {"name": value}


def test_a_name_that_only_the_template_makes_bad_is_refused_too() -> None:
    with pytest.raises(Invalid, match="reserves"):
        Template("c{x}.{ext}").fill({"x": "on", "ext": "exr"})
    with pytest.raises(Invalid, match="255"):
        Template("{a}{b}").fill({"a": "x" * 200, "b": "x" * 200})


@pytest.mark.parametrize(
    "text",
    ["{", "}", "<a", "a>", "<a>", "{a b}", "../{a}", "a/./{a}", "{@name}", "x{root[r]}/{a}", "{root[r]}{a}",
     "{root[none]}/{a}"],
)  # fmt: skip
def test_a_malformed_template_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Template(text, roots={"r": "/r"})


@pytest.mark.parametrize("version", [0, -1, True, "3", 10**20])
def test_a_version_is_a_whole_number_from_one(version: int) -> None:
    with pytest.raises(Invalid) as refused:
        Template("{@version}").fill({"version": version})
    assert list(refused.value.data["fields"]) == ["version"]


def test_windows_paths_are_read_with_either_separator() -> None:
    paths = Paths(PathConfig(), platform="windows")
    values = path_values("Nova", "sh0100", task="comp", version=1, ext="nk")
    assert str(paths.workfile(values)).startswith("P:/projects/Nova")
    assert paths.parse_work(r"P:\projects\Nova\sh0100\work\comp\sh0100_comp_v001.nk") == values


def test_the_version_is_a_level_of_its_own() -> None:
    with pytest.raises(Invalid) as refused:
        Paths(PathConfig(publish_folder="{root[projects]}/{product[name]}_{@version}"))
    assert list(refused.value.data["fields"]) == ["publish_folder"]


def _on(root: Path) -> Paths:
    return Paths(PathConfig(roots={"projects": {"linux": str(root)}}), platform="linux")


def test_preset_folders_are_made_once(tmp_path: Path) -> None:
    values = path_values("Nova", "seq010/sh0100")
    made = _on(tmp_path).make_folders("entity", values)
    assert [str(folder.relative_to(tmp_path)) for folder in made] == [
        "Nova", "Nova/seq010", "Nova/seq010/sh0100", "Nova/seq010/sh0100/publish", "Nova/seq010/sh0100/work",
    ]  # fmt: skip
    assert all(folder.is_dir() for folder in made)
    assert _on(tmp_path).make_folders("entity", values) == ()


def test_preset_folders_are_not_made_through_a_link_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "Nova").symlink_to(outside)
    with pytest.raises(Invalid, match="leads out"):
        _on(root).make_folders("entity", path_values("Nova", "sh0100"))
    assert list(outside.iterdir()) == []


def test_preset_folders_need_their_root_and_a_free_place(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        _on(tmp_path / "unmounted").make_folders("entity", path_values("Nova", "sh0100"))
    with pytest.raises(NotFound, match="preset"):
        _on(tmp_path).make_folders("other", path_values("Nova"))
    (tmp_path / "Nova").write_text("a file")
    with pytest.raises(Conflict):
        _on(tmp_path).make_folders("project", path_values("Nova"))
