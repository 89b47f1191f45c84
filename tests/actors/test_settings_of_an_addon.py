"""Settings of an addon with all that a schema can say, in one studio: scopes, groups, options, migrations, files."""

from __future__ import annotations

import queue
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from events.ids import new_id
from qi.contracts.bundles import CheckBundle, CreateBundle, PromoteBundle
from qi.contracts.settings import (
    ExplainSetting,
    GetOptions,
    GetOverrides,
    GetSettings,
    GetSettingsSchema,
    ListInvalid,
    Patched,
    PatchSettings,
    RevertSettings,
    Setting,
    SettingsValues,
)
from qi.contracts.settings_history import DiffSettings, GetSettingHistory, SettingsOf
from qi.errors import Conflict, Invalid, Locked, NotFound, QiError
from qi.settings_updates import SettingsUpdate, on_settings
from qi.testing.studio import RunningStudio, Shot, start_studio

SETTINGS = """
    import asyncio

    from qi.settings import Named, OptionsAsked, Secret, SettingsModel, setting

    class Pool(SettingsModel):
        name: str = setting("day", resolver="pools")
        slots: int = setting(4, ge=1)

    class Preset(SettingsModel):
        crf: int = setting(18, ge=0, le=51)

    class Settings(SettingsModel):
        fps: int = setting(24, gt=0)
        root: str = setting("", scopes=("bundle", "project"), required=True)
        pool: Pool = setting(Pool(), group=True)
        presets: Named[Preset] = setting({"web": Preset(), "archive": Preset(crf=0)})
        login: Secret = None
        wrong: str = setting("", resolver="breaks")
        later: str = setting("", resolver="awaits")

    def pools(asked: OptionsAsked) -> list[str]:
        return [asked.addon.settings["pool"]["name"], asked.project, asked.user]

    def breaks(asked: OptionsAsked) -> list[str]:
        raise KeyError("no such pool")

    async def awaits(asked: OptionsAsked) -> list[str]:
        await asyncio.sleep(0)
        return ["one"]
"""
SECOND = """
    from qi.settings import SettingsModel, setting

    class Review(SettingsModel):
        fps: int = setting(24, gt=0)

    class Settings(SettingsModel):
        review: Review = setting(Review())
        root: str = setting("", scopes=("bundle", "project"))
"""
MIGRATION = """
    def migrate(overrides):
        return overrides.moved("fps", "review.fps").dropped("pool", "the farm chooses its pool itself")
"""
ADDON = """
    from qi.addon import Addon

    class Farm(Addon):
        pass
"""
WAIT_S = 60.0


def write(folder: Path, version: str, settings: str, migrations: dict[str, str] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "addon.toml").write_text(f'name = "farm"\nversion = "{version}"\n', "utf-8")
    (folder / "addon.py").write_text(textwrap.dedent(ADDON), "utf-8")
    (folder / "settings.py").write_text(textwrap.dedent(settings), "utf-8")
    for name, source in (migrations or {}).items():
        (folder / "migrations").mkdir(exist_ok=True)
        (folder / "migrations" / name).write_text(textwrap.dedent(source), "utf-8")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("farm")
    write(folder / "addons" / "farm", "1.0.0", SETTINGS)
    with start_studio(folder / "home", environment={"QI_ADDON_PATHS": str(folder / "addons")}) as running:
        yield running


@pytest.fixture
def shot(farm: RunningStudio) -> Shot:
    return farm.given_project()


def put(studio: RunningStudio, project: str, /, scope: str = "project", **values: Any) -> Patched:
    settings = tuple(Setting(path=f"farm.{path.replace('__', '.')}", value=value) for path, value in values.items())
    return studio.bus.request(PatchSettings(scope=scope, target=project, settings=settings, command=new_id()))


def got(studio: RunningStudio, project: str, **more: Any) -> SettingsValues:
    return studio.bus.request(GetSettings(addon="farm", project=project, **more))


