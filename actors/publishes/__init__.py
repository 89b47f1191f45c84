"""Publishes: pins them, starts their workers, records what they report, replays them, finishes them after a crash."""

from actors.publishes.service import Publishes

__all__ = ["Publishes"]
