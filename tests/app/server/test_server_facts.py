"""What a server tells its windows of the log."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from qi.app.server.facts import Facts
from qi.errors import DeadlineExceeded


def test_a_log_that_does_not_answer_is_looked_at_again_and_nobody_complains_of_it() -> None:
    async def complaints() -> list[Any]:
        said: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, one: said.append(one))
        late: Future[Any] = Future()
        late.set_exception(DeadlineExceeded("no answer in time"))
        bus = SimpleNamespace(ask=lambda _: late, answer=lambda _, future: future.result())
        await Facts(cast(Any, bus))._fill()
        gc.collect()
        await asyncio.sleep(0)
        return said

    assert asyncio.run(complaints()) == []
