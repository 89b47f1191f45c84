"""Integrate: bring the files of a version to their place as one transaction."""

from qi.integrate.copying import digest_file, digest_files
from qi.integrate.plan import MARKER, Place, Plan, PlannedFile
from qi.integrate.transaction import (
    Found,
    Progress,
    State,
    abandon,
    claim,
    commit,
    existing_versions,
    inspect,
    stage,
)

__all__ = [
    "MARKER",
    "Found",
    "Place",
    "Plan",
    "PlannedFile",
    "Progress",
    "State",
    "abandon",
    "claim",
    "commit",
    "digest_file",
    "digest_files",
    "existing_versions",
    "inspect",
    "stage",
]
