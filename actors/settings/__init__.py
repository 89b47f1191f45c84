"""Settings: see :mod:`actors.settings.service`."""

from actors.settings.service import Settings

__all__ = ["Settings"]
