"""The topics of the mesh, read off the message types and the handler tables: nothing here is written by hand."""

from __future__ import annotations

from dataclasses import dataclass

from qi.app.studio import CORE
from qi.messages import TOPICS


@dataclass(frozen=True, slots=True)
class TopicRow:
    topic: str
    subject: str
    actor: str
    needs: str
    reply: str
    about: str


def topics() -> list[TopicRow]:
    """Every request of the core services and of the providers, by topic."""
    served = {endpoint.kind.topic: actor.name for actor in CORE for endpoint in actor.endpoints()}
    rows = []
    for topic, kind in sorted(TOPICS.items()):
        if not kind.__module__.startswith("qi.contracts."):
            continue  # an addon's own
        provider = topic.startswith("provider.")
        subject = f"qi.addon.<bundle>.<addon>.<session>.{topic}" if provider else f"qi.rpc.<session>.{topic}"
        actor = "addon" if provider else "every actor" if topic == "mesh.ping" else served.get(topic, "")
        # A dataclass without a docstring gets its signature as one.
        about = (kind.__doc__ or "").partition("\n")[0]
        about = "" if about.startswith(f"{kind.__name__}(") else about
        rows.append(TopicRow(topic, subject, actor, kind.needs, kind.reply.__name__, about))
    return rows
