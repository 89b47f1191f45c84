"""What a library takes along and nobody asks for is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from events.optional import without

LOOK = "import sys, events.views, qi.app.logs; print(sorted({'numpy', 'rich'} & set(sys.modules))); import numpy, rich"


def test_neither_the_log_nor_its_programs_bring_numpy_or_rich_and_whoever_needs_them_has_them() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == "[]"


def test_what_was_there_before_stays() -> None:
    with without("pytest"):
        assert sys.modules["pytest"] is pytest
    assert sys.modules["pytest"] is pytest
