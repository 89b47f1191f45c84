"""The integrate transaction: whole or not at all, whoever kills it, and never over what is there."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.record import Digest
from qi.errors import Conflict, Gone, Invalid, NotFound
from qi.integrate import (
    MARKER,
    Place,
    Plan,
    PlannedFile,
    Progress,
    State,
    abandon,
    claim,
    commit,
    digest_file,
    digest_files,
    existing_versions,
    inspect,
    stage,
)
from qi.integrate.disk import rename_folder

RACE_SECONDS = 60
KILLER = Path(__file__).with_name("killed_integration.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def planned(root: Path, *names: str, publish: str = "p1", version: str = "v003", linkable: bool = False) -> Plan:
    files = []
    for name in names or ("a.1001.exr", "a.1002.exr"):
        source = root.parent / "source" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        if not source.exists():
            source.write_bytes(name.encode() * 1000)
        files.append(PlannedFile(source, name, *digest_file(source), linkable=linkable))
    return Plan(Place(publish, root, root / "Nova" / "beauty" / version), tuple(files))


def published(plan: Plan) -> Path:
    claim(plan.place)
    stage(plan)
    commit(plan)
    return plan.place.destination


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_version_appears_whole(root: Path) -> None:
    plan = planned(root, "a.1001.exr", "a.1002.exr", "review/a.mp4")
    assert inspect(plan.place).state is State.NOTHING
    claim(plan.place)
    assert inspect(plan.place).state is State.CLAIMED
    assert not plan.place.destination.exists()
    stage(plan)
    assert inspect(plan.place).state is State.STAGED
    assert not plan.place.destination.exists()
    commit(plan)
    found = inspect(plan.place)
    assert (found.state, found.owner) == (State.COMMITTED, "p1")
    assert found.files == ("a.1001.exr", "a.1002.exr", "review/a.mp4")
    files = contents(plan.place.destination)
    assert files.pop(MARKER)
    assert files == {file.name: file.source.read_bytes() for file in plan.files}
    assert not plan.place.staging.exists()


def test_every_step_may_be_repeated(root: Path) -> None:
    plan = planned(root)
    claim(plan.place)
    claim(plan.place)
    stage(plan)
    claim(plan.place)
    stage(plan)
    commit(plan)
    before = contents(plan.place.destination)
    commit(plan)
    claim(plan.place)
    assert contents(plan.place.destination) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("job", ["integrate", "give_up"])
def test_killed_at_any_line_the_disk_tells_how_far_it_came_and_it_can_be_finished(tmp_path: Path, job: str) -> None:
    run = subprocess.run([sys.executable, KILLER, job, tmp_path], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 100


RACER = """
import sys
from pathlib import Path
from qi.errors import Conflict
from qi.integrate import Place, claim
print("ready", flush=True)
sys.stdin.read()
root, publish = Path(sys.argv[1]), sys.argv[2]
for number in range(30):
    try:
        claim(Place(publish, root, root / f"v{number:03d}"))
        print(number)
    except Conflict:
        pass
