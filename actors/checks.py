"""Checks: is a bundle fit to be production? Its addons are loaded and tested in processes of their own."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from events.blobs import Blobs
from events.record import Digest
from qi.actor import Actor, handles
from qi.addon_check import Examined, examine
from qi.bus import Bus
from qi.contracts.bundles import BundleInfo, CheckBundle, GetBundle, RecordCheck
from qi.contracts.settings import GetSettings, ListInvalid
from qi.errors import QiError
from qi.home import Home

AT_ONCE = 2


class Checks(Actor):
    """Examines in the background, so that several bundles may be looked at; records what it found."""

    name = "checks"
    requests = (GetBundle, GetSettings, ListInvalid, RecordCheck)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._blobs = Blobs(self._home.blobs)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="qi-check")

    def teardown(self) -> None:
        if hasattr(self, "_pool"):
            self._pool.shutdown(wait=False, cancel_futures=True)

    @handles(CheckBundle)
    def check(self, message: CheckBundle) -> Future[BundleInfo]:
        bundle = self.request(GetBundle(bundle=message.bundle))
        return self._pool.submit(copy_context().run, self._checked, bundle)

    def _checked(self, bundle: BundleInfo) -> BundleInfo:
        """On a thread of the pool."""
        began = time.monotonic()
        problems: list[str] = []
        examined: list[Examined] = []
        values: dict[str, object] = {}
        try:
            values = self.request(GetSettings(bundle=bundle.id)).values
            problems += [
                f"{one.path} of its own settings does not count: {one.why}"
                for one in self.request(ListInvalid(bundle=bundle.id)).settings
                if one.layer == "bundle"
            ]
        except QiError as error:
            problems.append(f"its settings do not resolve: {error.message}")
        for addon in bundle.addons:
            folder = Path(addon.path) if addon.path else self._home.code / addon.digest
            if not addon.path:
                self._blobs.checkout(Digest(addon.digest), folder)
            own = values.get(addon.name)
            examined.append(examine(folder, own if isinstance(own, dict) else None))
        problems += [problem for one in examined for problem in one.problems]
        return self.request(
            RecordCheck(
                bundle=bundle.id, digest=bundle.digest, problems=tuple(problems[:100]), addons=len(examined),
                tests=sum(one.tests for one in examined), settings=sum(one.settings for one in examined),
                duration_ms=int((time.monotonic() - began) * 1000),
            )
        )  # fmt: skip
