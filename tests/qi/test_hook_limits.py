"""A hook that hangs or is unusable holds up nobody but itself, and it is said which one it is."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.catalog import encode_change
from events.projects import ProjectCreated, project_stream
from events.record import Change
from events.sqlite import SqliteStore
from events.store import Append
from qi import hooks
from qi.addon_check import examine
from qi.errors import Invalid
from qi.home import Home
from qi.hooks import Hooks
from qi.session.publishing import Outcome, Step, StepsFailed
from qi.testing.mesh import eventually
from qi.worker.hooks import ask_hooks, hooks_of

NOTES = """
    from pathlib import Path
    from qi.plugin import Hook, LifeEvent

    class Noting(Hook):
        order = 2
        events = frozenset({LifeEvent.PROJECT_CREATED, LifeEvent.BEFORE_PUBLISH})

        def run(self, event, data):
            with Path(self.settings["file"]).open("a") as file:
                file.write(f"{data['name']}\\n")
"""
HANGS = """
    from pathlib import Path
    from qi.plugin import Hook, LifeEvent
    import time

    class Hanging(Hook):
        order = 1
        events = frozenset({LifeEvent.PROJECT_CREATED, LifeEvent.BEFORE_PUBLISH})

        def run(self, event, data):
            with Path(self.settings["file"] + ".hangs").open("a") as file:
                file.write(f"{data['name']}\\n")
            while not Path(self.settings["file"] + ".go").exists():
                time.sleep(0.01)
"""


def write(folder: Path, **files: str) -> Path:
    place = folder / "plugins" / "hooks"
    place.mkdir(parents=True)
    (folder / "addon.toml").write_text('name = "farm"\nversion = "1.0.0"\n', "utf-8")
    for name, code in files.items():
        (place / f"{name}.py").write_text(textwrap.dedent(code), "utf-8")
    return folder


def lines(file: Path) -> list[str]:
    return file.read_text("utf-8").split() if file.exists() else []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


@pytest.fixture
def create(home: Home):  # type: ignore[no-untyped-def]
    """Records a project."""
    store = SqliteStore(home.events)

    def created(name: str) -> None:
        made = ProjectCreated(project=name, name=name, root="/")
        store.append(Append((encode_change(Change(project_stream(name), made)),)))

    yield created
    store.close()


def test_one_that_hangs_is_left_its_time_and_misses_nothing_when_it_goes_on(
    home: Home, tmp_path: Path, create: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "LIMIT_S", 0.1)
    file = tmp_path / "told"
    folder = write(tmp_path / "farm", notes=NOTES, hangs=HANGS, broken="import nothing_of_that_name")
    running = Hooks("farm", folder, home, {"file": str(file)}, lambda _: True, tuple)
    assert running.subjects == ("qi.event.project.>",)
    running.start()
    try:
        for name in ("one", "two"):
            create(name)
            running.wake()
            eventually(lambda: lines(file)[-1:] == [name])  # noqa: B023 - called at once
        assert lines(tmp_path / "told.hangs") == ["one"]
        troubles = running.troubles()
        assert any("broken.py" in trouble for trouble in troubles)
        assert "the hook 'hangs' has not come to an end" in troubles
        (tmp_path / "told.go").touch()

        def went_on() -> bool:
            running.wake()
            return lines(tmp_path / "told.hangs") == ["one", "two"]

        eventually(went_on)
        eventually(lambda: len(running.troubles()) == 1)
        assert lines(file) == ["one", "two"]
    finally:
        running.close()


def test_one_that_hangs_before_a_publish_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "farm", notes=NOTES, hangs=HANGS)
    file = tmp_path / "told"
    named: list[tuple[str, Step, float]] = []
    seen: list[tuple[str, Outcome | None]] = []

    class Listens:
        def started(self, stage: str, step: Step) -> None:
            seen.append((step.plugin, None))

        def finished(self, stage: str, step: Step, outcome: Outcome) -> None:
            seen.append((step.plugin, outcome))

    def hung(stage: str, step: Step, limit_s: float) -> None:
        named.append((stage, step, limit_s))
        (tmp_path / "told.go").touch()

    asked = hooks_of("farm", folder, {"file": str(file)})
    data: dict[str, Any] = {"name": "p1", "settings": {"qi": 1}}
    assert ask_hooks(asked, data, Listens(), limit_s=1.0, hung=hung) == data
    assert [step.plugin for _, step, _ in named] == ["farm.hangs"]
    assert [plugin for plugin, _ in seen] == ["farm.hangs"] * 2 + ["farm.notes"] * 2


def test_settings_are_not_a_hooks_to_change_and_a_broken_one_stops_the_publish(tmp_path: Path) -> None:
    meddles = NOTES.replace("with Path", 'data["settings"]["qi"] = 2\n            with Path')
    folder = write(tmp_path / "farm", notes=meddles)
    asked = hooks_of("farm", folder, {"file": str(tmp_path / "told")})

    class Silent:
        def started(self, stage: str, step: Step) -> None: ...

        def finished(self, stage: str, step: Step, outcome: Outcome) -> None: ...

    data: dict[str, Any] = {"name": "p1", "settings": {"qi": 1}}
    with pytest.raises(StepsFailed) as refused:
        ask_hooks(asked, data, Silent(), limit_s=5, hung=lambda *_: None)
    assert refused.value.failures[0][1].message == "a hook cannot change settings"
    assert data["settings"] == {"qi": 1}
    (folder / "plugins" / "hooks" / "broken.py").write_text("import nothing_of_that_name", "utf-8")
    with pytest.raises(Invalid, match=r"broken\.py"):
        hooks_of("farm", folder, {})


def test_a_check_says_what_a_hook_needs_to_see(tmp_path: Path) -> None:
    folder = write(tmp_path / "farm", notes=NOTES.replace("PROJECT_CREATED", "SESSION_STARTED"))
    (problem,) = examine(folder).problems
    assert "notes.py waits for sessions" in problem
    said = 'name = "farm"\nversion = "1.0.0"\nrequests = ["session.list"]\npermissions = ["read"]\n'
    (folder / "addon.toml").write_text(said, "utf-8")
    assert examine(folder).problems == ()
