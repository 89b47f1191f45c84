"""The log files of the studio's programs."""

from actors.logs.service import LogFiles

__all__ = ["LogFiles"]
