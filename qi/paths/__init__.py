"""Path templates: values to paths, and paths back to values."""

from qi.paths.config import PathConfig, Paths, Platform, entity_path, path_values, this_platform
from qi.paths.template import KEY_TYPES, KeyType, Padding, Template
from qi.paths.values import Values, segment_fault, text_fault

__all__ = [
    "KEY_TYPES",
    "KeyType",
    "Padding",
    "PathConfig",
    "Paths",
    "Platform",
    "Template",
    "Values",
    "entity_path",
    "path_values",
    "segment_fault",
    "text_fault",
    "this_platform",
]
