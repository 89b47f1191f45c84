"""Settings: effective values, where each comes from, and changing them."""

from actors.settings.service import Settings

__all__ = ["Settings"]
