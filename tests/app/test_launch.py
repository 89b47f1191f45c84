"""Where a start's options come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qi.app.launch import read_launch_config
from qi.errors import Invalid


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without files, an environment without Qi's variables."""
    for variable in [name for name in os.environ if name.startswith("QI_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_command_line_wins_over_environment_over_dotenv_over_toml_over_default(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_launch_config().project == ""
    (nowhere / "qi.toml").write_text('project = "toml"\ndefault_project = "fallback"\n', "utf-8")
    assert read_launch_config().project == "toml"
    (nowhere / ".env").write_text("QI_PROJECT=dotenv\n", "utf-8")
    assert read_launch_config().project == "dotenv"
    monkeypatch.setenv("QI_PROJECT", "environment")
    assert read_launch_config().project == "environment"
    assert read_launch_config(project="command line").project == "command line"
    assert read_launch_config(project=None).project == "environment"
    assert read_launch_config().default_project == "fallback"


def test_the_default_project_is_worked_in_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QI_DEFAULT_PROJECT", "Lighthouse")
    assert read_launch_config().working_project == "Lighthouse"
    assert read_launch_config(project="Other").working_project == "Other"


def test_a_home_is_made_absolute_and_addon_paths_are_split(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QI_ADDON_PATHS", os.pathsep.join(["/one", "/two"]))
    config = read_launch_config(home="studio")
    assert config.home == nowhere / "studio"
    assert config.addon_paths == (Path("/one"), Path("/two"))


def test_the_default_home_is_a_folder_of_the_user() -> None:
    assert read_launch_config().home.is_absolute()
    assert read_launch_config().home.name == "qi"


def test_it_is_frozen_and_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_launch_config()
    with pytest.raises(ValueError, match="frozen"):
        config.project = "other"  # type: ignore[misc]
    monkeypatch.setenv("QI_ADDON_ISOLATION", "balloon")
    with pytest.raises(Invalid) as told:
        read_launch_config()
    assert list(told.value.data["fields"]) == ["addon_isolation"]
    assert "addon_isolation" in told.value.message


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QI_CONNECT_PASSWORD", "hunter2hunter2")
    assert "hunter2hunter2" not in repr(read_launch_config())
