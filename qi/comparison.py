"""What differs between two runs of a publish, and why: instances, steps and outputs against what they were made with.

Paths of a run's own scratch folder, times and ids differ by nature and are left out. Pure; any thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qi.contracts.compare import Cause, Comparison, Difference
from qi.contracts.publish import StepInfo
from qi.manifest import Manifest, Pinned

SHOWN_MOST = 300
VALUE_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Ran:
    """One run, as far as it came."""

    publish: str
    scratch: str
    """Its scratch folder."""
    pinned: Pinned
    manifest: Manifest | None
    """None when it collected nothing."""
    steps: tuple[StepInfo, ...]
    outputs: Mapping[str, str]
    """File name → digest, of what the extractors left."""
    trees: Mapping[str, Mapping[str, str]]
    """Name of an addon, or path of a plugin folder → file → digest."""


def compare(first: Ran, second: Ran) -> Comparison:
    differences = [*_instances(first, second), *_steps(first, second), *_outputs(first, second)]
    causes = list(_causes(first, second))
    return Comparison(
        first=first.publish,
        second=second.publish,
        same=not differences,
        differences=tuple(differences[:SHOWN_MOST]),
        causes=tuple(causes[:SHOWN_MOST]),
        cut=max(len(differences), len(causes)) > SHOWN_MOST,
    )


def _instances(first: Ran, second: Ran) -> Iterator[Difference]:
    for name, was, now in _changed(_instance_data(first), _instance_data(second)):
        yield Difference(what="instance", name=name, was=was, now=now)


def _steps(first: Ran, second: Ran) -> Iterator[Difference]:
    def outcomes(ran: Ran) -> dict[str, Any]:
        return {
            f"{step.plugin}:{step.instance}" if step.instance else step.plugin: [step.outcome, step.message]
            for step in ran.steps
            if step.outcome != "started"
        }

    for name, was, now in _changed(outcomes(first), outcomes(second)):
        yield Difference(what="step", name=name, was=was, now=now)


def _outputs(first: Ran, second: Ran) -> Iterator[Difference]:
    for name, was, now in _changed(first.outputs, second.outputs):
        yield Difference(what="output", name=name, was=was, now=now)


def _causes(first: Ran, second: Ran) -> Iterator[Cause]:
    one, other = first.pinned, second.pinned
    if one.bundle_digest != other.bundle_digest:
        yield Cause(
            what="bundle",
            name=other.bundle,
            was=f"{one.bundle} {one.bundle_digest[:12]}",
            now=f"{other.bundle} {other.bundle_digest[:12]}",
        )
    addons = [{addon.name: f"{addon.version} {addon.digest[:12]}" for addon in side.addons} for side in (one, other)]
    for name, was, now in _changed(*addons):
        yield Cause(what="addon", name=name, was=was, now=now)
    for name, was, now in _changed(_flat(one.settings), _flat(other.settings)):
        yield Cause(what="setting", name=name, was=was, now=now)
    for name, was, now in _changed(_files(first), _files(second)):
        yield Cause(what="plugin", name=name, was=was, now=now)
    for name, was, now in _changed(_inputs(first), _inputs(second)):
        yield Cause(what="input", name=name, was=was, now=now)
    # Last: shells differ in much that matters to nobody.
    for name, was, now in _changed(one.environment, other.environment):
        yield Cause(what="environment", name=name, was=was, now=now)


def _instance_data(ran: Ran) -> dict[str, Any]:
    """Every instance's data, flattened to dotted names, without the run's own folder in it."""
    if ran.manifest is None:
        return {}
    data = {instance.name: {"family": instance.family, **instance.data} for instance in ran.manifest.instances}
    text = json.dumps(data, ensure_ascii=False).replace(json.dumps(ran.scratch)[1:-1], "{staging}")
    return _flat(json.loads(text))


def _inputs(ran: Ran) -> dict[str, str]:
    return {file.path: file.digest for file in ran.manifest.inputs} if ran.manifest else {}


def _files(ran: Ran) -> dict[str, str]:
    return {f"{tree}/{file}": digest for tree, files in ran.trees.items() for file, digest in files.items()}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in sorted(was.keys() | now.keys()):
        if name not in was or name not in now or was[name] != now[name]:
            yield name, _text(was, name), _text(now, name)


def _text(side: Mapping[str, Any], name: str) -> str:
    if name not in side:
        return ""
    value = side[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_LONGEST else text[: VALUE_LONGEST - 1] + "…"