def test_a_field_is_overridden_only_where_its_schema_allows_it(farm: RunningStudio, shot: Shot) -> None:
    with pytest.raises(Invalid) as told:
        put(farm, "grace", scope="user", fps=30, root="/mnt/a")
    assert told.value.data["fields"] == {"farm.root": "may be set in: bundle, project"}
    assert got(farm, shot.project, user="grace").values["farm"]["fps"] == 24, "all or nothing"
    assert put(farm, shot.project, root="/mnt/a").changed == 1


def test_whoever_changes_a_member_of_a_group_says_the_whole_group(farm: RunningStudio, shot: Shot) -> None:
    put(farm, shot.project, pool__slots=8)
    (stored,) = farm.bus.request(GetOverrides(scope="project", target=shot.project)).settings
    assert (stored.path, stored.value) == ("farm.pool", {"name": "day", "slots": 8})

    put(farm, shot.project, pool__name="night")
    assert got(farm, shot.project).values["farm"]["pool"] == {"name": "night", "slots": 8}
    assert len(farm.bus.request(GetSettingHistory(path="farm.pool.slots")).changes) >= 2

    taken = PatchSettings(scope="project", target=shot.project, unset=("farm.pool.name",), command=new_id())
    assert [farm.bus.request(taken).changed for _ in range(2)] == [1, 1], "a command that comes again"
    assert got(farm, shot.project).values["farm"]["pool"] == {"name": "day", "slots": 4}


def test_a_value_equal_to_the_default_is_pinned_and_seen_as_such(farm: RunningStudio, shot: Shot) -> None:
    put(farm, shot.project, fps=24, root="/mnt/a")
    assert got(farm, shot.project).pinned == ("farm.fps",)
    layers = farm.bus.request(ExplainSetting(path="farm.fps", project=shot.project)).layers
    assert [(one.layer, one.value, one.pinned) for one in layers] == [("default", 24, False), ("project", 24, True)]


def test_what_needs_a_value_and_has_none_is_told(farm: RunningStudio, shot: Shot) -> None:
    assert [(one.path, one.layer, one.why) for one in got(farm, shot.project).invalid] == [
        ("farm.root", "default", "it needs a value")
    ]
    put(farm, shot.project, root="/mnt/a")
    assert got(farm, shot.project).invalid == ()


def test_named_items_are_overridden_one_by_one_and_keep_their_order(farm: RunningStudio, shot: Shot) -> None:
    put(farm, shot.project, presets__web__crf=20, presets__proxy={"crf": 30}, presets__archive=None)
    assert got(farm, shot.project).values["farm"]["presets"] == {
        "web": {"crf": 20}, "archive": None, "proxy": {"crf": 30}, "@order": ["web", "archive"],
    }  # fmt: skip
    with pytest.raises(Invalid) as told:
        put(farm, shot.project, presets__web__crf=99)
    assert list(told.value.data["fields"]) == ["farm.presets.web.crf"]


def test_two_who_change_different_paths_both_succeed_and_the_same_path_is_a_conflict(
    farm: RunningStudio, shot: Shot
) -> None:
    read = got(farm, shot.project).revision
    put(farm, shot.project, fps=25)

    def change(path: str, value: Any) -> Patched:
        return farm.bus.request(
            PatchSettings(
                scope="project", target=shot.project, settings=(Setting(path=path, value=value),), expected=read
            )
        )

    assert change("farm.presets.web.crf", 20).changed == 1
    with pytest.raises(Conflict) as told:
        change("farm.fps", 30)
    data = told.value.data
    assert (data["path"], data["theirs"], data["yours"]) == ("farm.fps", 25, 30)
    assert data["by"]
    assert data["by"] == data["yours_by"]
    assert got(farm, shot.project).values["farm"]["fps"] == 25


