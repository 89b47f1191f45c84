"""Values that a setting is offered, found out when somebody asks: a function in the addon's `settings.py`.

::

    def colour_spaces(asked: OptionsAsked) -> list[str]:          # or `async def`
        return read_config(asked.addon.settings["config"]).names()

    class Settings(SettingsModel):
        colour_space: str = setting("", resolver="colour_spaces")

It runs in the process of the addon's actor, on a thread of its own, and is not waited for any longer than
:data:`LIMIT_S`. Any thread.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from qi.contracts.settings import Option, OptionList
from qi.errors import DeadlineExceeded, Invalid, NotFound, QiError

LIMIT_S = 5.0
MOST = 2_000
LABEL_LONGEST = 200


@dataclass(frozen=True, slots=True)
class OptionsAsked:
    """For whom values are looked up."""

    addon: Any
    """The addon's actor: its settings, its folder, its `request`."""
    bundle: str
    """Id."""
    project: str
    """Name; empty where none is worked on."""
    user: str


def resolve(
    resolver: Callable[[OptionsAsked], Any], asked: OptionsAsked, limit_s: float = LIMIT_S
) -> Future[OptionList]:
    """Run a resolver on a thread of its own; the future holds what it offers, or a QiError.

    One that does not end in time is left behind: its outcome interests nobody any more.
    """
    future: Future[OptionList] = Future()
    name = getattr(resolver, "__name__", "resolver")

    def run() -> None:
        try:
            found = resolver(asked)
            if inspect.isawaitable(found):
                found = asyncio.run(_awaited(found, limit_s))
            outcome: Any = OptionList(options=tuple(_options(found)))
        except TimeoutError:
            return  # the timer says so
        except QiError as error:
            outcome = error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an addon's code may raise anything
            outcome = QiError(f"'{name}' failed: {type(error).__name__}: {error}", resolver=name)
        _settle(future, outcome)

    late = DeadlineExceeded(f"'{name}' found no values within {limit_s:.0f} s", resolver=name)
    timer = threading.Timer(limit_s, _settle, (future, late))
    timer.daemon = True
    future.add_done_callback(lambda _: timer.cancel())
    timer.start()
    threading.Thread(target=copy_context().run, args=(run,), name=f"qi-options-{name}", daemon=True).start()
    return future


def resolver_in(module: Any, name: str) -> Callable[[OptionsAsked], Any]:
    """The resolver of that name in a `settings.py`. Raises :class:`NotFound`."""
    found = getattr(module, name, None)
    if not callable(found):
        raise NotFound(f"settings.py has no resolver '{name}'", resolver=name)
    return found  # type: ignore[no-any-return]


async def _awaited(found: Any, limit_s: float) -> Any:
    return await asyncio.wait_for(found, limit_s)


def _options(found: Any) -> Iterable[Option]:
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise Invalid("a resolver returns a list of values or of Option")
    for number, one in enumerate(found):
        if number == MOST:
            raise Invalid(f"a resolver offers {MOST} values at most")
        yield one if isinstance(one, Option) else Option(value=one, label=str(one)[:LABEL_LONGEST])


def _settle(future: Future[OptionList], outcome: Any) -> None:
    """The first outcome counts."""
    with suppress(InvalidStateError):
        if isinstance(outcome, QiError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
