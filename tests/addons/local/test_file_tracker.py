"""The tracker in files: the contract of every tracker, and what is its own: processes, kills, speed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIB = ROOT / "addons" / "local" / "lib"
sys.path.insert(0, str(LIB))

from qi_local.tracker import FileTracker, files  # noqa: E402
from qi_local.tracker.files import TEMPORARY  # noqa: E402
from qi_local.tracker.folder import GENERATION, WRITING  # noqa: E402

from qi.contracts.tracker import Product, Project, Version, Viewer  # noqa: E402
from qi.errors import Busy, Conflict, CorruptLog  # noqa: E402
from qi.testing.tracker_contract import FRAMES, TrackerContract  # noqa: E402

ALL = Viewer("root", sees_all=True)
FEW_SHOTS, MANY_SHOTS = 100, 2000
SLOWER_MOST = 8
"""Twenty times the shots; whoever read all of them for each look would be about twenty times slower."""
DEADLINE_S = 90.0


class TestFileTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, tmp_path: Path) -> FileTracker:
        return FileTracker(tmp_path / "tracker")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    FileTracker(tmp_path).add_project(Project(name="film", root="/film"))
    return tmp_path


def start(root: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process with `tracker`, `film` and `sys` at hand."""
    head = (
        "import sys; from pathlib import Path\n"
        "from qi.contracts.tracker import *; from qi.errors import Conflict\n"
        "from qi.testing.tracker_contract import FRAMES; from qi_local.tracker import FileTracker\n"
        f"tracker = FileTracker(Path({str(root)!r})); film = tracker.within(Viewer('x', sees_all=True), 'film')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(LIB)))}
    command = [sys.executable, "-c", head + program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_what_one_process_writes_the_other_reads_at_once(root: Path) -> None:
    here = FileTracker(root).within(ALL, "film")
    assert here.entities().items == ()
    with start(root, "film.add_entity('sh010', 'shot')") as writer:
        assert writer.wait(DEADLINE_S) == 0
    assert here.entity("sh010").kind == "shot"


def test_a_new_tracker_reads_what_the_old_one_wrote(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")
    shot = film.add_entity("seq/sh010", "shot", frames=(1, 2), attributes={"lens": "50"})
    made = film.register(
        Version(product=film.ensure_product(shot.id, "main", "render").id, number=1, key="k"), [FRAMES]
    )
    fresh = FileTracker(root).within(ALL, "film")
    assert fresh.entity("seq/sh010") == shot
    assert (fresh.version(made.id), fresh.representations(made.id)) == (made, film.representations(made.id))


def test_processes_that_race_for_numbers_never_share_one(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")
    product = film.ensure_product(film.add_entity("sh010", "shot").id, "main", "render")
    program = """
made = 0
while made < 15:
    number = film.last_number(sys.argv[1]) + 1
    try:
        film.register(Version(product=sys.argv[1], number=number, key=f"{sys.argv[2]}-{made}"), [FRAMES])
        made += 1
    except Conflict:
        pass
"""
    racers = [start(root, program, product.id, name) for name in ("a", "b")]
    for racer in racers:
        with racer:
            assert racer.wait(DEADLINE_S) == 0
    assert [v.number for v in film.versions(product=product.id).items] == list(range(1, 31))


@pytest.mark.parametrize("round_", range(4))
def test_a_killed_writer_leaves_whole_things_and_a_tracker_that_works(root: Path, round_: int) -> None:
    film = FileTracker(root).within(ALL, "film")
    product = film.ensure_product(film.add_entity("sh010", "shot").id, "main", "render")
    program = """
for number in range(1, 10_000):
    film.register(Version(product=sys.argv[1], number=number, key=f"k{number}"), [FRAMES])
    print(number, flush=True)
"""
    with start(root, program, product.id) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(10 + round_)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    for reader in (film, FileTracker(root).within(ALL, "film")):
        found = reader.versions(product=product.id, limit=1000).items
        assert [v.number for v in found][: len(acknowledged)] == acknowledged
        assert len(found) - len(acknowledged) in (0, 1)
        assert all(len(reader.representations(v.id)[0].files) == 2 for v in found)
    film.register(Version(product=product.id, number=len(found) + 1, key="after"), [FRAMES])
    assert not [path for path in root.rglob("*") if path.name.startswith(TEMPORARY)]


def test_a_write_that_was_killed_before_it_was_announced_is_seen(root: Path) -> None:
    reader = FileTracker(root).within(ALL, "film")
    reader.entities()
    film = FileTracker(root).within(ALL, "film")
    film.add_entity("sh010", "shot")
    assert len(reader.entities().items) == 1
    (folder,) = (root / "within").iterdir()
    film.add_entity("sh020", "shot")
    (folder / GENERATION).write_bytes(WRITING)
    assert len(reader.entities().items) == 2


def test_an_unfinished_file_is_never_read(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")
    film.add_entity("sh010", "shot")
    (folder,) = (root / "within").iterdir()
    (folder / "entities" / f"{TEMPORARY}1.json").write_text('{"name": "half')
    (folder / GENERATION).write_bytes(WRITING)
    assert len(FileTracker(root).within(ALL, "film").entities().items) == 1


def test_a_damaged_file_is_named(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")
    shot = film.add_entity("sh010", "shot")
    (folder,) = (root / "within").iterdir()
    (folder / "entities" / f"{shot.id}.json").write_text('{"name": "half')
    with pytest.raises(CorruptLog) as found:
        FileTracker(root).within(ALL, "film").entities()
    assert shot.id in found.value.data["path"]


def test_a_writer_that_waits_too_long_is_told_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_WAIT_S", 0.05)
    with files.locked(root / ".lock"), pytest.raises(Busy) as refused:
        FileTracker(root).within(ALL, "film").add_entity("sh010", "shot")
    assert refused.value.data["retry_ms"] > 0


def test_readers_never_see_half_a_version_while_it_is_written(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")
    product = film.ensure_product(film.add_entity("sh010", "shot").id, "main", "render")
    done = threading.Event()
    seen: list[int] = []

    def read(reader: FileTracker) -> None:
        while not done.is_set():
            inside = reader.within(ALL, "film")
            versions = inside.versions(product=product.id).items
            seen.append(
                sum(len(one.files) for v in versions for one in inside.representations(v.id)) - 2 * len(versions)
            )

    thread = threading.Thread(target=read, args=(FileTracker(root),))
    thread.start()
    try:
        for number in range(1, 21):
            film.register(Version(product=product.id, number=number, key=f"k{number}"), [FRAMES])
    finally:
        done.set()
        thread.join(DEADLINE_S)
    assert set(seen) == {0}


def test_among_thousands_of_shots_one_is_found_and_some_are_listed_about_as_quickly_as_among_few(root: Path) -> None:
    film = FileTracker(root).within(ALL, "film")

    def looked_s() -> float:
        began = time.perf_counter()
        for n in range(FEW_SHOTS):
            assert film.entity(f"seq{n % 30:03d}/sh{n:05d}").kind == "shot"
            assert len(film.entities(kind="shot", after=f"seq{n % 30:03d}", limit=3).items) == 3
        return time.perf_counter() - began

    for n in range(FEW_SHOTS):
        film.add_entity(f"seq{n % 30:03d}/sh{n:05d}", "shot")
    few = min(looked_s() for _ in range(5))
    for n in range(FEW_SHOTS, MANY_SHOTS):
        film.add_entity(f"seq{n % 30:03d}/sh{n:05d}", "shot")
    assert min(looked_s() for _ in range(5)) < few * SLOWER_MOST


def test_a_product_is_one_for_two_trackers(root: Path) -> None:
    one, other = (FileTracker(root).within(ALL, "film") for _ in range(2))
    shot = one.add_entity("sh010", "shot")
    made = one.ensure_product(shot.id, "main", "render")
    assert (
        other.ensure_product(shot.id, "MAIN", "render")
        == made
        == Product(id=made.id, entity=shot.id, name="main", type="render")
    )
    with pytest.raises(Conflict):
        other.add_entity("SH010", "shot")
