"""Python files from anywhere, as modules that no other import finds. Any thread."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from qi.errors import DeadlineExceeded, QiError

T = TypeVar("T")


def import_file(path: Path, module: str) -> ModuleType:
    """Import one file under a name of its own, so that two versions never meet. Raises :class:`QiError`."""
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise QiError(f"{path} is not a Python file")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module, None)
        raise QiError(f"{path.name} does not load: {type(error).__name__}: {error}", file=str(path)) from error
    return made


def within(limit_s: float, what: str, work: Callable[[], T]) -> T:
    """What `work` returns or raises, as long as that takes no longer. Raises :class:`DeadlineExceeded`.

    For code of others, which may hang: a thread cannot be ended, so one that is late is left behind.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            done.set_exception(error)

    threading.Thread(target=run, name="qi-import", daemon=True).start()
    try:
        return done.result(limit_s)
    except Late as error:
        if done.done():
            raise
        raise DeadlineExceeded(f"{what} did not load within {limit_s:.0f} s") from error
