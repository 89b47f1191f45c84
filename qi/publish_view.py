"""How a publish is shown: its state, its steps, its files, as the contracts say them. Any thread."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from events.blobs import Blobs
from events.decider import Known
from events.publish_state import Publish
from events.publish_steps import STATES, has_reached, states
from events.publishes import publish_stream
from events.record import Digest, Event, Version
from events.store import EventReader
from qi.contracts.publish import PublishedFile, PublishError, PublishInfo, RepairMade, RepairOffer, StepInfo
from qi.errors import Conflict, NotFound
from qi.manifest import Pinned

SHORTEST_ID = 6
PAGE_EVENTS = 500
STEPS_SHOWN = 500
OFFERS_SHOWN = 100


def find_publish(known: Known, wanted: str) -> Publish:
    """By id, by its beginning or its end (six characters or more), or `last`.

    Raises :class:`NotFound`, and :class:`Conflict` when several fit.
    """
    everything = list(known.all(Publish))
    if wanted == "last" and everything:
        return everything[-1]  # of the log; the clock may have stepped back
    fits = [one for one in everything if one.id == wanted]
    if not fits and len(wanted) >= SHORTEST_ID:
        fits = [one for one in everything if one.id.startswith(wanted) or one.id.endswith(wanted)]
    if not fits:
        remedy = "the page Publishes or `qi publishes` lists them"
        raise NotFound(f"there is no publish '{wanted}'", remedy=remedy, publish=wanted)
    if len(fits) > 1:
        raise Conflict(f"several publishes fit '{wanted}'", publishes=[one.id for one in fits[:10]])
    return fits[0]


def is_visible(state: Publish) -> bool:
    """Whether readers of the disk see its version."""
    return state.request.mode == "publish" and has_reached(state.state, "committed")


def events_of(reader: EventReader, publish: str) -> list[Event]:
    """Every event of its stream, in order."""
    stream, found, after = publish_stream(publish), list[Event](), Version(0)
    while page := reader.read_stream(stream, after, PAGE_EVENTS):
        found += page
        after = page[-1].version
    return found


def output_digests(state: Publish, blobs: Blobs, scratch: str) -> dict[str, str]:
    """File → digest of what its extractors left: below its scratch folder by path, elsewhere by name."""
    if not state.outputs:
        return {}
    listed: list[tuple[str, int, str]] = msgspec.json.decode(blobs.get(Digest(state.outputs)))
    below = f"{scratch}/"
    return {
        path.removeprefix(below) if path.startswith(below) else Path(path).name: digest for path, _, digest in listed
    }


def show(state: Publish, pinned: Pinned, steps: Iterable[StepInfo]) -> PublishInfo:
    visible = is_visible(state)
    return PublishInfo(
        publish=state.id,
        state=state.ended or state.state,
        version=state.version or None,
        path=state.path if visible else None,
        files=state.files if visible else 0,
        replay_of=state.request.replay_of or None,
        error=_error(state),
        mode=state.request.mode,
        project=pinned.project,
        entity=pinned.entity,
        task=pinned.task,
        product=pinned.product,
        comment=pinned.comment,
        user=state.request.user,
        bundle=pinned.bundle,
        bundle_digest=pinned.bundle_digest,
        position=state.request.position,
        manifest=state.manifest,
        made_good_by=state.made_good_by,
        requested_at=state.requested_at,
        finished_at=0 if state.is_running else state.ended_at,
        steps=tuple(steps)[:STEPS_SHOWN],
        offers=tuple(
            RepairOffer(step=key, plugin=one.plugin, instance=one.instance, title=one.title)
            for key, one in islice(state.offers.items(), OFFERS_SHOWN)
        ) if state.ended == "failed" else (),
        repairs=tuple(
            RepairMade(plugin=one.plugin, instance=one.instance, title=one.title, user=one.user)
            for one in state.repairs[:OFFERS_SHOWN]
        ),
    )


def _error(state: Publish) -> PublishError | None:
    found = state.error
    if found is None:
        return None
    return PublishError(code=found.code, step=found.step, message=found.message, remedy=found.remedy)


def steps_of(events: Iterable[Event]) -> list[StepInfo]:
    """Every step of a publish, in order, read from its stream."""
    steps: dict[str, StepInfo] = {}
    way = STATES
    towards = way[1]
    for event in events:
        data, kind = event.data, event.type
        if kind == "publish.requested":
            way = states(str(data["mode"]))
        elif kind == "publish.steps_recorded":
            for step in data["steps"]:
                steps[f"{event.position}:{step['key']}"] = _step(step, towards)
        elif kind == "publish.step_started":
            steps[data["key"]] = _step({**data, "outcome": "started", "duration_ms": 0.0}, towards)
        elif kind == "publish.step_finished":
            begun = steps[data["key"]]
            steps[data["key"]] = _step({**data, "plugin": begun.plugin, "instance": begun.instance}, towards)
        elif kind == "publish.unknown" and data["step"] in steps:
            begun = steps[data["step"]]
            steps[data["step"]] = StepInfo(
                plugin=begun.plugin, instance=begun.instance, state=towards, outcome="unknown", duration_ms=0.0
            )
        elif (reached := kind.removeprefix("publish.")) in way[:-1]:
            towards = way[way.index(reached) + 1]
        elif kind == "publish.resumed":
            towards = way[way.index(data["from_state"]) + 1]
    return list(steps.values())


def _step(step: dict[str, object], towards: str) -> StepInfo:
    return StepInfo(
        plugin=str(step["plugin"]),
        instance=str(step["instance"]),
        state=towards,
        outcome=str(step["outcome"]),
        duration_ms=float(str(step["duration_ms"])),
        message=str(step.get("message", "")),
        remedy=str(step.get("remedy", "")),
        records=str(step.get("records", "")),
    )


def published_files(state: Publish, blobs: Blobs) -> list[PublishedFile]:
    """The files of a version that is visible; none before."""
    if not is_visible(state):
        return []
    plan = msgspec.json.decode(blobs.get(Digest(state.plan)))["plan"]
    return [
        PublishedFile(
            path=f"{state.path}/{file['name']}",
            size=file["size"],
            digest=file["digest"],
            representation=file["representation"],
        )
        for file in plan["files"]
    ]
