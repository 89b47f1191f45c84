"""`python -m bench [NAME…] [--json] [--write] [--events N] [--rounds N]`: the rows of the budget, each by its peer."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench import addons, appends, integrate, log, mesh, publish, services, start
from bench.row import Row, Samples, Size

ROWS: tuple[Row, ...] = tuple(
    row for module in (mesh, appends, log, publish, integrate, services, start, addons) for row in module.ROWS
)
RESULTS = Path(__file__).with_name("RESULTS.md")
MARK = "<!-- measured: everything below is written by `python -m bench --write` -->"
LIBRARIES = ("nats-py", "pykka", "msgspec", "pydantic", "eventsourcing", "pyblish-base", "uvloop")
WIDE_CHARACTERS = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(row.key for row in ROWS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--write", action="store_true", help=f"also keep the results in {RESULTS.name}")
    parser.add_argument("--events", type=int, default=Size().events, help="events in the big log")
    parser.add_argument("--rounds", type=int, default=Size().rounds)
    given = parser.parse_args()
    if unknown := set(given.names) - {row.key for row in ROWS}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    if given.write and given.names:
        parser.error("--write keeps the whole table: name no row")
    size = Size(rounds=given.rounds, events=given.events)
    began = time.monotonic()
    results = [(row, _measured(row, size)) for row in ROWS if not given.names or row.key in given.names]
    document = {"machine": machine(), "seconds": round(time.monotonic() - began), "rows": list(map(_entry, results))}
    if given.json:
        print(json.dumps(document, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDE_CHARACTERS).print(table(results))
    if given.write:
        write(document, results)
    return 0


def _measured(row: Row, size: Size) -> Samples:
    print(f"measuring {row.key} …", file=sys.stderr, flush=True)
    return row.measure(size)


def machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load": round(psutil.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _entry(result: tuple[Row, Samples]) -> dict[str, Any]:
    row, samples = result
    return {
        "name": row.key, "what": row.name, "peer": row.peer, "unit": row.unit,
        "qi": samples.qi, "peer_samples": samples.peer, "score": samples.score, "ratio": bool(samples.peer),
        "budget": row.budget, "goal": row.goal, "better": row.better, "verdict": row.verdict(samples.score),
    }  # fmt: skip


def cells(row: Row, samples: Samples) -> tuple[str, ...]:
    """Name, Qi, peer, ratio, budget, goal, verdict."""
    sign, mark = ("≥" if row.better == "more" else "≤"), (" x" if samples.peer else f" {row.unit}")
    peer = _figure(statistics.median(samples.peer), row.unit) if samples.peer else "-"
    ratio = f"{samples.score:.2f} x" if samples.peer else "-"
    return (
        row.name, _figure(statistics.median(samples.qi), row.unit), peer, ratio,
        f"{sign} {row.budget:g}{mark}", f"{row.goal:g}{mark}", row.verdict(samples.score),
    )  # fmt: skip


def _figure(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def table(results: Sequence[tuple[Row, Samples]]) -> Table:
    made = Table("what", "Qi", "peer", "ratio", "budget", "goal", "verdict")
    for row, samples in results:
        made.add_row(*cells(row, samples))
    return made


def write(document: dict[str, Any], results: Sequence[tuple[Row, Samples]]) -> None:
    """Replace the measured part of the results; what people wrote above it stays."""
    about = document["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in about["libraries"].items())
    where = (
        f"Measured on {about['date']}: {about['cores']} cores ({about['processor']}), {about['memory_gib']} GiB, "
        f"{about['system']}, Python {about['python']}, load {about['load']} at the end; {libraries}."
    )
    lines = [
        MARK, "", where, "",
        "| row | what | Qi | peer | ratio | budget | goal | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(f"| `{row.key}` | {' | '.join(cells(row, samples))} |" for row, samples in results), "",
        "What each is measured against, and the range of its rounds:", "",
        *(f"- `{row.key}`: {row.peer}. Qi {_range(samples.qi)}{_peer_range(samples)} {row.unit}."
          for row, samples in results),
    ]  # fmt: skip
    kept = RESULTS.read_text("utf-8").partition(MARK)[0] if RESULTS.exists() else "# Results\n\n"
    RESULTS.write_text(kept + "\n".join(lines) + "\n", "utf-8")


def _range(samples: Sequence[float]) -> str:
    low, high = min(samples), max(samples)
    return f"{low:,.0f} to {high:,.0f}" if high >= 100 else f"{low:.3g} to {high:.3g}"


def _peer_range(samples: Samples) -> str:
    return f", peer {_range(samples.peer)}" if samples.peer else ""


if __name__ == "__main__":
    sys.exit(main())
