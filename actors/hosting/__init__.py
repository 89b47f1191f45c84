"""Hosting: which addon of which bundle runs, where, and how it fares."""

from actors.hosting.hosting import Hosting, providers
from actors.hosting.service import Host

__all__ = ["Host", "Hosting", "providers"]