def test_a_dry_run_says_what_would_change_and_changes_nothing(farm: RunningStudio, shot: Shot) -> None:
    settings = (Setting(path="farm.fps", value=30), Setting(path="farm.pool.slots", value=4))
    done = farm.bus.request(PatchSettings(scope="project", target=shot.project, settings=settings, dry_run=True))
    assert [(one.path, one.was_set, one.new) for one in done.changes] == [
        ("farm.fps", False, 30), ("farm.pool", False, {"name": "day", "slots": 4}),
    ]  # fmt: skip
    assert farm.bus.request(GetOverrides(scope="project", target=shot.project)).settings == ()


def test_a_change_a_path_and_all_since_a_point_are_taken_back(farm: RunningStudio, shot: Shot) -> None:
    first = put(farm, shot.project, fps=25, root="/mnt/a").position
    put(farm, shot.project, fps=30, presets__web__crf=20)
    last = farm.bus.request(GetSettingHistory(path="farm.fps", limit=1)).changes[0]
    assert (last.old, last.new, last.scope) == (25, 30, "project")

    farm.bus.request(RevertSettings(change=last.event, reason="too fast", command=new_id()))
    assert got(farm, shot.project).values["farm"]["fps"] == 25
    back = farm.bus.request(GetSettingHistory(path="farm.fps", limit=1)).changes[0]
    assert (back.old, back.new, back.reason) == (30, 25, "too fast")
    assert next(event for event in farm.events(after=back.position - 1, limit=1)).meta.cause == last.event

    put(farm, shot.project, fps=60)
    with pytest.raises(Conflict):
        farm.bus.request(RevertSettings(change=last.event, reason="again"))
    farm.bus.request(RevertSettings(scope="project", target=shot.project, to=first, path="farm.fps", reason="so"))
    assert got(farm, shot.project).values["farm"]["presets"]["web"] == {"crf": 20}
    farm.bus.request(RevertSettings(scope="project", target=shot.project, to=first, reason="all of it"))
    stored = farm.bus.request(GetOverrides(scope="project", target=shot.project)).settings
    assert {one.path: one.value for one in stored} == {"farm.fps": 25, "farm.root": "/mnt/a"}
    then = farm.bus.request(GetOverrides(scope="project", target=shot.project, at=first)).settings
    assert then[1] == stored[1]

    with pytest.raises(Locked):
        put(farm, "production", scope="bundle", fps=1)
    with pytest.raises(Invalid):
        farm.bus.request(RevertSettings(reason="what?"))


def test_history_comes_in_pages_and_two_sides_are_compared(farm: RunningStudio, shot: Shot) -> None:
    other = farm.given_project()
    for fps in (25, 30, 48):
        put(farm, shot.project, fps=fps)
    seen: list[Any] = []
    before = 0
    while True:
        page = farm.bus.request(GetSettingHistory(path="farm", scope="project", before=before, limit=2))
        seen += page.changes
        before = page.before
        if not before:
            break
    assert [one.new for one in seen[:3]] == [48, 30, 25]
    assert [one.position for one in seen] == sorted((one.position for one in seen), reverse=True)

    sides = SettingsOf(project=shot.project), SettingsOf(project=other.project)
    found = farm.bus.request(DiffSettings(first=sides[0], second=sides[1], addon="farm")).differences
    assert [(one.path, one.first, one.second) for one in found] == [("farm.fps", 48, 24)]
    past = SettingsOf(project=shot.project, at=seen[2].position)
    found = farm.bus.request(DiffSettings(first=past, second=sides[0])).differences
    assert [(one.path, one.first, one.second) for one in found] == [("farm.fps", 25, 48)]


def test_a_listener_hears_only_what_changed(farm: RunningStudio, shot: Shot) -> None:
    heard: queue.SimpleQueue[SettingsUpdate] = queue.SimpleQueue()
    stop = on_settings(farm.bus, heard.put)
    done = put(farm, shot.project, fps=25)
    # What the test before wrote may still be on its way.
    update = next(one for one in iter(lambda: heard.get(timeout=WAIT_S), None) if one.position == done.position)
    assert (update.layer, update.path, update.value, update.is_set) == ("project", "farm.fps", 25, True)
    stop()
    again: queue.SimpleQueue[SettingsUpdate] = queue.SimpleQueue()
    stop_again = on_settings(farm.bus, again.put)
    put(farm, shot.project, fps=26)
    assert again.get(timeout=WAIT_S).value == 26
    stop_again()
    assert heard.empty()


