"""Bundles, pointers and pins: what is pinned, where production and staging point, who uses a bundle of his own."""

from actors.bundles.service import Bundles

__all__ = ["Bundles"]
