"""Pages of addons are built with a real Node, once for the same sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from qi.addon_pages import STAMP, build_pages
from qi.errors import Invalid, Unavailable

BUILD = """
import fs from 'node:fs'
fs.appendFileSync(process.env.BUILDS, 'built\\n')
fs.mkdirSync('dist')
fs.writeFileSync('dist/page.html', fs.readFileSync('page.html', 'utf8').toUpperCase())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    ui = tmp_path / "sheet" / "ui"
    ui.mkdir(parents=True)
    (ui / "package.json").write_text('{"private": true, "scripts": {"build": "node build.mjs"}}', "utf-8")
    (ui / "build.mjs").write_text(BUILD, "utf-8")
    (ui / "page.html").write_text("sheet", "utf-8")
    return tmp_path / "sheet"


def builds(folder: Path) -> int:
    return len((folder.parent / "builds").read_text("utf-8").splitlines())


def test_the_same_sources_are_built_once_and_others_again(folder: Path) -> None:
    assert build_pages(folder)
    assert (folder / "ui_dist" / "page.html").read_text("utf-8") == "SHEET"
    assert build_pages(folder)
    assert builds(folder) == 1
    (folder / "ui" / "page.html").write_text("contact sheet", "utf-8")
    assert build_pages(folder)
    assert ((folder / "ui_dist" / "page.html").read_text("utf-8"), builds(folder)) == ("CONTACT SHEET", 2)


def test_a_build_that_fails_says_its_last_words_and_leaves_what_was_built(folder: Path) -> None:
    build_pages(folder)
    (folder / "ui" / "build.mjs").write_text("console.error('no such module: svelt'); process.exit(3)", "utf-8")
    with pytest.raises(Invalid, match=r"(?s)npm run build .*no such module: svelt"):
        build_pages(folder)
    assert (folder / "ui_dist" / "page.html").read_text("utf-8") == "SHEET"
    (folder / "ui" / "build.mjs").write_text("", "utf-8")
    with pytest.raises(Invalid, match="wrote no folder 'dist'"):
        build_pages(folder)


def test_an_addon_without_sources_has_the_pages_that_lie_there_or_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain" / "ui_dist").mkdir(parents=True)
    assert build_pages(tmp_path / "plain")
    assert not build_pages(tmp_path / "sheet" / "ui")
    assert not (tmp_path / "plain" / "ui_dist" / STAMP).exists()


def test_without_node_it_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="Node") as refused:
        build_pages(folder)
    assert "[pages]" in refused.value.remedy