def test_the_addon_offers_values(farm: RunningStudio, shot: Shot) -> None:
    def offered(path: str) -> list[Any]:
        asked = GetOptions(path=path, project=shot.project, user="grace")
        return [one.value for one in farm.bus.request(asked).options]

    assert offered("farm.pool.name") == ["day", shot.project, "grace"]
    assert offered("farm.later") == ["one"]
    with pytest.raises(QiError, match="no such pool"):
        offered("farm.wrong")
    with pytest.raises(Invalid):
        offered("farm.fps")


def test_a_form_gets_the_schema_of_what_a_bundle_pins(farm: RunningStudio) -> None:
    found = farm.bus.request(GetSettingsSchema(addon="farm"))
    assert found.version == "1.0.0"
    assert found.schema["properties"]["root"]["qi"] == {"scopes": ["bundle", "project"], "required": True}
    with pytest.raises(NotFound):
        farm.bus.request(GetSettingsSchema(addon="nuke"))


BROKEN_FILES = ("[farm\nfps = 31", "[farm]\nfps = 31\nlogin = 'hunter2hunter2'")


# -- the settings file of a project -----------------------------------------------------------------------------------


def file_of(studio: RunningStudio, project: str) -> Path:
    folder = studio.home.projects / project
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "qi.settings.toml"


def until(studio: RunningStudio, project: str, wanted: Callable[[SettingsValues], bool]) -> SettingsValues:
    def look() -> SettingsValues | None:
        found = got(studio, project)
        return found if wanted(found) else None

    return studio.wait_for(look, "qi.event.settings.>", WAIT_S)


def test_a_file_in_the_projects_folder_counts_just_above_the_project(farm: RunningStudio, shot: Shot) -> None:
    put(farm, shot.project, fps=25, root="/mnt/a")
    file = file_of(farm, shot.project)
    file.write_text('[farm]\nfps = 30\n[farm.pool]\nslots = 9\n')
    found = until(farm, shot.project, lambda found: found.values["farm"]["fps"] == 30)
    assert found.values["farm"]["pool"] == {"name": "day", "slots": 9}
    layers = farm.bus.request(ExplainSetting(path="farm.fps", project=shot.project)).layers
    assert [(one.layer, one.value) for one in layers] == [("default", 24), ("project", 25), ("project file", 30)]
    assert layers[-1].by == file.owner()
    put(farm, "grace", scope="user", fps=48)
    assert got(farm, shot.project, user="grace").values["farm"]["fps"] == 48

    before = len(farm.bus.request(GetSettingHistory(scope="project file")).changes)
    for broken in BROKEN_FILES:
        file.write_text(broken)
        reason = "login" if "login" in broken else "TOML"
        told = until(farm, shot.project, lambda found, why=reason: any(why in one.why for one in found.invalid))
        assert told.values["farm"]["fps"] == 30
        (one,) = told.invalid
        assert (one.path, one.layer) == (str(file), "project file")
        assert "hunter2hunter2" not in one.why
    file.write_text("[farm]\nfps = 30\n[farm.pool]\nslots = 9\n")
    until(farm, shot.project, lambda found: not found.invalid)
    assert len(farm.bus.request(GetSettingHistory(scope="project file")).changes) == before, "nothing is doubled"

    file.unlink()
    until(farm, shot.project, lambda found: found.values["farm"]["fps"] == 25)
    assert got(farm, shot.project).values["farm"]["pool"]["slots"] == 4


# -- another version --------------------------------------------------------------------------------------------------


