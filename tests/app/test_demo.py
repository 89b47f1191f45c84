"""The demo: the whole product in one command, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qi.testing.images import write_sequence

DEMO = [sys.executable, "-c", "import sys; from qi.app.cli.main import main; sys.exit(main())", "demo"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, timeout=240, env={**os.environ, **environment}, check=False
    )


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_the_demo_fails_replays_proves_and_prints_one_document(isolation: str, tmp_path: Path) -> None:
    write_sequence(tmp_path, "mine", 1, 3, size=(32, 18))

    said = run("--json", "--input", str(tmp_path / "mine.####.exr"), QI_ADDON_ISOLATION=isolation, TMPDIR=str(tmp_path))

    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert set(told) == {"studio", "publishes", "history", "verified", "seconds"}
    failed, resumed, rerun = told["publishes"]
    assert (failed["state"], failed["error"]["step"], failed["version"]) == ("failed", "registered", 1)
    assert (resumed["publish"], resumed["state"], resumed["version"]) == (failed["publish"], "succeeded", 1)
    assert (rerun["replay_of"], rerun["state"], rerun["version"]) == (failed["publish"], "succeeded", 2)
    digests = [{file["digest"] for file in one["files"] if file["representation"] == "exr"} for one in (failed, rerun)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3
    assert told["verified"]["events"] >= len(told["history"]) > 40
    ids = {event["id"] for event in told["history"]}
    assert {"publish.failed", "publish.resumed", "publish.made_good", "publish.succeeded"} & {
        event["type"] for event in told["history"]
    } >= {"publish.failed", "publish.resumed", "publish.succeeded"}
    assert all(event["meta"]["cause"] in ids or event["type"].startswith("publish.re") for event in told["history"])
    addons = [child for child in told["studio"]["children"] if child["name"].startswith("addon_")]
    assert {child["where"] for child in addons} == {isolation}
    assert not list(tmp_path.glob("qi-demo-*"))


def test_the_demo_keeps_its_studio_where_it_is_told_to(tmp_path: Path) -> None:
    write_sequence(tmp_path, "mine", 1, 2, size=(16, 16))
    home = tmp_path / "kept"

    said = run("--home", str(home), "--input", str(tmp_path / "mine.%04d.exr"), TMPDIR=str(tmp_path))

    assert said.returncode == 0, said.stderr
    assert "publish.requested" in said.stdout
    assert "└─" in said.stdout
    assert "The chain holds" in said.stderr
    assert (home / "events.db").is_file()
    assert len(list((home / "projects").rglob("*.exr"))) == 4
    assert not list(tmp_path.glob("qi-demo-*"))


def test_the_demo_refuses_frames_that_are_not_there(tmp_path: Path) -> None:
    said = run("--json", "--input", str(tmp_path / "nothing.####.exr"), TMPDIR=str(tmp_path))
    assert said.returncode == 2
    assert said.stdout == ""
    assert "nothing.####.exr" in said.stderr