"""


def test_of_two_processes_that_claim_a_version_exactly_one_gets_it(root: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, root, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("p1", "p2")
    ]
    streams = [(racer.stdin, racer.stdout) for racer in racers]
    for _, answer in streams:
        assert answer is not None
        assert answer.readline() == "ready\n"
    for start, _ in streams:
        assert start is not None
        start.close()
    won = [set(answer.read().split()) for _, answer in streams if answer is not None]
    for racer in racers:
        racer.wait(timeout=RACE_SECONDS)
    assert [racer.returncode for racer in racers] == [0, 0]
    assert not won[0] & won[1]
    assert won[0] | won[1] == {str(number) for number in range(30)}
    for number in range(30):
        for name, numbers in zip(("p1", "p2"), won, strict=True):
            mine = inspect(Place(name, root, root / f"v{number:03d}")).state is State.CLAIMED
            assert mine == (str(number) in numbers)
    assert existing_versions(root) == tuple(range(30))
    assert not list(root.glob(".*.qi-*"))
    for racer in racers:
        assert racer.stdout is not None
        racer.stdout.close()


def test_a_claimed_or_published_version_is_a_conflict_for_another_publish(root: Path) -> None:
    first, second = planned(root), planned(root, publish="p2")
    claim(first.place)
    for _ in range(2):
        with pytest.raises(Conflict) as taken:
            claim(second.place)
        assert taken.value.data["owner"] == "p1"
        assert inspect(second.place).state is State.FOREIGN
        stage(first)
        commit(first)
    assert abandon(second.place) is False
    assert inspect(first.place).state is State.COMMITTED


def test_a_version_made_by_hand_is_never_touched(root: Path) -> None:
    plan = planned(root)
    claim(plan.place)
    stage(plan)
    plan.place.destination.mkdir()
    with pytest.raises(Conflict):
        commit(plan)
    assert contents(plan.place.destination) == {}
    with pytest.raises(Conflict):
        claim(plan.place)
    assert not plan.place.staging.exists()
    assert plan.place.destination.is_dir()


def test_the_rename_refuses_even_an_empty_folder_that_came_meanwhile(root: Path) -> None:
    for name in ("from", "to", "other"):
        (root / name).mkdir()
    (root / "from" / "x").touch()
    with pytest.raises(FileExistsError):
        rename_folder(root / "from", root / "to")
    (root / "to").rmdir()
    (root / "to").symlink_to(root / "other")
    with pytest.raises(FileExistsError):
        rename_folder(root / "from", root / "to")
    (root / "to").unlink()
    rename_folder(root / "from", root / "to")
    assert (root / "to" / "x").exists()


def test_a_file_already_staged_is_kept_and_a_damaged_one_replaced(root: Path) -> None:
    plan = planned(root)
    claim(plan.place)
    right, damaged = (plan.place.staging / file.name for file in plan.files)
    right.write_bytes(plan.files[0].source.read_bytes())
    damaged.write_bytes(b"x" * plan.files[1].size)
    (plan.place.staging / "stranger").mkdir()
    (plan.place.staging / "stranger" / "y").touch()
    assert inspect(plan.place).state is State.STAGING
    kept = right.stat().st_ino
    stage(plan)
    assert right.stat().st_ino == kept
    commit(plan)
    assert sorted(contents(plan.place.destination)) == [MARKER, "a.1001.exr", "a.1002.exr"]
    assert digest_file(plan.place.destination / "a.1002.exr")[1] == plan.files[1].digest
    assert not (plan.place.destination / "stranger").exists()


def test_only_what_qi_wrote_is_linked(root: Path) -> None:
    own, others = planned(root, "thumbnail.jpg", linkable=True), planned(root, "a.exr", version="v004")
    assert (published(own) / "thumbnail.jpg").samefile(own.files[0].source)
    assert not (published(others) / "a.exr").samefile(others.files[0].source)


def test_a_damaged_link_is_replaced_and_its_source_stays(root: Path) -> None:
    plan = planned(root, "thumbnail.jpg", linkable=True)
    stranger = root.parent / "stranger"
    stranger.write_bytes(b"not ours")
    claim(plan.place)
    (plan.place.staging / "thumbnail.jpg").hardlink_to(stranger)
    stage(plan)
    assert stranger.read_bytes() == b"not ours"


def test_a_source_that_changed_is_not_published(root: Path) -> None:
    plan = planned(root)
    plan.files[1].source.write_bytes(b"other")
    claim(plan.place)
    with pytest.raises(Conflict, match="has changed") as changed:
        stage(plan)
    assert changed.value.data["expected"] == plan.files[1].digest
    assert inspect(plan.place).state in (State.STAGING, State.CLAIMED)
    with pytest.raises(Conflict, match="does not hold"):
        commit(plan)
    assert not plan.place.destination.exists()


def test_a_source_that_is_gone_is_named(root: Path) -> None:
    plan = planned(root)
    plan.files[0].source.unlink()
    claim(plan.place)
    with pytest.raises(Gone) as gone:
        stage(plan)
    assert gone.value.data["path"] == str(plan.files[0].source)


def test_a_source_may_go_once_it_is_staged(root: Path) -> None:
    plan = planned(root)
    claim(plan.place)
    stage(plan)
    for file in plan.files:
        file.source.unlink()
    stage(plan)
    commit(plan)
    assert inspect(plan.place).state is State.COMMITTED


def test_progress_counts_up_and_may_stop_the_staging(root: Path) -> None:
    plan = planned(root)
    seen: list[Progress] = []
    claim(plan.place)

    def stop(progress: Progress) -> None:
        seen.append(progress)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        stage(plan, stop)
    assert inspect(plan.place).state is State.STAGING
    stage(plan, seen.append)
    assert [(p.files, p.total_files) for p in seen] == [(1, 2), (1, 2), (2, 2)]
    assert (seen[-1].size, seen[-1].total_size) == (plan.size, plan.size)


def test_staging_needs_the_claim(root: Path) -> None:
    plan = planned(root)
    with pytest.raises(Gone):
        stage(plan)
    with pytest.raises(Gone):
        commit(plan)
    claim(planned(root, publish="p2").place)
    with pytest.raises(Conflict):
        stage(plan)


def test_abandoning_frees_the_version_and_touches_nobody_else(root: Path) -> None:
    plan, other = planned(root), planned(root, publish="p2")
    claim(plan.place)
    stage(plan)
    assert abandon(other.place) is False
    assert abandon(plan.place) is True
    assert abandon(plan.place) is False
    assert list(plan.place.destination.parent.iterdir()) == []
    claim(other.place)
    assert inspect(other.place).state is State.CLAIMED


def test_what_is_published_cannot_be_abandoned(root: Path) -> None:
    plan = planned(root)
    published(plan)
    with pytest.raises(Conflict, match="stays"):
        abandon(plan.place)
    assert inspect(plan.place).state is State.COMMITTED


def test_a_folder_without_the_marker_stays(root: Path) -> None:
    plan = planned(root)
    for folder in (plan.place.staging, plan.place.private):
        folder.mkdir(parents=True)
        (folder / "somebody's").touch()
    with pytest.raises(Conflict, match="marker"):
        abandon(plan.place)
    assert (plan.place.staging / "somebody's").exists()
    assert (plan.place.private / "somebody's").exists()


def test_a_link_that_leads_out_of_the_root_is_refused(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "Nova").symlink_to(outside)
    with pytest.raises(Invalid, match="leads out"):
        claim(planned(root).place)
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_claim_or_version_is_foreign(root: Path) -> None:
    plan = planned(root)
    published(plan)
    other = planned(root, version="v004")
    other.place.staging.symlink_to(plan.place.destination)
    assert inspect(other.place).state is State.FOREIGN
    with pytest.raises(Conflict):
        stage(other)
    assert inspect(plan.place).state is State.COMMITTED


def test_a_root_that_is_not_mounted_is_not_made(root: Path) -> None:
    away = root / "away"
    with pytest.raises(NotFound, match="is not there"):
        claim(Place("p1", away, away / "Nova" / "v001"))
    assert not away.exists()


def test_disk_knows_published_and_claimed_versions(root: Path) -> None:
    for name in ("v001", ".v004.qi", "v0012", "V007", "v1x", "latest", ".v009.qi-p1", "review_v005"):
        (root / name).mkdir()
    assert existing_versions(root) == (1, 4, 7, 12)
    assert existing_versions(root / "none") == ()


@pytest.mark.parametrize(
    "names",
    [(), ("../a",), ("/a",), ("a//b",), (MARKER,), ("a", "A"), ("a", "a/b"), ("a\0",), ("sub/../../a",), (".hidden",)],
)
def test_files_that_cannot_lie_in_one_folder_are_refused(root: Path, names: tuple[str, ...]) -> None:
    files = tuple(PlannedFile(root / "source", name, 0, Digest("0")) for name in names)
    with pytest.raises(Invalid):
        Plan(Place("p1", root, root / "v001"), files)


@pytest.mark.parametrize("destination", ["/elsewhere/v001", "/root", "/root/../v001", "/root/.v001", "root/v001"])
def test_a_destination_lies_in_its_root(destination: str) -> None:
    with pytest.raises(Invalid):
        Place("p1", Path("/root"), Path(destination))


@given(st.integers(0, 2**40), st.booleans(), st.text(max_size=5))
def test_a_plan_survives_the_journal(size: int, linkable: bool, representation: str) -> None:
    file = PlannedFile(Path("/source/a b"), "sub/a.exr", size, Digest("d"), representation, linkable)
    plan = Plan(Place("p1", Path("/root"), Path("/root/v001")), (file,))
    assert Plan.from_json(plan.to_json()) == plan


def test_digests_come_in_the_order_of_the_paths(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(9)]
    for path in paths:
        path.write_bytes(path.name.encode() * 3_000_000)
    assert digest_files(paths) == [digest_file(path) for path in paths]
