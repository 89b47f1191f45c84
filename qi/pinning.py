"""What a publish is made with, looked up once as of one log position: nothing that changes later touches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qi.contracts.bundles import GetBundle
from qi.contracts.db import FindTask
from qi.contracts.settings import GetSettings
from qi.errors import Invalid
from qi.manifest import Pinned, PinnedAddon
from qi.masking import without_secrets


@dataclass(frozen=True, slots=True)
class Target:
    """What a publish is of, by names."""

    project: str
    entity: str
    task: str
    product: str
    comment: str


def pin(
    ask: Callable[[Any], Any],
    *,
    position: int,
    target: Target,
    bundle: str,
    otherwise: str,
    environment: Mapping[str, str],
    user: str,
    host: str,
    bundle_at: int | None = None,
) -> Pinned:
    """Look up project, bundle and settings as they are at `position`; the bundle as of `bundle_at` where that is given.

    Without a `bundle` it is the one that the entity or its project uses, else `otherwise`, else production.

    Raises :class:`NotFound` for an unknown name and :class:`Invalid` for a bundle that no replay could have again.
    Actor thread.
    """
    found = ask(FindTask(project=target.project, entity=target.entity, task=target.task))
    of_bundle = position if bundle_at is None else bundle_at
    pinned = ask(
        GetBundle(
            bundle=bundle, project=found.project.id, entity=found.entity.id, otherwise=otherwise, at=of_bundle
        )
    )  # fmt: skip
    if pinned.state == "archived":
        raise Invalid(f"bundle '{pinned.name}' is archived", remedy="publish with another one")
    loose = [addon.name for addon in pinned.addons if not addon.digest]
    if loose:
        raise Invalid(
            f"bundle '{pinned.name}' runs {', '.join(loose)} from a folder: nothing could replay such a publish",
            remedy="freeze the bundle first",
        )
    settings = ask(
        GetSettings(bundle=pinned.id, project=target.project, user=user, at=position, bundle_at=of_bundle)
    )
    return Pinned(
        project=found.project.name, project_id=found.project.id, root=found.project.root, fps=found.project.fps,
        entity=found.entity.path, entity_id=found.entity.id, task=found.task.name, task_id=found.task.id,
        product=target.product, comment=target.comment,
        bundle=pinned.name, bundle_id=pinned.id, bundle_digest=pinned.digest,
        addons=tuple(PinnedAddon(name=a.name, version=a.version, digest=a.digest) for a in pinned.addons),
        settings=settings.values, environment={**without_secrets(environment), **pinned.environment}, host=host,
    )  # fmt: skip
