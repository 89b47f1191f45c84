"""Run a studio until it is stopped (`qi serve`), or until its last client leaves (started by a command).

A command starts it as `python -m qi.app.serve`, reads one line from its standard output (`ready`, or an error as
JSON) and leaves it behind.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
from typing import Literal

from qi.app import logs
from qi.app.beside import Beside
from qi.app.ending import Ending
from qi.app.first_word import say_ready, telling
from qi.app.launch import LaunchConfig, read_launch_config
from qi.app.studio import Studio
from qi.home import Home

LOG_FILE = "studio.jsonl"
CRASH_FILE = "studio-crash.txt"
"""Where each thread stood when native code, or a signal, brought the process down."""
LINGERS_S = 6.0
"""So long, and a little more, a studio outlives the command that started it."""


def serve(config: LaunchConfig, lives: Literal["served", "embedded"], *, resume: bool) -> None:
    """Start, wait, stop; main thread. Raises :class:`QiError` when the studio does not start."""
    home = Home(config.home)
    home.make()
    logs.set_up(config.log_level, file=home.logs / LOG_FILE, terminal=lives == "served")
    faulthandler.enable((home.logs / CRASH_FILE).open("a"))
    server = Beside(home, config) if lives == "served" else None
    problems = server.problems if server is not None else list
    with Ending(signal.SIGTERM, signal.SIGINT) as ending:
        studio = Studio(
            config, lives, end=ending.now, waits_s=LINGERS_S if lives == "served" else 0.0, problems=problems
        )
        studio.start(resume=resume)
        try:
            if lives == "embedded":
                say_ready()
                _let_go_of_the_terminal()
            elif server is not None:
                server.start()
            ending.wait()
        finally:
            if server is not None:
                server.stop()
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

    def work() -> None:
        config = read_launch_config(home=given.home, safe_mode=given.safe_mode)
        serve(config, "embedded", resume=not given.no_resume)

    return telling("the studio", work)


if __name__ == "__main__":
    sys.exit(main())
