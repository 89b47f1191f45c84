"""An addon's own streams: what it decided, and the tables it folds from that. Actor thread.

It reads the log through a read-only connection of its own, as services do; what it decides goes through the journal,
which takes from it nothing but its own streams (:mod:`events.owners`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from events.catalog import Catalog
from events.decider import Folds
from events.errors import Invalid
from events.record import Position
from events.sqlite import SqliteReader
from events.tables import Database
from events.views import DamagedViews, Projection, Views, discard
from qi.deciding import Append, Ledger
from qi.errors import NotFound
from qi.home import Home
from qi.reading import open_reader

log = logging.getLogger("qi.addons")


@dataclass(frozen=True, slots=True)
class Projected:
    """A projection as of one position of the log."""

    db: Database
    """For queries, until the handler returns."""
    position: Position
    """The tables hold everything up to here."""


def require_own_folds(addon: str, catalog: Catalog | None, folds: Folds, projections: Iterable[Projection]) -> None:
    """Raises :class:`Invalid` when what an addon folds are not its own streams, or it has no types for them. Any
    thread."""
    folded = {*folds, *(category for one in projections for category in one.categories or ("everybody",))}
    owners = {catalog.owner} if catalog is not None else set()
    if strange := sorted((folded | owners) - {addon}):
        raise Invalid(f"the addon '{addon}' folds its own streams {addon}-<id> only, not those of {', '.join(strange)}")
    if folded and catalog is None:
        raise Invalid(f"the addon '{addon}' folds streams without saying its event types: name its catalog as `events`")


class Streams:
    """Of one addon. Nothing is opened before it is needed."""

    def __init__(
        self, addon: str, home: Home, catalog: Catalog, folds: Folds, projections: Iterable[Projection], append: Append
    ) -> None:
        self._addon = addon
        self._home = home
        self._catalog = catalog
        self._folds = folds
        self._projections = {projection.name: projection for projection in projections}
        self._append = append
        self._reader: SqliteReader | None = None
        self._ledger: Ledger | None = None
        self._views: dict[str, Views] = {}

    @property
    def ledger(self) -> Ledger:
        """Its fold, and its way into the log. Raises as :func:`qi.deciding.follow`."""
        if self._ledger is None:
            self._ledger = Ledger(self._log, self._folds, self._append, catalog=self._catalog)
        return self._ledger

    def view(self, name: str, after: int = 0) -> Projected:
        """A projection, brought to the head of the log, which must hold `after`.

        Two versions of an addon that give their projection the same version share its file. Raises :class:`NotFound`,
        and as :meth:`events.views.Views.catch_up`.
        """
        projection = self._projections.get(name)
        if projection is None:
            raise NotFound(f"the addon '{self._addon}' declares no projection '{name}'")
        return self._healed(projection, lambda views: self._caught_up(projection, views, after))

    def close(self) -> None:
        """Safe to call twice."""
        while self._views:
            self._views.popitem()[1].close()
        self._ledger = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _caught_up(self, projection: Projection, views: Views, after: int) -> Projected:
        position = views.catch_up(projection, self._log)
        if position < after:
            raise NotFound(f"the log ends at {position}, before {after}", remedy="ask again without a position")
        return Projected(views.db, position)

    def _healed(self, projection: Projection, work: Callable[[Views], Projected]) -> Projected:
        """What `work` returns; views that are damaged, or were deleted, are made anew first."""
        path = self._home.addon_views(self._addon) / f"{projection.name}-{projection.version}.db"
        if projection.name in self._views and not path.exists():
            self._views.pop(projection.name).close()
        try:
            return work(self._opened(projection.name, path))
        except DamagedViews as error:
            log.warning("%s; it is made anew", error.message)
            if projection.name in self._views:
                self._views.pop(projection.name).close()
            discard(path)
            return work(self._opened(projection.name, path))

    def _opened(self, name: str, path: Path) -> Views:
        if name not in self._views:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._views[name] = Views(path, self._catalog.types)
        return self._views[name]

    @property
    def _log(self) -> SqliteReader:
        if self._reader is None:
            self._reader = open_reader(self._home)
        return self._reader