def test_a_newer_version_reads_what_was_written_for_the_older_one(
    farm: RunningStudio, shot: Shot, qi: Callable[..., Any]
) -> None:
    """Last but one in this file: it moves production."""
    farm.bus.request(CreateBundle(name="dev", dev=True, addons=("farm",), command=new_id()))
    put(farm, "dev", scope="bundle", fps=48, pool__slots=2)
    put(farm, shot.project, fps=30, root="/mnt/a", pool__slots=9)
    written = farm.bus.request(GetOverrides(scope="project", target=shot.project)).settings
    addon = Path(farm.home.root).parent / "addons" / "farm"
    write(addon, "2.0.0", SECOND, {"v2_0_0.py": MIGRATION})
    farm.bus.request(CreateBundle(name="second", command=new_id()))

    found = got(farm, shot.project, bundle="second")
    assert found.values["farm"] == {"review": {"fps": 30}, "root": "/mnt/a"}
    assert [(one.path, one.layer, one.why) for one in found.invalid] == [
        ("farm.pool", "project", "the farm chooses its pool itself")
    ]
    why = farm.bus.request(ExplainSetting(path="farm.review.fps", project=shot.project, bundle="second"))
    assert [(one.layer, one.value) for one in why.layers] == [("default", 24), ("project", 30)]
    assert got(farm, shot.project).values["farm"]["pool"] == {"name": "day", "slots": 9}, "the older one goes on"
    assert farm.bus.request(GetOverrides(scope="project", target=shot.project)).settings == written

    lost = farm.bus.request(ListInvalid(bundle="second")).settings
    assert ("farm.pool", {"name": "day", "slots": 9}) in [(one.path, one.value) for one in lost]

    checked = farm.bus.request(CheckBundle(bundle="dev", command=new_id()))
    assert checked.checked == "bad"
    assert any("farm.pool of its own settings" in one for one in checked.problems)
    refused = qi("bundle", "freeze", "dev", home=farm.home.root)
    assert (refused.code, "farm.pool" in refused.out, "--lossy" in refused.err) == (1, True, True)
    assert qi("bundle", "freeze", "dev", "--lossy", home=farm.home.root).code == 0
    values = farm.bus.request(GetSettings(addon="farm", bundle="dev"))
    assert values.values["farm"]["review"]["fps"] == 48
    assert [one.path for one in values.invalid] == ["farm.pool"]

    farm.bus.request(PromoteBundle(bundle="second", reason="the farm is better", command=new_id()))
    later = farm.join()
    try:
        later.bus.request(PatchSettings(scope="project", target=shot.project, unset=("farm.review.fps",)))
    finally:
        later.leave()
    assert got(farm, shot.project, bundle="second").values["farm"]["review"]["fps"] == 24


def test_what_a_file_came_to_say_while_no_studio_ran_is_taken_up_once(farm: RunningStudio, shot: Shot) -> None:
    """The very last: it ends the studio of this file."""
    still = farm.given_project()
    for project in (shot.project, still.project):
        file_of(farm, project).write_text('[farm]\nroot = "/mnt/f"\n')
        until(farm, project, lambda found: found.values["farm"]["root"] == "/mnt/f")
    before = farm.bus.request(GetSettingHistory(scope="project file", limit=1)).changes[0].position
    addons = Path(farm.home.root).parent / "addons"
    farm.stop()

    file_of(farm, shot.project).write_text('[farm]\nroot = "/mnt/g"\n')
    with start_studio(farm.home.root, environment={"QI_ADDON_PATHS": str(addons)}) as again:
        until(again, shot.project, lambda found: found.values["farm"]["root"] == "/mnt/g")
        assert got(again, still.project).values["farm"]["root"] == "/mnt/f"
        newest = again.bus.request(GetSettingHistory(scope="project file", limit=2)).changes
        assert [(one.old, one.new) for one in newest[:1]] == [("/mnt/f", "/mnt/g")]
        assert newest[1].position == before
