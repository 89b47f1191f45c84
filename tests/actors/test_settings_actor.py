"""Settings in their layers, through the mesh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from events.ids import new_id
from qi.contracts.auth import AddUser
from qi.contracts.bundles import CreateBundle
from qi.contracts.settings import (
    ExplainSetting,
    GetOverrides,
    GetSettings,
    Patched,
    PatchSettings,
    RevertSettings,
    Setting,
)
from qi.contracts.settings_history import DiffSettings, GetSettingHistory, SettingsOf
from qi.errors import Conflict, Forbidden, Invalid, NotFound, QiError
from qi.testing.studio import RunningStudio, Shot

TIMEOUT = "qi.publish.plugin_timeout_s"


def put(studio: RunningStudio, scope: str, target: str, value: Any, path: str = TIMEOUT, **more: Any) -> Patched:
    return studio.bus.request(
        PatchSettings(scope=scope, target=target, settings=(Setting(path=path, value=value),), **more)
    )


def value(studio: RunningStudio, path: str = TIMEOUT, **more: Any) -> Any:
    return studio.bus.request(GetSettings(path=path, **more)).values[path]


def test_a_project_overrides_the_defaults_for_itself_alone(studio: RunningStudio, shot: Shot) -> None:
    put(studio, "project", shot.project, 60)

    assert value(studio, project=shot.project) == 60
    assert value(studio) == 900
    assert studio.bus.request(GetSettings(project=shot.project)).values["qi"]["publish"]["plugin_timeout_s"] == 60


def test_a_user_overrides_the_project_and_explain_names_every_layer(studio: RunningStudio, shot: Shot) -> None:
    put(studio, "project", shot.project, 60, reason="slow farm")
    put(studio, "user", "grace", 30, reason="impatient")

    found = studio.bus.request(ExplainSetting(path=TIMEOUT, project=shot.project, user="grace"))

    assert found.value == 30
    assert [(layer.layer, layer.value, layer.reason) for layer in found.layers] == [
        ("default", 900, ""), ("project", 60, "slow farm"), ("user", 30, "impatient"),
    ]  # fmt: skip
    assert all(layer.by and layer.at and layer.event for layer in found.layers[1:])
    assert value(studio, project=shot.project, user="grace") == 30


def test_a_value_taken_away_lets_the_layer_below_show_through(studio: RunningStudio, shot: Shot) -> None:
    put(studio, "project", shot.project, 60)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, unset=(TIMEOUT,)))
    assert value(studio, project=shot.project) == 900


def test_settings_are_read_as_they_were(studio: RunningStudio, shot: Shot) -> None:
    first = put(studio, "project", shot.project, 60)
    put(studio, "project", shot.project, 70)
    assert value(studio, project=shot.project, at=first.position) == 60
    assert value(studio, project=shot.project) == 70
    put(studio, "user", "", 80)
    then = ExplainSetting(path=TIMEOUT, project=shot.project, bundle="production", at=first.position)
    layers = [(one.layer, one.value) for one in studio.bus.request(then).layers]
    assert layers == [("default", 900), ("project", 60)]
    studio.bus.request(PatchSettings(scope="user", unset=(TIMEOUT,)))
    stored = GetOverrides(scope="project", target=shot.project, at=first.position)
    assert [(one.path, one.value) for one in studio.bus.request(stored).settings] == [(TIMEOUT, 60)]
    for other in (replace(stored, scope="project file"), replace(stored, scope="bundle", target="production")):
        assert studio.bus.request(other).settings == ()
    with pytest.raises(NotFound):
        studio.bus.request(replace(stored, scope="bundle", target="production", at=1))


def test_a_patch_of_an_older_revision_is_refused(studio: RunningStudio, shot: Shot) -> None:
    read = studio.bus.request(GetSettings(project=shot.project)).revision
    put(studio, "project", shot.project, 60, expected=read)
    with pytest.raises(Conflict):
        put(studio, "project", shot.project, 70, expected=read)
    assert value(studio, project=shot.project) == 60


def test_the_same_value_again_records_nothing(studio: RunningStudio, shot: Shot) -> None:
    first = put(studio, "project", shot.project, 60)
    again = put(studio, "project", shot.project, 60)
    assert (again.changed, again.revision) == (0, first.revision)


@pytest.mark.parametrize(
    ("path", "wrong"), [(TIMEOUT, "soon"), (TIMEOUT, -1), ("qi.publish.no_such_field", 1), ("media.review_crf", "best")]
)
def test_a_value_that_breaks_the_schema_is_refused_with_its_path(
    studio: RunningStudio, shot: Shot, path: str, wrong: Any
) -> None:
    with pytest.raises(Invalid) as told:
        put(studio, "project", shot.project, wrong, path)
    assert list(told.value.data["fields"]) == [path]
    assert path in told.value.message


@pytest.mark.parametrize("path", ["nuke.farm", "qi", "qi..publish", ""])
def test_a_path_that_leads_nowhere_is_told(studio: RunningStudio, shot: Shot, path: str) -> None:
    with pytest.raises(QiError) as told:
        put(studio, "project", shot.project, 1, path)
    assert told.value.code in (400, 422)


def test_unknown_settings_projects_and_bundles_are_told(studio: RunningStudio, shot: Shot) -> None:
    for wrong in (
        GetSettings(path="nuke.farm"),
        GetSettings(path="qi.publish.no_such_field"),
        GetSettings(project="No such project"),
        GetSettings(bundle="no such bundle"),
    ):
        with pytest.raises(NotFound):
            studio.bus.request(wrong)


def test_the_media_addons_settings_reach_its_plugins(studio: RunningStudio, shot: Shot, frames: str) -> None:
    put(studio, "project", shot.project, False, "media.review")

    info = studio.finished(studio.publish(shot, [frames]))

    assert info.state == "succeeded"
    assert info.files == 4


def test_a_dev_bundle_takes_settings_of_addons_that_come_from_their_folders(studio: RunningStudio) -> None:
    name = f"dev {new_id()}"
    studio.bus.request(CreateBundle(name=name, dev=True, command=new_id()))
    patch = PatchSettings(scope="bundle", target=name, settings=(Setting(path="media.review_crf", value=30),))
    assert studio.bus.request(patch).changed == 1
    assert studio.bus.request(GetSettings(path="media.review_crf", bundle=name)).values == {"media.review_crf": 30}
    assert studio.bus.request(GetSettings(path="media.review_crf")).values == {"media.review_crf": 18}


def test_a_scope_has_a_history_and_can_be_made_what_it_was(studio: RunningStudio, shot: Shot) -> None:
    memory = "qi.publish.memory_gib"
    first = put(studio, "project", shot.project, 60, reason="slow farm")
    put(studio, "project", shot.project, 70, reason="slower")
    put(studio, "project", shot.project, 8, path=memory)
    seen = studio.bus.request(GetSettingHistory(scope="project", target=shot.project))
    assert [(one.path, one.old, one.new, one.reason) for one in seen.changes] == [
        (memory, None, 8, ""), (TIMEOUT, 60, 70, "slower"), (TIMEOUT, None, 60, "slow farm"),
    ]  # fmt: skip
    one = studio.bus.request(GetSettingHistory(scope="project", target=shot.project, path=memory, limit=1))
    assert [change.path for change in one.changes] == [memory]

    def back(**more: Any) -> Patched:
        asked = RevertSettings(scope="project", target=shot.project, to=first.position, command=new_id(), **more)
        return studio.bus.request(asked)

    with pytest.raises(Invalid, match="reason"):
        back(reason=" ")
    assert back(path=TIMEOUT, reason="too slow").changed == 1
    assert (value(studio, project=shot.project), value(studio, memory, project=shot.project)) == (60, 8)
    assert back(reason="all of it").changed == 1
    assert value(studio, memory, project=shot.project) == 0
    assert back(reason="once more").changed == 0
    # A revert is a change like any other: it can be undone.
    last = studio.bus.request(GetSettingHistory(scope="project", target=shot.project, limit=1)).changes[0]
    assert last.reason == "all of it"
    undo = RevertSettings(scope="project", target=shot.project, to=last.position - 1, reason="no", command=new_id())
    studio.bus.request(undo)
    assert value(studio, memory, project=shot.project) == 8


def test_settings_of_two_projects_and_times_are_compared(studio: RunningStudio, shot: Shot) -> None:
    other = studio.given_project()
    first = put(studio, "project", shot.project, 60)
    put(studio, "project", shot.project, 70)
    found = studio.bus.request(
        DiffSettings(first=SettingsOf(project=shot.project), second=SettingsOf(project=other.project), addon="qi")
    )
    assert [(one.path, one.first, one.second) for one in found.differences] == [(TIMEOUT, 70, 900)]
    found = studio.bus.request(
        DiffSettings(
            first=SettingsOf(project=shot.project, at=first.position), second=SettingsOf(project=shot.project)
        )
    )
    assert [(one.path, one.first, one.second) for one in found.differences] == [(TIMEOUT, 60, 70)]


def test_two_editors_collide_only_where_they_touch_the_same(studio: RunningStudio, shot: Shot) -> None:
    memory = "qi.publish.memory_gib"
    read = put(studio, "project", shot.project, 60).revision
    put(studio, "project", shot.project, 70, reason="the farm is slow")
    # Another path: nobody's change is lost, so nothing is refused.
    assert put(studio, "project", shot.project, 8, path=memory, expected=read).changed == 1
    with pytest.raises(Conflict) as told:
        put(studio, "project", shot.project, 80, expected=read)
    said = told.value.data
    assert (said["path"], said["theirs"], said["yours"], said["reason"]) == (TIMEOUT, 70, 80, "the farm is slow")
    assert said["by"]
    assert said["yours_by"]
    assert TIMEOUT in told.value.message
    assert (value(studio, project=shot.project), value(studio, memory, project=shot.project)) == (70, 8)


def test_what_another_user_says_is_changed_by_those_who_look_after_users(studio: RunningStudio) -> None:
    name = f"artist {new_id()[-8:]}"
    studio.bus.request(AddUser(name=name, password="correct horse", command=new_id()))
    put(studio, "user", "grace", 60)
    change = studio.bus.request(GetSettingHistory(scope="user", target="grace", limit=1)).changes[0]
    artist = studio.join()
    try:
        artist.log_in(name, "correct horse")
        own = PatchSettings(scope="user", settings=(Setting(path=TIMEOUT, value=30),))
        assert artist.bus.request(own).changed == 1
        assert artist.bus.request(replace(own, target=name.upper())).changed == 0
        for asked in (
            replace(own, target="grace"), RevertSettings(change=change.event, reason="mine"),
            replace(own, scope="bundle", target="production"),
        ):  # fmt: skip
            with pytest.raises(Forbidden):
                artist.bus.request(asked)
    finally:
        artist.leave()
    assert value(studio, user="grace") == 60
