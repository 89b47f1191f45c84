"""Pages of a sorted list, which stay in place while things are added. Any thread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from qi.contracts.tracker import Page
from qi.errors import Invalid
from qi_local.tracker.folder import BETWEEN, Shelf, Things, cursor

T = TypeVar("T")

MOST_ITEMS = 1000


def page(
    shelf: Shelf[T], things: Things[T], parent: str | None, wanted: Callable[[T], bool], after: str, limit: int
) -> Page[T]:
    """The first `limit` wanted things behind the cursor `after`: of all, or of the children of `parent`.

    Raises :class:`Invalid` for another limit than 1 to 1000.
    """
    if not 1 <= limit <= MOST_ITEMS:
        raise Invalid(f"a page holds 1 to {MOST_ITEMS} items", fields={"limit": f"is {limit}"})
    if parent is None:
        cursors = things.ordered(shelf)
    else:
        cursors = sorted(cursor(shelf, thing) for thing in things.children(parent))
    behind = (things.by_id[at.rpartition(BETWEEN)[2]] for at in islice(cursors, bisect_right(cursors, after), None))
    found = list(islice(filter(wanted, behind), limit + 1))
    return Page(tuple(found[:limit]), cursor(shelf, found[limit - 1]) if len(found) > limit else "")
