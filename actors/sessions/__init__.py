"""Sessions: who takes part, as which user, and until when."""

from actors.sessions.kept import ADDON_PERMISSIONS, digest_of
from actors.sessions.service import Sessions

__all__ = ["ADDON_PERMISSIONS", "Sessions", "digest_of"]
