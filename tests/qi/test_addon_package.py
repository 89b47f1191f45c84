"""Packages of addons: the same bytes for the same content, and nothing that leads out of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from events.blobs import Blobs
from qi.addon_package import SUFFIX, pack, unpack
from qi.app.addon_template import write_addon
from qi.errors import Conflict, Invalid, NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_addon("contact_sheet", tmp_path)


def write_pages(ui: Path) -> None:
    """Pages whose build needs nothing but Node."""
    ui.mkdir()
    (ui / "package.json").write_text('{"private": true, "scripts": {"build": "node build.mjs"}}', "utf-8")
    (ui / "build.mjs").write_text(
        "import fs from 'node:fs'\n"
        "fs.mkdirSync('dist')\n"
        "fs.copyFileSync('page.html', 'dist/page.html')\n", "utf-8",
    )  # fmt: skip
    (ui / "page.html").write_text("<h1>Sheet</h1>", "utf-8")


def test_a_package_is_laid_out_as_it_was(folder: Path, tmp_path: Path) -> None:
    (folder / "tool.sh").write_text("#!/bin/sh\n", "utf-8")
    (folder / "tool.sh").chmod(0o755)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "addon.pyc").write_bytes(b"made anew")
    done = pack(folder, tmp_path)
    assert done.file == str(tmp_path / f"contact_sheet-0.1.0{SUFFIX}")
    record = unpack(Path(done.file), tmp_path / "laid_out")
    assert (record.name, record.version, record.problem) == ("contact_sheet", "0.1.0", "")
    assert not (tmp_path / "laid_out" / "__pycache__").exists()
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.put_tree(tmp_path / "laid_out") == blobs.put_tree(folder) == done.digest


def test_the_same_content_makes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = Path(pack(folder, tmp_path / "a").file).read_bytes()
    (folder / "addon.py").touch()
    assert Path(pack(folder, tmp_path / "b").file).read_bytes() == first


def test_a_package_never_overwrites_and_a_broken_addon_makes_none(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path)
    with pytest.raises(Conflict):
        pack(folder, tmp_path)
    (folder / "addon.toml").write_text("name = 'x y'\n", "utf-8")
    with pytest.raises(Invalid, match="cannot be packed"):
        pack(folder, tmp_path)
    assert not list(tmp_path.glob(".*.part"))


def test_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "lib" / "link").symlink_to("/etc/hostname")
    with pytest.raises(Invalid, match="is a link"):
        pack(folder, tmp_path)


def test_what_is_packed_has_its_pages_built_and_not_what_they_were_built_with(folder: Path, tmp_path: Path) -> None:
    write_pages(folder / "ui")
    (folder / "ui" / "node_modules").mkdir()
    (folder / "ui" / "node_modules" / "big.js").write_text("//", "utf-8")
    unpack(Path(pack(folder, tmp_path).file), tmp_path / "laid_out")
    assert (tmp_path / "laid_out" / "ui_dist" / "page.html").read_text("utf-8") == "<h1>Sheet</h1>"
    assert not list((tmp_path / "laid_out").rglob("node_modules"))


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.parametrize(
    "add",
    [
        lambda archive: archive.writestr("../outside.py", "x"),
        lambda archive: archive.writestr("/etc/outside.py", "x"),
        lambda archive: archive.writestr("lib\\..\\..\\outside.py", "x"),
        lambda archive: archive.writestr(link("lib/link"), "/etc/passwd"),
    ],
)
def test_nothing_leads_out_of_a_package(tmp_path: Path, add: Callable[[zipfile.ZipFile], None]) -> None:
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("addon.toml", 'name = "bad"\nversion = "1.0.0"\n')
        add(archive)
    with pytest.raises(Invalid, match="no package may hold"):
        unpack(file, tmp_path / "in" / "side")
    assert not list(tmp_path.rglob("outside.py"))


def test_what_is_no_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        unpack(tmp_path / "none.zip", tmp_path / "x")
    (tmp_path / "text.zip").write_text("no archive", "utf-8")
    with pytest.raises(Invalid, match="no package of an addon"):
        unpack(tmp_path / "text.zip", tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1_000_000))
    monkeypatch.setattr("qi.addon_package.TREE_MAX_BYTES", 100_000)
    with pytest.raises(Invalid, match="too large"):
        unpack(tmp_path / "bomb.zip", tmp_path / "y")
