"""Logs: one JSON line each in a rotating file, readable lines on a terminal; the trace id on every one.

Everything passes one filter that masks secrets, also what child processes print.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from events.optional import without
from qi import context
from qi.masking import mask_value

with without("rich"):  # for pictures of errors that nobody sees
    import structlog

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
QUIET = {"nats": logging.ERROR, "asyncio": logging.ERROR, "pykka": logging.WARNING}
OWN = {"_record", "_from_structlog", "exc_info", "stack_info"}
"""What structlog carries along for itself; it is never written."""

Entry = MutableMapping[str, Any]


def _with_trace(_: Any, __: str, entry: Entry) -> Entry:
    entry["trace"] = context.current().trace
    return entry


def _masked(_: Any, __: str, entry: Entry) -> Entry:
    masked: Entry = mask_value({key: value for key, value in entry.items() if key not in OWN})
    return {**masked, **{key: entry[key] for key in OWN & entry.keys()}}


def set_up(level: str, *, file: Path | None = None, terminal: bool = True) -> None:
    """Configure the process's logging once; main thread."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
        structlog.processors.format_exc_info,
        _masked,
    ]
    handlers: list[logging.Handler] = []
    if file is not None:
        rotating = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
        rotating.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
                ],
            )
        )
        handlers.append(rotating)
    if terminal:
        stream = logging.StreamHandler(sys.stderr)
        stream.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
                ],
            )
        )
        handlers.append(stream)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    for name, threshold in QUIET.items():
        logging.getLogger(name).setLevel(threshold)
