"""Where the differences of a bundle, a project, its settings file or a user lie, and what they were. Actor thread."""

from __future__ import annotations

from dataclasses import dataclass

from events import bundles, settings
from events.bundle_events import BundleSettingsChanged
from events.bundles import Bundle
from events.catalog import decode_event
from events.decider import Known
from events.record import Event, Position, StreamName
from events.settings import Difference, Scope, SettingsChanged, settings_stream
from events.store import EventReader
from qi.contracts.bundles import BundleInfo
from qi.deciding import known_at
from qi.errors import Invalid

LAYER_OF = {"project": "project", "file": "project file", "user": "user"}
"""What a stream `settings-…` is called after → its layer."""


@dataclass(frozen=True, slots=True)
class Place:
    """One scope that can be changed."""

    layer: str
    stream: StreamName
    target: str
    """Id of the bundle or project, token of the user."""
    name: str
    """What people call it."""

    def scope(self, known: Known) -> Scope:
        """What it says."""
        if self.layer == "bundle":
            bundle = known.get(Bundle, self.stream)
            return bundle.settings if bundle else Scope()
        return known.get(Scope, self.stream) or Scope()

    def below(self, known: Known, bundle: BundleInfo) -> dict[str, Scope]:
        """What the layers below it say. A user's come from every project, so below them lies the bundle alone."""
        if self.layer == "bundle":
            return {}
        of_bundle = known.get(Bundle, bundles.bundle_stream(bundle.id))
        found = {"bundle": of_bundle.settings if of_bundle else Scope()}
        if self.layer == "project file":
            found["project"] = known.get(Scope, settings_stream("project", self.target)) or Scope()
        return found


def place_of_event(event: Event) -> tuple[Place, Difference]:
    """Where a change of settings happened, and the change. Raises :class:`Invalid` for an event that is none."""
    change = decode_event(event) if event.type in KINDS else None
    if not isinstance(change, Difference):
        raise Invalid(f"the event {event.id} is no change of settings, but '{event.type}'")
    token = event.stream.partition("-")[2]
    if isinstance(change, BundleSettingsChanged):
        return Place("bundle", event.stream, token, token), change
    kind, _, target = token.partition("_")
    return Place(LAYER_OF[kind], event.stream, target, target), change


KINDS = (SettingsChanged.event_type, BundleSettingsChanged.event_type)


def scope_at(reader: EventReader, place: Place, position: Position) -> Scope:
    """What a scope said at a log position: the fold of the log up to there."""
    folds = bundles.FOLDS if place.layer == "bundle" else settings.FOLDS
    return place.scope(known_at(reader, folds, position))
