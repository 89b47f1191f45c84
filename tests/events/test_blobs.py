"""Content is what its name says, whole or absent, and a tree comes back as it was put."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import blobs as module
from events.blobs import MARKER, Blobs, TreeFile
from events.errors import Conflict, CorruptLog, Invalid, NotFound
from events.record import Digest

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX links and modes")


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "home" / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An addon's folder with all that does not belong into a tree."""
    root = tmp_path / "addon"
    for name, content in {
        "addon.toml": "name = 'x'", "lib/a b/ü.py": "x = 1", "lib/empty.txt": "", "lib/__pycache__/x.pyc": "no",
        ".git/HEAD": "no", "plugin.pyc": "no", MARKER: "no",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    (root / "run.sh").write_text("#!/bin/sh\n", "utf-8")
    (root / "run.sh").chmod(0o755)
    return root


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.binary(max_size=3000))
def test_content_comes_back_under_its_digest(blobs: Blobs, content: bytes) -> None:
    digest = blobs.put(content)
    assert digest == blake3(content).hexdigest()
    assert blobs.has(digest)
    assert blobs.get(digest) == content
    assert blobs.put(content) == digest


def test_a_file_and_its_bytes_have_one_digest(blobs: Blobs, tmp_path: Path) -> None:
    content = os.urandom(3 * module.CHUNK_BYTES + 17)
    (tmp_path / "plate.exr").write_bytes(content)
    assert blobs.put_file(tmp_path / "plate.exr") == blobs.put_file(tmp_path / "plate.exr")
    digest = blobs.put(content)
    assert blobs.path(digest).read_bytes() == content
    assert files(tmp_path / "home") == {f"blobs/{digest[:2]}/{digest}"}


def test_what_is_not_there_is_not_found(blobs: Blobs, tmp_path: Path) -> None:
    absent = Digest("0" * 64)
    assert not blobs.has(absent)
    with pytest.raises(NotFound):
        blobs.get(absent)
    with pytest.raises(NotFound):
        blobs.put_file(tmp_path / "absent")
    with pytest.raises(NotFound):
        blobs.put_tree(tmp_path / "absent")
    assert files(tmp_path) == set()


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65])
def test_a_path_is_only_made_from_a_digest(blobs: Blobs, digest: str) -> None:
    with pytest.raises(Invalid):
        blobs.path(Digest(digest))


