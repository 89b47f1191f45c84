"""The verbs, and where each is written: a verb's module is imported when the verb is called. Main thread."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

ADDON = re.compile(r"[a-z][a-z0-9_]{0,39}")

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "See a publish fail, replay it, read what happened."),
    "serve": ("studio", "Run the studio here until it is stopped."),
    "open": ("studio", "Open the Command Center in the browser."),
    "broker-keys": ("studio", "Print fresh keys for a broker of your own."),
    "status": ("studio", "What runs: services, addons, sessions."),
    "restart": ("studio", "Start one actor of the studio anew."),
    "stop": ("studio", "Stop the studio that runs on this home."),
    "doctor": ("studio", "Check what Qi needs, and how the studio is."),
    "subjects": ("studio", "Every topic: who may ask it, what it answers."),
    "launch": ("launch", "Start an application in a context, on your desktop."),
    "login": ("user", "Be this user, until `qi logout`."),
    "logout": ("user", "Forget the log-in of this home."),
    "publish": ("publish", "Publish files as the next version of a product."),
    "publishes": ("publish", "All publishes, newest first."),
    "show": ("publish", "One publish: its steps, its version, its error."),
    "cancel": ("publish", "Call a publish off."),
    "replay": ("replay", "Do a publish again, or try it with something else."),
    "history": ("history", "What changed, who changed it, and why."),
    "user": ("user", "Users and their roles."),
    "project": ("project", "Projects."),
    "entity": ("project", "Sequences, shots and assets of a project."),
    "task": ("project", "Work on sequences, shots and assets."),
    "log": ("log", "The log: everything that ever changed."),
    "addon": ("addon", "Addons: how they fare; making, packing and installing them."),
    "bundle": ("bundle", "Bundles: which addons, settings and environment belong together."),
    "job": ("job", "Jobs: work of addons that takes long."),
    "notices": ("job", "What addons had to say to you."),
    "secret": ("secret", "Secrets: kept encrypted, named by settings."),
    "settings": ("settings", "Settings: defaults, then bundle, project, its settings file, user."),
}  # fmt: skip
"""Verb → its module in this package, and its line in the help."""


class Verbs(TyperGroup):
    """Lists the verbs without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] not in self.commands and ADDON.fullmatch(args[0]):
            return args[0], _of_addon(args[0]), args[1:]
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(listed.name) if listed and listed.name else listed, rest


def _of_addon(name: str) -> TyperCommand:
    """A command that hands everything to the verbs of an addon, when the global options have been read."""

    def run(ctx: Any) -> Any:
        from qi.app.cli.addon_verbs import run

        return run(name, ctx.args)

    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    run.__annotations__ = {"ctx": typer.Context}
    made.command(name, context_settings=settings)(run)
    return typer.main.get_command(made)  # type: ignore[return-value]


def load(verb: str) -> Any:
    """The command itself; `verb` is one of :data:`VERBS`."""
    made = typer.Typer()
    import_module(f"qi.app.cli.{VERBS[verb][0]}").add_to(made)
    return typer.main.get_group(made).commands[verb]
