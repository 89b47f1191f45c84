"""Integrating a sequence, against copying it with `cp`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.row import Row, Samples, Size
from qi.integrate import Place, Plan, PlannedFile, claim, commit, digest_files, stage

FILES = 48
FILE_BYTES = 8 * 1024 * 1024


def _sources(folder: Path, size: Size) -> list[Path]:
    folder.mkdir()
    made = []
    for frame in range(size.of(FILES, 2)):
        path = folder / f"beauty.{1001 + frame}.exr"
        path.write_bytes(os.urandom(size.of(FILE_BYTES, 4096)))
        made.append(path)
    os.sync()
    return made


def _integrate(root: Path, plan: Plan) -> float:
    began = time.perf_counter()
    claim(plan.place)
    stage(plan)
    commit(plan)
    return time.perf_counter() - began


def _copy(sources: list[Path], target: Path) -> float:
    """`cp` of all files, then every file and the folder to the disk, and one rename."""
    began = time.perf_counter()
    staging = target.with_name(f".{target.name}")
    staging.mkdir()
    subprocess.run(["cp", "--reflink=never", "--", *map(str, sources), str(staging)], check=True)
    for path in [*staging.iterdir(), staging]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    staging.rename(target)
    handle = os.open(target.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return time.perf_counter() - began


def integrate(size: Size) -> Samples:
    made = Samples([], [])
    with tempfile.TemporaryDirectory() as folder:
        sources = _sources(Path(folder, "source"), size)
        digests = digest_files(sources)
        files = tuple(
            PlannedFile(source, source.name, *digest) for source, digest in zip(sources, digests, strict=True)
        )
        root = Path(folder, "project")
        root.mkdir()
        _copy(sources, root / "warm")
        shutil.rmtree(root / "warm")
        for number in range(size.rounds):
            place = Place(f"p{number}", root, root / "beauty" / f"v{number + 1:03d}")
            made.qi.append(_integrate(root, Plan(place, files)))
            shutil.rmtree(place.destination)
            made.peer.append(_copy(sources, root / f"copy{number}"))
            shutil.rmtree(root / f"copy{number}")
            os.sync()
    return made


ROWS = (
    Row(
        "integrate", "integrating a sequence of 48 × 8 MiB",  # noqa: RUF001 - it is a product
        "`cp --reflink=never`, fsync of each file and folder, rename; Qi's figure is claim, copy with BLAKE3, fsync, "
        "manifest, rename", "s", 1.15, 1.0, "less", integrate,
    ),
)  # fmt: skip
