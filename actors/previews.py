"""What a publish would be, before anybody asks for it: where its version would go, and what would be found in its
files. It records nothing, and so never keeps those who publish waiting."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from events import versions
from events.decider import Known
from events.versions import Numbers, following, version_stream
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.bundles import GetBundle
from qi.contracts.db import FindTask, LatestVersion
from qi.contracts.preview import (
    PreviewVersion,
    Recognise,
    Recognised,
    Recognition,
    VersionPreview,
)
from qi.contracts.settings import GetSettings
from qi.deciding import follow
from qi.destination import example_name, place_of, product_folder, require_file_name
from qi.errors import Busy
from qi.home import Home
from qi.integrate import existing_versions
from qi.manifest import Pinned
from qi.pinning import Target, pin
from qi.reading import open_reader
from qi.sources import require_sources
from qi.worker.recognition import recognise, tidy

AT_ONCE = 2
WAITING_MOST = 8
REPLY_MOST_BYTES = 180 * 1024
RETRY_MS = 2_000


class Previews(Actor):
    """Looks things up on its own thread; disks and processes are for a pool."""

    name = "previews"
    requests = (GetBundle, GetSettings, FindTask, LatestVersion)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        tidy(self._home)
        self._reader = open_reader(self._home)
        self._numbers = Known(versions.FOLDS)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="qi-preview")
        self._room = threading.Semaphore(AT_ONCE + WAITING_MOST)

    def teardown(self) -> None:
        if hasattr(self, "_pool"):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._reader.close()

    @handles(PreviewVersion)
    def preview(self, message: PreviewVersion) -> Future[VersionPreview]:
        pinned = self._pinned(message)
        stream = version_stream(pinned.project_id, pinned.entity_id, pinned.product)
        require_file_name(pinned)
        numbers = self._numbers.get(Numbers, stream)
        latest = self.request(
            LatestVersion(project=pinned.project, entity=pinned.entity, product=pinned.product)
        ).number

        def look() -> VersionPreview:
            on_disk = max(existing_versions(product_folder(pinned)), default=0)
            number = following(numbers, on_disk=on_disk, in_tracker=latest)
            return VersionPreview(
                version=number, path=str(place_of(pinned, "preview", number).destination),
                file=example_name(pinned, number), bundle=pinned.bundle,
            )  # fmt: skip

        return self._pool.submit(copy_context().run, look)

    @handles(Recognise)
    def recognise(self, message: Recognise) -> Future[Recognition]:
        pinned, user = self._pinned(message), self.caller.user
        if not self._room.acquire(blocking=False):
            raise Busy("many people look at their files at this moment", retry_ms=RETRY_MS)

        def look() -> Recognition:
            require_sources(message.sources)
            return self._shown(recognise(self._home, pinned, message.sources, user))

        made = self._pool.submit(copy_context().run, look)
        made.add_done_callback(lambda _: self._room.release())
        return made

    def _pinned(self, message: PreviewVersion | Recognise) -> Pinned:
        """As a publish would be pinned that was asked for now."""
        follow(self._numbers, self._reader)
        target = Target(message.project, message.entity, message.task, message.product, comment="")
        return pin(
            self.request, position=int(self._reader.head().position), target=target, bundle="",
            otherwise=self.caller.bundle, environment={}, user=self.caller.user,
            host=self.caller.host or self._bus.host,
        )  # fmt: skip

    def _shown(self, found: tuple[Recognised, ...]) -> Recognition:
        shown: list[Recognised] = []
        size = 0
        for one in found:
            size += len(self._bus.codec.encode(one))
            if shown and size > REPLY_MOST_BYTES:
                break
            shown.append(one)
        return Recognition(instances=tuple(shown), more=len(found) - len(shown))
