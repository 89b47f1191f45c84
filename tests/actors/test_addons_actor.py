"""Addons: found in folders, kept by content, asked by nobody but the services."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.ids import new_id
from qi.contracts.addons import ListAddons, StoreAddon
from qi.contracts.auth import StorePassword, VerifyPassword
from qi.contracts.bundles import CreateBundle, GetBundle
from qi.contracts.db import AskTracker
from qi.contracts.settings import GetSettings, PatchSettings, Setting
from qi.errors import Forbidden, Invalid, QiError
from qi.messages import to_addon
from qi.testing.studio import RunningStudio, start_studio

FARM = """
from pydantic import Field
from qi.settings import SettingsModel

class Settings(SettingsModel):
    slots: int = Field(default=4, ge=1)
    password: dict[str, str] | None = Field(default=None, json_schema_extra={"secret": True})
"""


def test_the_bundled_addons_are_found_with_what_they_bring(studio: RunningStudio) -> None:
    found = {info.name: info for info in studio.bus.request(ListAddons()).addons}
    assert found["local"].roles == ("auth", "db")
    assert "publish plugins" in found["media"].contributes
    assert all(len(info.digest) == 64 for info in found.values())


@pytest.mark.parametrize(
    "asked",
    [
        VerifyPassword(user="ada", password="guessing past the limit"),
        StorePassword(user="ada", password="mine from now on"),
        AskTracker(asked="db.project.list", viewer="ada", sees_all=True),
    ],
)
def test_a_provider_is_asked_by_the_services_alone(studio: RunningStudio, asked: VerifyPassword) -> None:
    production = studio.bus.request(GetBundle())
    with pytest.raises(Forbidden):
        studio.bus.request(asked, to=to_addon(production.id, "local"))


def test_the_content_store_is_filled_by_the_services_alone(studio: RunningStudio) -> None:
    with pytest.raises(Forbidden):
        studio.bus.request(StoreAddon(name="media"))


def test_a_secret_setting_holds_a_reference_and_never_the_secret(tmp_path: Path) -> None:
    farm = tmp_path / "more" / "farm"
    farm.mkdir(parents=True)
    (farm / "addon.toml").write_text('name = "farm"\nversion = "1.0.0"\n', "utf-8")
    (farm / "settings.py").write_text(FARM, "utf-8")
    with start_studio(tmp_path / "home", environment={"QI_ADDON_PATHS": str(farm.parent)}) as studio:
        shot = studio.given_project()

        def put(value: object) -> None:
            change = (Setting(path="farm.password", value=value),)
            studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=change))

        with pytest.raises(Invalid) as told:
            put("hunter2hunter2")
        assert "farm.password" in told.value.data["fields"]
        assert "hunter2hunter2" not in str(told.value.as_reply())
        put({"secret": "farm password"})
        values = studio.bus.request(GetSettings(addon="farm", project=shot.project)).values
        assert values["farm"] == {"slots": 4, "password": {"secret": "farm password"}}
        assert "hunter2hunter2" not in str(studio.events())


def test_a_bundle_keeps_an_addon_as_it_was_and_a_later_one_has_it_as_it_is(tmp_path: Path) -> None:
    farm = tmp_path / "more" / "farm"
    farm.mkdir(parents=True)
    (farm / "addon.toml").write_text('name = "farm"\nversion = "1.0.0"\n', "utf-8")
    (farm / "settings.py").write_text(FARM, "utf-8")
    with start_studio(tmp_path / "home", environment={"QI_ADDON_PATHS": str(farm.parent)}) as studio:
        (farm / "addon.toml").write_text('name = "farm"\nversion = "2.0.0"\n', "utf-8")
        (farm / "settings.py").write_text(FARM.replace("default=4", "default=8"), "utf-8")
        studio.bus.request(CreateBundle(name="next", command=new_id()))

        def slots(bundle: str) -> int:
            return int(studio.bus.request(GetSettings(addon="farm", bundle=bundle)).values["farm"]["slots"])

        assert (slots("production"), slots("next")) == (4, 8)
        versions = [
            next(addon.version for addon in studio.bus.request(GetBundle(bundle=name)).addons if addon.name == "farm")
            for name in ("production", "next")
        ]
        assert versions == ["1.0.0", "2.0.0"]
        (farm / "settings.py").write_text("broken(", "utf-8")
        with pytest.raises(QiError) as told:
            studio.bus.request(CreateBundle(name="broken", addons=("farm",), command=new_id()))
        assert (told.value.code, "farm" in told.value.message) == (422, True)
