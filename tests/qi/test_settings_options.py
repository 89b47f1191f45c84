"""Resolvers of settings: run on a thread of their own, not waited for any longer than they may take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qi.contracts.settings import Option
from qi.errors import DeadlineExceeded, Forbidden, Invalid, QiError
from qi.settings.options import MOST, OptionsAsked, resolve

ASKED = OptionsAsked(addon=None, bundle="b1", project="Film", user="ada")
LIMIT_S = 0.2


@pytest.fixture
def never() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def options(resolver: Any, limit_s: float = 5.0) -> list[Option]:
    return list(resolve(resolver, ASKED, limit_s).result(10.0).options)


def test_a_resolver_may_be_sync_or_async_and_return_values_or_options() -> None:
    async def later(asked: OptionsAsked) -> list[Option]:
        await asyncio.sleep(0)
        return [Option(value=1, label=asked.project)]

    assert options(lambda asked: [asked.user, 2]) == [Option(value="ada", label="ada"), Option(value=2, label="2")]
    assert options(later) == [Option(value=1, label="Film")]


def test_one_that_hangs_is_not_waited_for(never: threading.Event) -> None:
    async def forever(asked: OptionsAsked) -> list[str]:
        await asyncio.Event().wait()
        return []

    for resolver in (lambda _: never.wait(), forever):
        with pytest.raises(DeadlineExceeded) as told:
            options(resolver, LIMIT_S)
        assert told.value.code == 504


@pytest.mark.parametrize("wrong", ["text", 5, None, ["x"] * (MOST + 1)])
def test_what_is_no_list_of_values_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid):
        options(lambda _: wrong)


def test_whatever_a_resolver_raises_is_an_error_that_names_it() -> None:
    def exits(_: OptionsAsked) -> list[str]:
        raise SystemExit(1)

    def refuses(_: OptionsAsked) -> list[str]:
        raise Forbidden("not for you")

    with pytest.raises(QiError, match="'exits' failed: SystemExit"):
        options(exits)
    with pytest.raises(Forbidden):
        options(refuses)
