"""A production tracker in JSON files: one folder a project, one small file a thing."""

from qi_local.tracker.tracker import FileTracker

__all__ = ["FileTracker"]
