"""Runs the broker and ends it when standard input ends. Standard library only: it starts in a few milliseconds."""

import ctypes
import os
import signal
import subprocess
import sys
import threading

STOP_LIMIT_S = 3
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """On Linux the kernel also ends the server when this guard itself is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    server = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )

    def leash() -> None:
        # Unbuffered: an interpreter cannot end while another thread waits inside a buffered reader.
        while os.read(0, 4096):
            pass
        server.terminate()
        try:
            server.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=leash, daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
