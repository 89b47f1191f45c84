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
    """Every request of the core services, of the providers and of desktops, by topic."""
    served = {endpoint.kind.topic: actor.name for actor in CORE for endpoint in actor.endpoints()}
    rows = []
    for topic, kind in sorted(TOPICS.items()):
        if not kind.__module__.startswith("qi.contracts."):
            continue  # an addon's own
        subject, actor = f"qi.rpc.<session>.{topic}", served.get(topic, "")
        if topic.startswith("provider."):
            subject, actor = f"qi.addon.<bundle>.<addon>.<session>.{topic}", "addon"
        elif topic.startswith("desktop."):
            subject, actor = f"qi.session.<session>.{topic}", "desktop"
        elif topic == "mesh.ping":
            actor = "every actor"
        # A dataclass without a docstring gets its signature as one.
        about = (kind.__doc__ or "").partition("\n")[0]
        about = "" if about.startswith(f"{kind.__name__}(") else about
        rows.append(TopicRow(topic, subject, actor, kind.needs, kind.reply.__name__, about))
    return rows
