"""What a command says arrives whole."""

from __future__ import annotations

import array
import fcntl
import json
import signal
import subprocess
import sys
import termios

import pytest

from qi.testing.mesh import eventually

LONG = 300_000
SAYS = f"""
import signal
signal.signal(signal.SIGUSR1, lambda *_: None)
from qi.app.cli.main import write_whole
from qi.app.cli.output import document
write_whole()
document(["x" * {LONG}])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_signal_amid_a_long_document_cuts_nothing_off_where_python_runs_unbuffered() -> None:
    with subprocess.Popen([sys.executable, "-u", "-c", SAYS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        waiting = array.array("i", [0])

        def is_full() -> bool:
            fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)
            return waiting[0] >= 65_536

        eventually(is_full, what="a full pipe")
        process.send_signal(signal.SIGUSR1)
        assert json.loads(process.stdout.read()) == ["x" * LONG]