def test_damaged_content_is_never_handed_out(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    tree = blobs.put_tree(folder)
    digest = blobs.tree(tree)["run.sh"].digest
    blobs.path(digest).write_bytes(b"#!/bin/evil")
    with pytest.raises(CorruptLog):
        blobs.get(digest)
    with pytest.raises(CorruptLog):
        blobs.checkout(tree, tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_many_may_put_the_same_content_at_once(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same" * 1000)
    with ThreadPoolExecutor(8) as pool:
        found = set(
            pool.map(lambda n: blobs.put(b"same" * 1000) if n % 2 else blobs.put_file(tmp_path / "a"), range(64))
        )
    (digest,) = found
    assert files(tmp_path / "home") == {f"blobs/{digest[:2]}/{digest}"}


def test_a_tree_comes_back_as_it_was_put(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    digest = blobs.put_tree(folder)
    out = blobs.checkout(digest, tmp_path / "code" / digest)
    assert files(out) == {"addon.toml", "lib/a b/ü.py", "lib/empty.txt", "run.sh", MARKER}
    assert (out / "lib/a b/ü.py").read_text("utf-8") == "x = 1"
    assert blobs.put_tree(out) == digest
    assert blobs.checkout(digest, out) == out


@posix
def test_a_tree_keeps_what_is_executable(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    out = blobs.checkout(blobs.put_tree(folder), tmp_path / "out")
    assert os.access(out / "run.sh", os.X_OK)
    assert not os.access(out / "addon.toml", os.X_OK)
    before = blobs.put_tree(folder)
    (folder / "run.sh").chmod(0o644)
    assert blobs.put_tree(folder) != before


def test_the_digest_of_a_tree_is_its_content_alone(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    first = blobs.put_tree(folder)
    os.utime(folder / "addon.toml", (1, 1))
    (folder / "unused").mkdir()
    assert blobs.put_tree(folder.rename(tmp_path / "renamed")) == first
    (tmp_path / "renamed" / "addon.toml").write_text("name = 'y'", "utf-8")
    assert blobs.put_tree(tmp_path / "renamed") != first


@posix
@pytest.mark.parametrize("target", ["/etc/hostname", "../secret", "lib", "nothing"])
def test_a_link_out_of_the_tree_is_refused(blobs: Blobs, folder: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("x", "utf-8")
    (folder / "link").symlink_to(target)
    with pytest.raises(Invalid, match="link"):
        blobs.put_tree(folder)


@posix
def test_a_link_within_the_tree_becomes_a_copy(blobs: Blobs, folder: Path) -> None:
    (folder / "link").symlink_to("lib/a b/ü.py")
    tree = blobs.tree(blobs.put_tree(folder))
    assert tree["link"] == tree["lib/a b/ü.py"]


@posix
def test_what_is_neither_file_nor_folder_is_refused(blobs: Blobs, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid, match="neither"):
        blobs.put_tree(folder)


@posix
@pytest.mark.parametrize("name", [b"a\\b", b"a:b", b"a\nb", b"\xff"])
def test_a_name_that_does_not_travel_is_refused(blobs: Blobs, folder: Path, name: bytes) -> None:
    Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"")
    with pytest.raises(Invalid, match="every file system"):
        blobs.put_tree(folder)


@pytest.mark.parametrize("limit", ["TREE_MAX_BYTES", "TREE_MAX_FILES"])
def test_a_tree_that_is_too_large_is_refused(
    blobs: Blobs, folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, limit, 3)
    with pytest.raises(Invalid, match="too large"):
        blobs.put_tree(folder)


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "a\\b", "C:x", "", "a//b", "./a"])
def test_a_forged_tree_cannot_write_outside_of_itself(blobs: Blobs, tmp_path: Path, name: str) -> None:
    file = TreeFile(blobs.put(b"evil"), False)
    forged = blobs.put(msgspec.json.encode({name: file}))
    with pytest.raises(Invalid):
        blobs.checkout(forged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_blob_that_is_no_tree_is_refused(blobs: Blobs) -> None:
    with pytest.raises(Invalid, match="not a tree"):
        blobs.tree(blobs.put(b"[]"))


def test_something_else_in_the_way_is_left_alone(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    digest = blobs.put_tree(folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x", "utf-8")
    with pytest.raises(Conflict):
        blobs.checkout(digest, tmp_path / "out")
    (folder / "more").write_text("x", "utf-8")
    blobs.checkout(digest, tmp_path / "other")
    with pytest.raises(Conflict):
        blobs.checkout(blobs.put_tree(folder), tmp_path / "other")
    assert files(tmp_path / "out") == {"mine"}


def test_many_may_check_out_the_same_tree_at_once(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    digest = blobs.put_tree(folder)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: blobs.checkout(digest, tmp_path / "code" / "one"), range(16)))
    assert found == {tmp_path / "code" / "one"}
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["one"]


CHILD = """
import sys
from pathlib import Path
from events.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
n = 0
while True:
    print(blobs.put(b"%d" % n * 50000), flush=True)
    n += 1
"""


@posix
def test_what_was_put_before_sigkill_is_whole(blobs: Blobs, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "home" / "blobs")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    put = [child.stdout.readline().strip() for _ in range(30)]
    child.kill()
    child.wait(30)
    child.stdout.close()
    for digest in put:
        assert blake3(blobs.get(Digest(digest))).hexdigest() == digest
    for path in (tmp_path / "home" / "blobs").glob("??/*"):
        if not path.name.startswith("."):
            assert blobs.get(Digest(path.name))
