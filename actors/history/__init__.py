"""History: the log as people ask for it."""

from actors.history.service import History

__all__ = ["History"]
