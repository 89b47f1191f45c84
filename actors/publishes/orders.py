"""What a worker is told that takes a publish on. Any thread."""

from __future__ import annotations

from events.publish_state import Publish
from qi.contracts.publish import Remap
from qi.contracts.work import AskedRepair, Work


def work_of(state: Publish) -> Work:
    asked = state.request
    return Work(
        publish=state.id,
        mode=asked.mode,
        state=state.state,
        pinned=asked.pinned,
        sources=asked.sources,
        user=asked.user,
        replay_of=asked.replay_of,
        manifest=state.manifest or asked.manifest,
        plan=state.plan,
        version=state.version,
        steps=dict(state.steps),
        remap=tuple(Remap(old=rule.old, new=rule.new) for rule in state.remap),
        accept_changed=state.accept_changed,
        repairs=tuple(AskedRepair(plugin=one.plugin, instance=one.instance) for one in state.repairs),
    )
