"""What a publish keeps of itself: what each plugin logged, and what it was made with."""

from __future__ import annotations

from qi.limits import Token, Whole
from qi.messages import Request, message


@message
class StepLog:
    lines: tuple[str, ...]
    """`LEVEL message`, oldest first, without secrets."""
    more: bool = False
    """Others follow: ask again with an `offset` beyond these."""


@message
class GetStepLog(Request[StepLog], topic="publish.log", needs="read"):
    """What the plugin of a step logged."""

    publish: Token
    """As :class:`~qi.contracts.publish.ShowPublish` takes it."""
    records: Token
    """As the step names them."""
    offset: Whole = 0
    """Lines to pass over."""


@message
class ManifestText:
    text: str
    """A part of the JSON."""
    more: bool = False


@message
class GetManifest(Request[ManifestText], topic="publish.manifest", needs="history.read"):
    """Everything a publish was made with, as a replay will have it: pinned when it was asked for, sealed when it was
    collected."""

    publish: Token
    offset: Whole = 0
    """Characters to pass over."""
