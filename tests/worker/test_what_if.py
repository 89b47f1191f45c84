"""What would happen: a publish tried with another bundle, settings, environment or plugin, and what that changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.ids import new_id
from qi.contracts.bundles import CreateBundle
from qi.contracts.compare import ComparePublishes, Comparison
from qi.contracts.publish import ListPublishes
from qi.contracts.settings import PatchSettings, Setting
from qi.testing.fixtures import Said
from qi.testing.studio import RunningStudio, Shot

Plugins = Callable[..., dict[str, str]]

WRITES_ITS_LOOK = """
    import os
    from pathlib import Path

    class ExtractLook(pyblish.api.InstancePlugin):
        order = pyblish.api.ExtractorOrder + 0.3

        def process(self, instance):
            path = Path(instance.context.data["staging"]) / "look.txt"
            limit = instance.context.data["settings"]["qi"]["publish"]["plugin_timeout_s"]
            path.write_text("{constant} " + str(limit) + os.environ["LOOK"] + os.environ.get("GRADE", ""))
            instance.data["representations"].append(
                {{"name": "look", "ext": "txt", "output": "look", "files": [str(path)], "role": "look"}})
"""


def tried(studio: RunningStudio, publish: str, **more: object) -> tuple[str, Comparison]:
    info = studio.finished(studio.replay(publish, "what-if", **more))
    assert info.mode == "what_if"
    return info.publish, studio.bus.request(ComparePublishes(first=publish, second=info.publish))


def test_with_nothing_changed_everything_is_the_same(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins
) -> None:
    environment = {**os.environ, **plugins(WRITES_ITS_LOOK.format(constant="one")), "LOOK": "warm"}
    first = studio.finished(studio.publish(shot, [frames], environment=environment))
    _, found = tried(studio, first.publish, environment=environment)
    assert found.same, found.differences
    assert found.causes == ()


def test_a_setting_a_variable_a_plugin_and_the_bundle_are_all_named_as_causes(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins
) -> None:
    environment = {**os.environ, **plugins(WRITES_ITS_LOOK.format(constant="one")), "LOOK": "warm"}
    first = studio.finished(studio.publish(shot, [frames], environment=environment))

    changed = Setting(path="qi.publish.plugin_timeout_s", value=77)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(changed,)))
    plugins(WRITES_ITS_LOOK.format(constant="two"))
    bundle = studio.bus.request(
        CreateBundle(name=f"graded {new_id()}", environment={"GRADE": "dark"}, command=new_id())
    )
    _, found = tried(
        studio, first.publish, bundle=bundle.name, environment={**environment, "LOOK": "cold"}
    )  # fmt: skip

    assert not found.same
    assert [(one.what, one.name) for one in found.differences] == [("output", "look.txt")]
    named = {(cause.what, cause.name.rpartition("/")[2]) for cause in found.causes}
    assert named == {
        ("bundle", bundle.name),
        ("setting", "qi.publish.plugin_timeout_s"),
        ("environment", "LOOK"),
        ("environment", "GRADE"),
        ("plugin", "studio_plugin.py"),
    }


def test_settings_of_an_earlier_position_are_those_of_then(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins
) -> None:
    environment = {**os.environ, **plugins(WRITES_ITS_LOOK.format(constant="one")), "LOOK": "warm"}
    first = studio.finished(studio.publish(shot, [frames], environment=environment))
    changed = Setting(path="qi.publish.plugin_timeout_s", value=78)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(changed,)))
    _, found = tried(studio, first.publish, settings_at=first.position, environment=environment)
    assert found.same, found.differences
    assert found.causes == ()


def test_a_bundle_of_today_is_tried_with_settings_of_then(
    qi: Callable[..., Said], studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for variable, value in {**plugins(WRITES_ITS_LOOK.format(constant="one")), "LOOK": "warm"}.items():
        monkeypatch.setenv(variable, value)
    first = studio.finished(studio.publish(shot, [frames]))
    changed = Setting(path="qi.publish.plugin_timeout_s", value=78)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(changed,)))
    bundle = studio.bus.request(
        CreateBundle(name=f"graded {new_id()}", environment={"GRADE": "dark"}, command=new_id())
    )  # fmt: skip
    (asked,) = studio.events(stream=f"publish-{first.publish}", type="publish.requested")
    then = datetime.fromtimestamp(asked.occurred_at / 1_000_000, UTC).isoformat()

    for moment in (str(first.position), then):
        said = qi(
            "replay", first.publish, "--mode", "what-if", "--bundle", bundle.name, "--settings-at", moment, "--json"
        )
        assert said.code == 1, said.err
        assert said.json["side_effect_free"] is False
        assert {cause["what"] for cause in said.json["comparison"]["causes"]} == {"bundle", "environment"}
    now = qi("replay", first.publish, "--mode", "what-if", "--bundle", bundle.name)
    assert now.code == 1
    assert "not side-effect free" in now.out
    assert "qi.publish.plugin_timeout_s" in now.out


def test_a_trial_integrates_nothing_takes_no_number_and_makes_nothing_good(
    studio: RunningStudio, shot: Shot, frames: str
) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    trial, _ = tried(studio, first.publish)
    info = studio.shown(trial)
    assert (info.state, info.version, info.path, info.files) == ("succeeded", None, None, 0)
    assert list(dict.fromkeys(step.state for step in info.steps)) == ["collected", "validated", "extracted"]
    product = Path(str(first.path)).parent
    assert [entry.name for entry in product.iterdir()] == ["v001"]
    assert studio.finished(studio.publish(shot, [frames])).version == 2


def test_a_validator_that_would_now_fail_is_a_difference(
    studio: RunningStudio, shot: Shot, frames: str, plugins: Plugins
) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    refuses = """
        class ValidateNever(pyblish.api.ContextPlugin):
            order = pyblish.api.ValidatorOrder

            def process(self, context):
                raise ValueError("not with me")
    """
    trial, found = tried(studio, first.publish, environment={**os.environ, **plugins(refuses)})
    assert studio.shown(trial).state == "failed"
    assert any(
        (one.what, one.name) == ("step", "ValidateNever") and "not with me" in one.now for one in found.differences
    )
    assert any(cause.what == "plugin" for cause in found.causes)
    failed = studio.bus.request(ListPublishes(failed=True, project=shot.project)).publishes
    assert trial not in [info.publish for info in failed], "a trial that fails is no failed publish"


def test_the_command_says_what_differs_and_exits_1(
    qi: Callable[..., object], studio: RunningStudio, shot: Shot, frames: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = studio.finished(studio.publish(shot, [frames]))
    monkeypatch.setenv("SHOW_LOOK", "other")
    same = qi("replay", first.publish, "--mode", "what-if")
    assert same.code == 0, same.err
    assert "SHOW_LOOK" in same.out
    changed = Setting(path="media.thumbnail_size", value=16)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(changed,)))
    other = qi("replay", first.publish, "--mode", "what-if", "--json")
    assert other.code == 1
    names = [one["name"] for one in other.json["comparison"]["differences"]]
    assert any("thumbnail" in name for name in names)
    refused = qi("replay", first.publish, "--mode", "rerun", "--bundle", "base")
    assert refused.code == 2
