"""Folders dropped on the page Publish, by the browser's own drag and from a real disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from qi.testing.studio import Shot

pytestmark = pytest.mark.xdist_group("ui")


def drop(one: Any, target: Locator, *paths: Path) -> None:
    """As a file manager does it: the page is given entries of the file system, not files that a script made up."""
    box = target.bounding_box()
    assert box is not None
    browser = one.context.new_cdp_session(one.page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send(
            "Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data}
        )
    browser.detach()


def test_folders_are_dropped_whole_and_each_keeps_its_files_apart(
    window: Callable[..., Any], shot: Shot, frames: str, tmp_path: Path
) -> None:
    plates = tmp_path / "plates"
    for side in ("left", "right"):
        (plates / side).mkdir(parents=True)
        for frame in ("beauty.1001.exr", "beauty.1002.exr"):
            shutil.copy(Path(frames).with_name("beauty.1001.exr"), plates / side / frame)
    (plates / ".DS_Store").write_bytes(b"left by a system")
    alone = tmp_path / "slate.exr"
    shutil.copy(Path(frames).with_name("beauty.1001.exr"), alone)
    one = window("root")
    page = one.go(f"/publish?project={shot.project}&entity={shot.entity}")
    drop(one, page.get_by_role("group", name="Drop files here"), plates, alone)
    rows = page.get_by_role("list", name="Dropped files").get_by_role("listitem")
    expect(rows).to_have_text(["plates/left/beauty.####.exr", "plates/right/beauty.####.exr", "slate.exr"])
