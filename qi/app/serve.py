"""Run a studio until it is stopped (`qi serve`), or until its last client leaves (started by a command).

A command starts it as `python -m qi.app.serve`, reads one line from its standard output (`ready`, or an error as
JSON) and leaves it behind.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import signal
import sys
from typing import Literal

from qi.app import logs
from qi.app.ending import Ending
from qi.app.front import beside
from qi.app.launch import LaunchConfig, read_launch_config
from qi.app.studio import Studio
from qi.errors import QiError
from qi.home import Home

log = logging.getLogger("qi.serve")

LOG_FILE = "studio.jsonl"
CRASH_FILE = "studio-crash.txt"
"""Where each thread stood when native code, or a signal, brought the process down."""
LINGERS_S = 6.0
"""So long, and a little more, a studio outlives the command that started it."""


def serve(config: LaunchConfig, lives: Literal["served", "embedded"], *, resume: bool, on_ready: str = "") -> None:
    """Start, wait, stop; main thread. Raises :class:`QiError` when the studio does not start."""
    home = Home(config.home)
    home.make()
    logs.set_up(config.log_level, file=home.logs / LOG_FILE, terminal=lives == "served")
    faulthandler.enable((home.logs / CRASH_FILE).open("a"))
    with Ending(signal.SIGTERM, signal.SIGINT) as ending:
        studio = Studio(config, lives, end=ending.now, waits_s=LINGERS_S if lives == "served" else 0.0)
        studio.start(resume=resume)
        if on_ready:
            sys.stdout.write(on_ready + "\n")
            sys.stdout.flush()
        front = None
        try:
            if lives == "embedded":
                _let_go_of_the_terminal()
            else:
                front = beside(home, config)
                if front is not None:
                    log.info("the Command Center is at %s; `qi open` logs in there", front.url)
            ending.wait()
        finally:
            if front is not None:
                front.stop()
            studio.stop()


def _let_go_of_the_terminal() -> None:
    """Whoever started this has read its line; holding its pipes open would keep it waiting for their end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--no-resume", action="store_true")
    parser.add_argument("--safe-mode", action="store_true", default=None)
    given = parser.parse_args()
    try:
        config = read_launch_config(home=given.home, safe_mode=given.safe_mode)
        serve(config, "embedded", resume=not given.no_resume, on_ready="ready")
    except QiError as error:
        sys.stdout.write(json.dumps(error.as_reply()) + "\n")
        return 1
    except Exception as error:
        log.exception("the studio failed")
        sys.stdout.write(json.dumps(QiError(f"the studio failed: {type(error).__name__}: {error}").as_reply()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
