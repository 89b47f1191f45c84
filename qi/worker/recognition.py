"""What the collectors make of files, before anybody publishes them: `python -m qi.worker.recognition`.

A process of its own, like a publish, because it runs plugins; but without a session: it can ask the studio for nothing
and record nothing. :func:`recognise` is the studio's end. Any thread; the other end runs on its main thread.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clique
import msgspec

from events.blobs import Blobs
from qi.contracts.preview import Recognised
from qi.destination import core_settings
from qi.errors import DeadlineExceeded, Invalid, QiError, from_reply
from qi.home import Home
from qi.manifest import Pinned
from qi.masking import mask
from qi.session.publishing import Outcome, Run, Step, StepsFailed
from qi.worker.descendants import end_marked, marked
from qi.worker.memory import limit_memory
from qi.worker.plugins import context_data, lay_out, seal_plugin_path
from qi.worker.process import end_group
from qi.worker.words import Words

LIMIT_S = 20.0
ANSWER_MOST_BYTES = 4 * 1024 * 1024
NAMED_MOST = 50
TEXT_LONGEST = 300
EXIT_ORPHANED = 4
PREFIX = ".look-"
"""Of the folders below `runs/`: each goes when its look is over."""
ORDER = "order.json"
ANSWER = "answer.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What the other end is asked, in a file of its folder."""

    home: str
    pinned: Pinned
    sources: tuple[str, ...]
    user: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What it leaves in its folder."""

    found: tuple[Recognised, ...] = ()
    error: dict[str, Any] | None = None
    """As the mesh carries errors."""


def recognise(home: Home, pinned: Pinned, sources: tuple[str, ...], user: str) -> tuple[Recognised, ...]:
    """Run the collectors over `sources`. Raises what they refuse, as an artist should read it, and
    :class:`DeadlineExceeded` when they take longer than a person waits."""
    order = Order(str(home.root), pinned, sources, user)
    with tempfile.TemporaryDirectory(dir=home.runs, prefix=PREFIX) as folder:
        mark, words = Path(folder).name, Words()
        (Path(folder) / ORDER).write_bytes(msgspec.json.encode(order))
        with subprocess.Popen(
            [sys.executable, "-m", "qi.worker.recognition"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**pinned.environment, **marked(mark)}, cwd=folder, start_new_session=True,
        ) as process:  # fmt: skip
            said = Path(folder) / "said.log"
            listener = threading.Thread(target=words.read, args=(process.stdout, said), name="qi-look", daemon=True)
            listener.start()
            try:
                code = process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                raise DeadlineExceeded(
                    f"the collectors did not end within {LIMIT_S:.0f} s", remedy="publish without looking first"
                ) from None
            finally:
                # Also what plugins started: it may hold the output open.
                end_group(process.pid)
                end_marked(mark)
                listener.join()
        return _answer(Path(folder) / ANSWER, code, words.last)


def tidy(home: Home) -> None:
    """Take away what looks of an earlier studio left, which had no time to do it."""
    for folder in home.runs.glob(f"{PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _answer(path: Path, code: int, words: str) -> tuple[Recognised, ...]:
    if not path.is_file() or path.stat().st_size > ANSWER_MOST_BYTES:
        raise QiError(f"the collectors ended their process (exit {code}): {words[-TEXT_LONGEST:] or 'without a word'}")
    answer = msgspec.json.decode(path.read_bytes(), type=Answer)
    if answer.error is not None:
        raise from_reply(answer.error)
    return answer.found


def main() -> int:
    """The other end."""
    order = msgspec.json.decode(Path(ORDER).read_bytes(), type=Order)
    threading.Thread(target=_leash, name="qi-leash", daemon=True).start()
    try:
        answer = Answer(tuple(_found(order)))
    except StepsFailed as failed:
        step, outcome = failed.failures[0]
        answer = Answer(error=Invalid(outcome.message, remedy=outcome.remedy, step=step.plugin).as_reply())
    except QiError as error:
        answer = Answer(error=error.as_reply())
    Path(ANSWER).write_bytes(msgspec.json.encode(answer))
    return 0


def _leash() -> None:
    """When its standard input ends, whoever waits for it is gone."""
    sys.stdin.read()
    os._exit(EXIT_ORPHANED)


def _found(order: Order) -> Iterator[Recognised]:
    home, scratch = Home(Path(order.home)), Path("scratch").resolve()
    blobs = Blobs(home.blobs)
    scratch.mkdir()
    limit_memory(core_settings(order.pinned).publish.memory_gib)
    found = lay_out(home, blobs, order.pinned, seal_plugin_path(blobs))
    data = context_data(
        order.pinned, publish="", mode="look", user=order.user, sources=order.sources, scratch=scratch
    )  # fmt: skip
    makers = _Makers()
    # Whoever waits for this process minds the time.
    run = makers.run = Run(found.plugins, data, makers, timeout_s=math.inf, hung=lambda *_: None)
    run.steps("collect", keep_going=False)
    run.close()
    if not list(run.context):
        raise Invalid("no plugin found anything to publish in these files", sources=list(order.sources))
    for instance in run.context:
        yield _recognised(instance, makers.of.get(instance.id, ""), run.later(instance))


class _Makers:
    """Which plugin made which instance."""

    run: Run

    def __init__(self) -> None:
        self.of: dict[str, str] = {}
        """Id of an instance → plugin."""

    def started(self, stage: str, step: Step) -> None: ...

    def finished(self, stage: str, step: Step, outcome: Outcome) -> None:
        for instance in self.run.context:
            self.of.setdefault(instance.id, step.plugin)


def _recognised(instance: Any, maker: str, later: list[str]) -> Recognised:
    files = [Path(str(file)) for file in instance.data.get("inputs", ())]
    names = sorted({file.name for file in files})
    collections, rest = clique.assemble(names, minimum_items=2)
    sequence = collections[0] if len(collections) == 1 and not rest else None
    shown, missing = (names[0] if len(names) == 1 else ""), []
    if sequence is not None:
        digits = sequence.padding or len(str(min(sequence.indexes)))
        shown = f"{sequence.head}{'#' * digits}{sequence.tail}"
        missing = sorted(sequence.holes().indexes)
    return Recognised(
        name=_text(instance.data["name"]),
        family=_text(instance.data.get("family", "")),
        families=tuple(map(_text, instance.data.get("families", ())))[:NAMED_MOST],
        sequence=_text(shown),
        files=len(files),
        size=sum(file.stat().st_size for file in files if file.is_file()),
        first=min(sequence.indexes) if sequence else None,
        last=max(sequence.indexes) if sequence else None,
        gaps=_text(sequence.holes().format("{ranges}")) if sequence and missing else "",
        missing=len(missing),
        collected_by=_text(maker),
        taken_by=tuple(map(_text, later))[:NAMED_MOST],
    )


def _text(value: object) -> str:
    return mask(str(value))[:TEXT_LONGEST]


if __name__ == "__main__":
    sys.exit(main())
