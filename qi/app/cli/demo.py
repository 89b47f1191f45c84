"""`qi demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qi.app.cli.output import Json
from qi.app.cli.state import options


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    source: Annotated[
        str, typer.Option("--input", help="Your own frames, 'PATH.####.exr'; else some are rendered.")
    ] = "",
    as_json: Json = False,
) -> None:
    """See a publish fail, replay it, read what happened."""
    from qi.app.demo import run

    home = options.get().home
    run(home=Path(home) if home else None, source=source, as_json=as_json)
