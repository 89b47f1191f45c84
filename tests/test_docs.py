"""Every code block of README and docs runs, in order, each document in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_LIMIT_S = 300

# README's two commands install uv and start everything anew: .ci/run runs them as they stand. Here they run against
# this environment, and the tests only say which there are, or they would run themselves.
STANDINS = {
    "pip": "exit 0",
    "uv": 'shift; exec "$@"',
    "pytest": f'exec "{sys.executable}" -m pytest --collect-only -q -n0 -p no:cacheprovider "$QI_ROOT/tests/events"',
    "qi": f'exec "{sys.executable}" -c "import sys; from qi.app.cli.main import main; sys.exit(main())" "$@"',
}


def blocks(document: Path) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in BLOCK.finditer(document.read_text("utf-8"))]


@pytest.fixture
def place(tmp_path: Path):
    """A folder with the commands on its PATH; whatever studio was started in it is stopped."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in STANDINS.items():
        (commands / name).write_text(f"#!/bin/sh\n{body}\n")
        (commands / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    yield work
    for home in work.rglob("studio.json"):
        subprocess.run([commands / "qi", "--home", str(home.parent), "stop"], check=False, timeout=60)
    shutil.rmtree(work, ignore_errors=True)


def environment(place: Path) -> dict[str, str]:
    path = os.pathsep.join([str(place.parent / "bin"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "QI_ROOT": str(ROOT), "PYTHONPATH": str(ROOT), "QI_HOME": str(place / "home")}


@pytest.mark.timeout(BLOCK_LIMIT_S + 60)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_document_runs(document: Path, place: Path) -> None:
    # One shell for all, so that a variable that one block exports holds in the next, as for a reader who types along.
    script = ["set -e"]
    for number, (language, text) in enumerate(blocks(document)):
        if language == "bash":
            script.append(text)
        elif language == "python":
            (place.parent / f"block{number}.py").write_text(text, "utf-8")
            script.append(f'"{sys.executable}" "{place.parent}/block{number}.py"')
        elif language == "toml":
            tomllib.loads(text)
        elif language == "json":
            json.loads(text)
        else:
            assert language == "text", f"block {number} of {document.name} is in no language that is checked"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=BLOCK_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ("uv run qi demo", "uv run pytest"):
        assert any(command in text for _, text in blocks(ROOT / "README.md"))
        assert f"\n{command}\n" in ci
