"""The files a publish reads: sealed by digest when it was collected, compared before a replay reads them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from qi.contracts.publish import Remap
from qi.errors import Conflict, NotFound
from qi.integrate import digest_files
from qi.manifest import Input

NAMED_MOST = 5


def remapped(path: str, remap: Sequence[Remap]) -> str:
    """Where `path` lies now; the first mapping that fits is taken."""
    for rule in remap:
        if path == rule.old or path.startswith(rule.old.rstrip("/\\") + "/"):
            return rule.new + path[len(rule.old) :]
    return path


def seal(paths: Iterable[str]) -> tuple[Input, ...]:
    """Size and digest of each file, in order of path. Raises :class:`NotFound` for one that is not there."""
    ordered = [Path(path) for path in sorted(set(paths))]
    try:
        found = digest_files(ordered)
    except FileNotFoundError as missing:
        raise NotFound(
            f"the input {missing.filename} is not there", remedy="was it moved? `--remap OLD=NEW`"
        ) from missing
    return tuple(
        Input(path=str(path), size=size, digest=digest) for path, (size, digest) in zip(ordered, found, strict=True)
    )


def require(sealed: Sequence[Input], remap: Sequence[Remap]) -> None:
    """Raises :class:`Conflict` naming the files that were sealed and are not there any more."""
    gone = [path for one in sealed if not Path(path := remapped(one.path, remap)).is_file()]
    if gone:
        raise _not_as_they_were([f"{path} is gone" for path in gone], gone=gone[:100])


def compare(sealed: Sequence[Input], now: Sequence[Input], remap: Sequence[Remap]) -> None:
    """Raises :class:`Conflict` naming the files that are not what they were when the manifest was sealed."""
    was = {remapped(one.path, remap): one for one in sealed}
    here = {one.path: one for one in now}
    gone = [path for path in was if path not in here]
    new = [path for path in here if path not in was]
    changed = [path for path, one in was.items() if path in here and here[path].digest != one.digest]
    wrong = [f"{path} is gone" for path in gone] + [f"{path} has changed" for path in changed]
    wrong += [f"{path} is new" for path in new]
    if wrong:
        raise _not_as_they_were(wrong, changed=changed[:100], gone=gone[:100], new=new[:100])


def _not_as_they_were(wrong: list[str], **data: list[str]) -> Conflict:
    more = f" and {len(wrong) - NAMED_MOST} more" if len(wrong) > NAMED_MOST else ""
    return Conflict(
        f"the inputs are not what they were: {'; '.join(wrong[:NAMED_MOST])}{more}",
        remedy="bring them back, say where they are with --remap OLD=NEW, or go on with --accept-changed",
        **data,
    )
