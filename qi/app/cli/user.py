"""`qi user`, `qi login`, `qi logout`."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from qi.app.cli.output import Json, document, line, table
from qi.app.cli.state import launch_config, options, studio
from qi.contracts.auth import AddUser, EndLogins, GrantRole, ListUsers, Login, Logout

verbs = typer.Typer(help="Users and their roles.", no_args_is_help=True)

Password = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input: one line, never shown.")
]


def add_to(app: typer.Typer) -> None:
    app.add_typer(verbs, name="user")
    app.command("login")(login)
    app.command("logout")(logout)


@verbs.command("add")
def add(
    name: str,
    role: Annotated[list[str] | None, typer.Option(help="admin, lead, artist or guest; may be repeated.")] = None,
    password_stdin: Password = False,
    as_json: Json = False,
) -> None:
    """A new user; an artist unless told otherwise."""
    password = _password(password_stdin, twice=True)
    with studio(acts=True) as bus:
        made = bus.request(AddUser(name=name, password=password, roles=tuple(role or ["artist"])))
    if as_json:
        document(made)
    else:
        line(f"{made.name} is {', '.join(made.roles)}")


@verbs.command("grant")
def grant(
    name: str,
    role: str,
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")] = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the role away instead.")] = False,
    as_json: Json = False,
) -> None:
    """Give a user a role."""
    with studio(acts=True) as bus:
        made = bus.request(GrantRole(name=name, role=role, reason=reason, revoke=revoke))
    if as_json:
        document(made)
    else:
        line(f"{made.name} is {', '.join(made.roles) or 'without a role'}")


@verbs.command("end-logins")
def end_logins(
    name: str,
    reason: Annotated[str, typer.Option(help="Why; it stays in the history.")] = "",
    as_json: Json = False,
) -> None:
    """End every log-in of a user, at once: a lost machine, somebody who left."""
    with studio(acts=True) as bus:
        made = bus.request(EndLogins(name=name, reason=reason))
    if as_json:
        document(made)
    else:
        line(f"{made.name} is logged in nowhere any more")


@verbs.command("list")
def list_(as_json: Json = False) -> None:
    """All users."""
    with studio(acts=False) as bus:
        found = bus.request(ListUsers()).users
    if as_json:
        document(found)
    else:
        table(("name", "roles"), [(u.name, ", ".join(u.roles)) for u in found], empty="no users; `qi user add NAME`")


def login(name: Annotated[str, typer.Argument(help="User name.")], password_stdin: Password = False) -> None:
    """Be this user, until `qi logout`."""
    from qi.home import Home

    password = _password(password_stdin, twice=False)
    with studio(acts=False, anew=True) as bus:
        done = bus.request(Login(user=name, password=password))
    Home(launch_config().home).keep_login(_studio(), done.session.user, done.token)
    line(f"logged in as {done.session.user} ({', '.join(done.session.roles) or 'no role'})")


def logout() -> None:
    """Forget the log-in of this home."""
    from qi.home import Home

    home = Home(launch_config().home)
    token = home.token_for(_studio())
    if not token:
        line("nobody is logged in")
        return
    with studio(acts=False, anew=True) as bus:
        bus.request(Logout(token=token))
    home.keep_login(_studio(), "", "")
    line("logged out")


def _studio() -> str:
    from qi.home import HERE

    return launch_config().connect or HERE


def _password(from_stdin: bool, *, twice: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if options.get().headless or not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for a password: use --password-stdin")
    password = getpass.getpass("Password: ")
    if twice and getpass.getpass("Again: ") != password:
        raise typer.BadParameter("the two passwords differ")
    return password
