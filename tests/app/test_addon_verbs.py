"""`qi addon`: an addon is made, tested, packed, installed, pinned, used, and removed, as its author would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.ids import new_id
from qi.app.addon_template import write_addon
from qi.app.cli.main import main
from qi.contracts.bundles import ArchiveBundle, DeleteBundle
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with start_studio(tmp_path_factory.mktemp("studio") / "home") as studio:
        yield studio


def run(studio: RunningStudio, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["--home", str(studio.home.root), *arguments]) == code, capsys.readouterr()
    said = capsys.readouterr()
    return said.out + said.err


def test_from_new_to_removed(running: RunningStudio, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def qi(*arguments: str, code: int = 0) -> str:
        return run(running, capsys, *arguments, code=code)

    folder = tmp_path / "greeter"
    assert "a plugin and a test" in qi("addon", "new", "greeter", "--at", str(tmp_path))
    assert "exists already" in qi("addon", "new", "greeter", "--at", str(tmp_path), code=4)
    assert "greeter: 1 plugins, 1 settings, 1 tests passed" in qi("addon", "test", str(folder))
    assert "0 tests passed" in qi("addon", "check", str(folder))

    assert "greeter 0.1.0" in qi("addon", "pack", str(folder), "--to", str(tmp_path))
    package = str(tmp_path / "greeter-0.1.0.qi-addon.zip")
    assert "greeter.hello" in qi("addon", "inspect", package)
    assert "greeter 0.1.0 is installed" in qi("addon", "install", package, "--reason", "for the demo")
    assert "greeter 0.1.0 is installed" in qi("addon", "install", package)  # the same again is no change
    (event,) = running.events(type="addon.installed")
    assert (event.data["source"], event.data["reason"]) == ("greeter-0.1.0.qi-addon.zip", "for the demo")

    # Changed content under the same version is refused; under a new one it stands beside the first.
    lib = folder / "lib" / "greeter_lib" / "messages.py"
    lib.write_text(lib.read_text("utf-8").replace('"you"', '"all"'), "utf-8")
    (tmp_path / "more").mkdir()
    qi("addon", "pack", str(folder), "--to", str(tmp_path / "more"))
    changed = str(tmp_path / "more" / "greeter-0.1.0.qi-addon.zip")
    assert "with other content" in qi("addon", "install", changed, code=4)
    toml = folder / "addon.toml"
    toml.write_text(toml.read_text("utf-8").replace("0.1.0", "0.2.0"), "utf-8")
    qi("addon", "pack", str(folder), "--to", str(tmp_path))
    qi("addon", "install", str(tmp_path / "greeter-0.2.0.qi-addon.zip"))

    qi("bundle", "create", "old", "--addon", "local", "--addon", "greeter@0.1.0")
    qi("bundle", "create", "new", "--addon", "local", "--addon", "greeter")
    pinned = [
        next(one for one in json.loads(qi("bundle", "show", name, "--json"))["addons"] if one["name"] == "greeter")
        for name in ("old", "new")
    ]
    assert [one["version"] for one in pinned] == ["0.1.0", "0.2.0"]

    listed = qi("addon", "list", "--bundle", "new")
    assert "greeter" in listed
    assert "registered" in listed
    told = json.loads(qi("addon", "inspect", "greeter", "--bundle", "old", "--json"))
    assert (told["version"], len(told["installed"])) == ("0.1.0", 2)
    assert "there is no addon" in qi("addon", "inspect", "nobody", code=2)

    assert "new" in qi("bundle", "promote", "new", "--reason", "the greeter is good")
    assert qi("greeter", "hello", "--name", "Ada") == "Hello, Ada!\n"
    assert "Say hello." in qi("greeter", "--help")
    assert "no command and no addon 'nobody'" in qi("nobody", "hello", code=2)
    assert "adds no verbs" in qi("local", "hello", code=2)

    assert "'greeter' does no jobs" in qi("job", "kinds", "greeter")
    assert "greeter" in qi("job", "start", "greeter", "nothing")
    eventually(lambda: "no jobs of the kind 'nothing'" in qi("job", "list", "--state", "failed"))
    assert "no jobs of the kind" in qi("notices")
    assert "nothing new" in qi("notices")
    assert "0 jobs have an id" in qi("job", "cancel", "zzz", code=2)

    assert "bundle 'old' pins" in qi("addon", "remove", "greeter@0.1.0", "--reason", "old", code=4)
    for request in (ArchiveBundle, DeleteBundle):
        running.bus.request(request(bundle="old", reason="over", command=new_id()))
    assert "is removed" in qi("addon", "remove", "greeter@0.1.0", "--reason", "old")
    assert "not installed" in qi("addon", "remove", "greeter@0.1.0", "--reason", "old", code=2)


def test_what_is_wrong_with_an_addon_is_said(
    running: RunningStudio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(running, capsys, "addon", "new", "broken", "--at", str(tmp_path))
    (tmp_path / "broken" / "addon.py").write_text("class Broken(:\n", "utf-8")
    assert "SyntaxError" in run(running, capsys, "addon", "check", str(tmp_path / "broken"), code=1)
    assert "no name for an addon" in run(running, capsys, "addon", "new", "Not A Name", code=2)
    assert "no file" in run(running, capsys, "addon", "install", str(tmp_path / "none.zip"), code=2)


def test_in_safe_mode_only_the_providers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_addon("greeter", tmp_path)
    monkeypatch.setenv("QI_ADDON_PATHS", str(tmp_path))
    home = ["--home", str(tmp_path / "home"), "--safe-mode"]
    assert main([*home, "addon", "list", "--json"]) == 0
    stages = {run["name"]: run["stage"] for run in json.loads(capsys.readouterr().out)["addons"]}
    assert (stages["local"], stages["greeter"]) == ("started", "registered")
    assert main([*home, "project", "create", "Lighthouse"]) == 0
