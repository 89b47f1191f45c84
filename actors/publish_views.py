"""Looking at publishes: lists, one with its steps and files, two side by side. It only reads, and so never keeps those
who publish waiting."""

from __future__ import annotations

from pathlib import Path

import msgspec

from events import publishes
from events.blobs import Blobs
from events.decider import Known
from events.publish_state import Publish
from events.record import Digest
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.comparison import Ran, compare
from qi.contracts.compare import ComparePublishes, Comparison
from qi.contracts.publish import (
    FileList,
    ListFiles,
    ListPublishes,
    PublishInfo,
    PublishList,
    ShowPublish,
)
from qi.contracts.publish_record import GetManifest, GetStepLog, ManifestText, StepLog
from qi.deciding import follow
from qi.errors import NotFound
from qi.home import Home
from qi.manifest import Manifest, Pinned, load
from qi.publish_view import events_of, find_publish, output_digests, published_files, show, steps_of
from qi.reading import open_reader

REPLY_MOST_BYTES = 180 * 1024
TEXT_MOST = 40_000
"""Characters: each may take four bytes and, within a string, a backslash."""


class PublishViews(Actor):
    """Folds publishes from the log for whoever looks."""

    name = "publish_views"

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._blobs = Blobs(self._home.blobs)
        self._folded = Known(publishes.FOLDS)

    def teardown(self) -> None:
        self._reader.close()

    @handles(ShowPublish)
    def show(self, message: ShowPublish) -> PublishInfo:
        state = self._find(message.publish)
        return show(state, self._pinned(state), steps_of(events_of(self._reader, state.id)))

    @handles(ListFiles)
    def files(self, message: ListFiles) -> FileList:
        found = published_files(self._find(message.publish), self._blobs)
        end = message.offset + message.limit
        return FileList(files=tuple(found[message.offset : end]), more=end < len(found))

    @handles(ListPublishes)
    def list(self, message: ListPublishes) -> PublishList:
        follow(self._folded, self._reader)
        wanted: list[PublishInfo] = []
        size = 0
        newest_first = list(self._folded.all(Publish))[::-1]
        before = [state.id for state in newest_first].index(self._find(message.before).id) + 1 if message.before else 0
        for state in newest_first[before:]:
            if message.failed and not _needs_care(state):
                continue
            if message.plugin and not _took_part(state, message.plugin.casefold()):
                continue
            info = show(state, self._pinned(state), ())
            if not _fits(message, info, is_running=state.is_running):
                continue
            size += len(self._bus.codec.encode(info))
            if len(wanted) == message.limit or (wanted and size > REPLY_MOST_BYTES):
                return PublishList(publishes=tuple(wanted), more=True)
            wanted.append(info)
        return PublishList(publishes=tuple(wanted))

    @handles(GetStepLog)
    def log(self, message: GetStepLog) -> StepLog:
        state = self._find(message.publish)
        # Other content has other topics, with rights of their own.
        if message.records not in {step.records for step in steps_of(events_of(self._reader, state.id))}:
            raise NotFound(f"no step of this publish logged '{message.records}'", publish=state.id)
        lines = msgspec.json.decode(self._blobs.get(Digest(message.records)), type=list[str])[message.offset :]
        taken: list[str] = []
        size = 0
        for line in lines:
            size += len(self._bus.codec.encode(line))
            if taken and size > REPLY_MOST_BYTES:
                break
            taken.append(line)
        return StepLog(lines=tuple(taken), more=len(taken) < len(lines))

    @handles(GetManifest)
    def manifest(self, message: GetManifest) -> ManifestText:
        state = self._find(message.publish)
        kept = {"pinned": msgspec.Raw(self._blobs.get(Digest(state.request.pinned)))}
        if state.manifest:
            kept["sealed"] = msgspec.Raw(self._blobs.get(Digest(state.manifest)))
        whole = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
        end = message.offset + TEXT_MOST
        return ManifestText(text=whole[message.offset : end], more=end < len(whole))

    @handles(ComparePublishes)
    def compare(self, message: ComparePublishes) -> Comparison:
        return compare(self._ran(self._find(message.first)), self._ran(self._find(message.second)))

    def _find(self, publish: str) -> Publish:
        follow(self._folded, self._reader)
        return find_publish(self._folded, publish)

    def _pinned(self, state: Publish) -> Pinned:
        return load(self._blobs, Pinned, state.request.pinned)

    def _ran(self, state: Publish) -> Ran:
        pinned = self._pinned(state)
        manifest = load(self._blobs, Manifest, state.manifest) if state.manifest else None
        scratch = str(self._home.runs / state.id / "scratch")
        trees = {addon.name: addon.digest for addon in pinned.addons}
        trees |= {tree.path: tree.digest for tree in manifest.plugin_trees} if manifest else {}
        return Ran(
            publish=state.id,
            scratch=scratch,
            pinned=pinned,
            manifest=manifest,
            steps=tuple(steps_of(events_of(self._reader, state.id))),
            outputs=output_digests(state, self._blobs, scratch),
            trees={
                name: {file: one.digest for file, one in self._blobs.tree(Digest(digest)).items()}
                for name, digest in trees.items()
            },
        )


def _needs_care(state: Publish) -> bool:
    return state.ended not in ("", "cancelled") and not state.made_good_by and state.request.mode == "publish"


def _took_part(state: Publish, plugin: str) -> bool:
    return any(plugin in name.casefold() for name in state.plugins)


def _fits(message: ListPublishes, info: PublishInfo, *, is_running: bool) -> bool:
    if message.state and not (is_running if message.state == "running" else info.state == message.state):
        return False
    asked = ((message.project, info.project), (message.user, info.user), (message.product, info.product))
    if any(wanted and wanted.casefold() != found.casefold() for wanted, found in asked):
        return False
    told = (info.project, info.entity, info.task, info.product, info.user, info.bundle, info.publish, info.mode)
    said = " ".join((*told, info.comment)).casefold()
    return all(word in said for word in message.text.casefold().split())
