"""A process that is told to end does, whichever of its threads the system gives the signal to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading
from qi.app.ending import Ending

told = threading.Event()

def other(ending):
    sys.stdin.readline()
    if "thread" in sys.argv:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    elif "process" in sys.argv:
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        ending.now()
        ending.now()
    sys.stdin.readline()

with Ending(signal.SIGTERM) as ending:
    threading.Thread(target=other, args=(ending,), daemon=True).start()
    print("waits", flush=True)
    ending.wait()
    print("ends", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
ending.now()
print("in order", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system gives no signal to a thread")
@pytest.mark.parametrize("whom", ["thread", "process", "itself"])
def test_the_main_thread_wakes_whoever_gets_the_signal(whom: str) -> None:
    command = [sys.executable, "-c", PROGRAM, whom]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        process.stdin.write("now\n")
        process.stdin.flush()
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said.splitlines() == ["ends", "in order"], "a second signal does not cut the stopping off"
    assert process.returncode == os.EX_OK
