"""What the broker lets one connection do: the subjects of exactly one session. Default deny. Pure; any thread.

Services check every request again. What stands here also holds against a program that does not use Qi's code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from qi.messages import PUBLIC, STUDIO_ONLY, TOPICS

ALWAYS = ("session.identify", "job.report", "notice.send")
"""What every addon may ask, without declaring it."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Subjects, as patterns."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def of_guest(session: str) -> Rights:
    """Somebody who has not logged in."""
    return Rights(tuple(_asking(session, _topics(()))), (f"_INBOX.{session}.>", f"qi.session.{session}.>"))


def of_session(session: str, kind: str, permissions: Collection[str]) -> Rights:
    """A command line, a desktop, a DCC; or a worker, which tells of the progress of its publish."""
    feeds = "qi.feed.>" if kind == "worker" else f"qi.feed.*.{session}"
    publish = [*_asking(session, _topics(permissions)), f"qi.addon.*.*.{session}.>", feeds]
    subscribe = [f"_INBOX.{session}.>", f"qi.session.{session}.>"]
    if "read" in permissions:
        publish.append("$SRV.>")
        subscribe += ["qi.event.>", "qi.feed.>"]
    return Rights(tuple(publish), tuple(subscribe))


def of_addon(session: str, bundle: str, addon: str, child: str, requests: Iterable[str]) -> Rights:
    """An addon in a process of its own: it serves its own subjects, and asks what it declared."""
    publish = [*_asking(session, {*requests, *_topics(()), *ALWAYS}), "qi.feed.>"]
    subscribe = [
        f"_INBOX.{session}.>",
        f"qi.addon.{bundle}.{addon}.>",
        f"qi.rpc.*.mesh.ping.{child}",
        "qi.event.>",
        "qi.session.*.identity",
        "$SRV.>",
    ]
    return Rights(tuple(publish), tuple(subscribe))


def _topics(permissions: Collection[str]) -> set[str]:
    return {
        topic
        for topic, kind in TOPICS.items()
        if kind.needs == PUBLIC or (kind.needs != STUDIO_ONLY and kind.needs in permissions)
    }


def _asking(session: str, topics: Iterable[str]) -> list[str]:
    return [f"qi.rpc.{session}.{topic}" for topic in sorted(topics)]
