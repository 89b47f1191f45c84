"""Entry point: global options, verbs, errors to exit codes. Main thread.

Verbs are imported when they are called, so that `qi --help` answers at once.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer

from qi.app.cli.state import Options, options
from qi.app.cli.verbs import Verbs
from qi.errors import QiError

EXIT_CODES = {400: 2, 401: 5, 403: 5, 404: 2, 409: 4, 410: 2, 422: 2, 423: 4, 429: 6, 503: 3, 504: 6}
ANYWHERE = {"--home": True, "--connect": True, "--connect-ca": True, "--safe-mode": False, "--debug": False}
"""Global options that may stand before or after the verb; whether each takes a value."""

USAGE: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""What every error of usage is. Typer has click's classes inside itself or beside it, as its version has it."""

app = typer.Typer(
    name="qi",
    cls=Verbs,
    help="Publish, load and manage versions; see what changed, who changed it, and do it again. "
    "Without a verb: the Command Center.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def say_release(asked: bool) -> None:
    if not asked:
        return
    from qi.release import release

    typer.echo(f"qi {release()}")
    raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[
        str | None, typer.Option(help="The studio's folder; also QI_HOME. Before or after the verb.")
    ] = None,
    connect: Annotated[str | None, typer.Option(help="URL of a running studio's broker to join.")] = None,
    connect_ca: Annotated[
        str | None, typer.Option("--connect-ca", help="File to trust that studio's certificate by.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Project to work in.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Never open a window or ask a question.")] = False,
    safe_mode: Annotated[
        bool, typer.Option("--safe-mode", help="If this starts a studio: no addon but the providers.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Say which Qi this is.", callback=say_release, is_eager=True)
    ] = False,
) -> None:
    options.set(Options(home, connect, connect_ca, project, headless, safe_mode, debug))
    if ctx.invoked_subcommand is not None:
        return
    if headless:
        typer.echo(ctx.get_help())
        return
    from qi.app.cli.output import line
    from qi.app.cli.state import launch_config
    from qi.app.desktop.run import run

    run(launch_config(), line)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    write_whole()
    given = _hoisted(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        left_with = app(given, standalone_mode=False)
    except QiError as error:
        if debug:
            raise
        return report(error)
    except typer.Exit as left:
        return left.exit_code
    except typer.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, a user sees one clear line
        return _usage_or_fault(error, debug)
    except KeyboardInterrupt:
        return 130
    return left_with if isinstance(left_with, int) else 0


def write_whole() -> None:
    """Where Python runs unbuffered (`PYTHONUNBUFFERED`), a signal that comes while a pipe is full cuts off the rest of
    a text, and nobody is told. A buffer goes on where it was; each line still leaves at once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        raw = getattr(stream, "buffer", None)
        # Whoever embeds this and put a stream of its own there keeps it.
        if stream is getattr(sys, f"__{name}__") and isinstance(raw, io.RawIOBase):
            whole = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True)
            setattr(sys, name, whole)


def report(error: QiError) -> int:
    """Say what happened and what to do, on standard error; returns the exit code."""
    from qi.app.cli.output import problem

    problem(error.message, error.remedy)
    return EXIT_CODES.get(error.code, 1)


def _usage_or_fault(error: Exception, debug: bool) -> int:
    from qi.app.cli.output import problem

    if isinstance(error, USAGE):
        if error.format_message():  # without a verb the help was shown already
            problem(error.format_message(), "`--help` behind a command shows how it is used")
        return 2
    if debug:
        raise error
    problem(f"Qi failed: {type(error).__name__}: {error}", "run it again with --debug to see where")
    return 1


def _hoisted(arguments: list[str]) -> list[str]:
    """Move global options before the verb; everything behind `--` stays."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        name, has_value, _ = item.partition("=")
        if item == "--":
            rest += [item, *items]
        elif name in ANYWHERE:
            front.append(item)
            if ANYWHERE[name] and not has_value:
                front += [value for value in [next(items, None)] if value is not None]
        else:
            rest.append(item)
    return front + rest
