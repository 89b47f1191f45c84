"""One publish, stage by stage: from what was asked to a version that is there, registered and followed up.

Each stage states its intent, acts, and reports the outcome; each effect is found by looking (the content store by its
digest, the disk by its marker, the tracker by its key) when a kill came between. Main thread.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from events.blobs import Blobs
from events.canonical import canonical, plain
from events.ids import new_id
from events.publish_events import (
    PublishCollected,
    PublishCommitted,
    PublishExtracted,
    PublishFollowedUp,
    PublishPlanned,
    PublishRegistered,
    PublishReserved,
    PublishStaged,
    PublishSucceeded,
    PublishValidated,
)
from events.publish_steps import has_reached
from events.record import Digest
from qi.bus import Bus
from qi.contracts.db import RegisterVersion
from qi.contracts.work import ReserveNumber, Work
from qi.destination import core_settings, paths_of, place_of, product_folder
from qi.errors import Conflict, Invalid
from qi.home import Home
from qi.integrate import Place, Plan, State, claim, commit, digest_files, existing_versions, inspect, stage
from qi.manifest import Input, InstanceFound, Manifest, Pinned, PluginUsed, load, store
from qi.session.publishing import Listener, Outcome, Run, Step
from qi.worker.hooks import ask_hooks
from qi.worker.inputs import compare, remapped, require, seal
from qi.worker.memory import limit_memory
from qi.worker.planning import Output, outputs_of, plan
from qi.worker.plugins import context_data, lay_out, seal_plugin_path
from qi.worker.reporter import Reporter

log = logging.getLogger("qi.worker")

CLAIM_TRIES = 20
RECORDED_VERSIONS = ("pyblish-base", "openimageio", "av", "qi-pipeline")


class Job:
    """The stages of one publish; :meth:`run` does those that are left."""

    def __init__(self, work: Work, bus: Bus, home: Home, hung: Callable[[str, Step, float], None]) -> None:
        self._work = work
        self._bus = bus
        self._home = home
        self._blobs = Blobs(home.blobs)
        self._pinned = load(self._blobs, Pinned, work.pinned)
        self._settings = core_settings(self._pinned)
        limit_memory(self._settings.publish.memory_gib)
        self.reporter = Reporter(bus, work.publish, self._blobs, home.runs / work.publish)
        """The job's voice: whoever ends it early says so through it."""
        self._scratch = home.runs / work.publish / "scratch"
        self._hung = hung
        self._run: Run | None = None
        self._version = work.version
        self._plan_name = work.plan
        self.reaching = "collected"
        """The state that is being worked towards: where an error belongs."""

    def run(self) -> None:
        """Raises StepsFailed, QiError or OSError; what was reached until then is recorded."""
        made: Plan | None = None
        if has_reached(self._work.state, "planned"):
            made = self._known_plan()
        else:
            self._prepare()
            self._collect()
            self._validate()
            if self._work.mode == "what_if":
                self._extract()
                self.reporter.report(PublishSucceeded())
                return
            place = self._reserve()
            made = self._plan(place, self._extract())
        if self._left("staged"):
            self._stage(made)
        if self._left("committed"):
            commit(made)
            self.reporter.report(PublishCommitted(path=str(made.place.destination)))
        if self._left("registered"):
            self._register(made)
        if self._left("followed_up"):
            self._follow_up(made)
        self._reaching("succeeded")
        self.reporter.report(PublishSucceeded())

    def close(self) -> None:
        """Let go of threads; what was not recorded yet is."""
        if self._run is not None:
            self._run.close()
        self.reporter.close()

    # -- plugins ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._reaching("collected")
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._sealed = load(self._blobs, Manifest, self._work.manifest) if self._work.manifest else None
        self._trees = self._sealed.plugin_trees if self._sealed else seal_plugin_path(self._blobs)
        found = lay_out(self._home, self._blobs, self._pinned, self._trees)
        self._hooks = found.hooks
        # What is planned was allowed, and its steps are told already.
        planned = has_reached(self._work.state, "planned")
        data = self._context_data() if planned else self._asked(self.reporter)
        self._run = Run(
            found.plugins, data, self.reporter,
            timeout_s=self._settings.publish.plugin_timeout_s, hung=self._hung,
        )  # fmt: skip

    def _asked(self, listener: Listener) -> dict[str, Any]:
        """The data that collecting begins with, after the hooks have seen it. Raises StepsFailed."""
        limit_s = self._settings.publish.plugin_timeout_s
        return ask_hooks(self._hooks, self._context_data(), listener, limit_s=limit_s, hung=self._hung)

    def _context_data(self) -> dict[str, Any]:
        work = self._work
        sources = [remapped(source, work.remap) for source in work.sources]
        return context_data(
            self._pinned, publish=work.publish, mode=work.mode, user=work.user, sources=sources, scratch=self._scratch
        )

    @property
    def _runner(self) -> Run:
        assert self._run is not None
        return self._run

    # -- stages -------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        self.reporter.progress("collect", "collecting")
        if self._sealed is not None and not self._work.accept_changed:
            # A collector that misses its files would only say that it found none.
            require(self._sealed.inputs, self._work.remap)
        self._runner.steps("collect", keep_going=False)
        instances = list(self._runner.context)
        if not instances:
            raise Invalid("no plugin found anything to publish in these files", sources=list(self._work.sources))
        inputs = seal(str(file) for instance in instances for file in instance.data.get("inputs", ()))
        accepted = self._work.accept_changed or self._sealed is None
        if self._sealed is not None and not accepted:
            compare(self._sealed.inputs, inputs, self._work.remap)
        if self._sealed is not None and not self._work.accept_changed and not self._work.remap:
            sealed = self._work.manifest
        else:
            sealed = str(store(self._blobs, self._manifest(instances, inputs)))
        self._inputs = {Path(one.path): (one.size, Digest(one.digest)) for one in inputs}
        self.reporter.report(PublishCollected(manifest=sealed))

    def _manifest(self, instances: list[Any], inputs: tuple[Input, ...]) -> Manifest:
        plugins: list[Any] = list(self._runner.plugins)
        return Manifest(
            publish=self._work.publish,
            pinned=self._work.pinned,
            plugin_trees=self._trees,
            plugins=tuple(
                # pyblish names a plugin's module by its file.
                PluginUsed(name=p.__name__, order=float(p.order), file=Path(p.__module__).name)
                for p in plugins
            ),
            instances=tuple(
                InstanceFound(
                    name=str(i.data["name"]), family=str(i.data.get("family", "")),
                    families=tuple(map(str, i.data.get("families", ()))), data=_json_part(i.data),
                )
                for i in instances
            ),
            inputs=inputs,
            user=self._work.user,
            host=platform.node(),
            system=platform.platform(),
            python=platform.python_version(),
            versions=dict(_versions()),
        )  # fmt: skip

    def _validate(self) -> None:
        self._reaching("validated")
        self.reporter.progress("validate", "validating")
        self._runner.repair(self._repairs())
        self._runner.steps("validate", keep_going=True)
        self.reporter.report(PublishValidated())

    def _reserve(self) -> Place:
        """A number, and the folder that goes with it: the number is the log's word, the folder is the disk's."""
        self._reaching("reserved")
        product, taken = product_folder(self._pinned), False
        for _ in range(CLAIM_TRIES):
            known = existing_versions(product)
            number = self._bus.request(
                ReserveNumber(publish=self._work.publish, on_disk=max(known, default=0), taken=taken, command=new_id())
            ).number
            place = place_of(self._pinned, self._work.publish, number)
            try:
                claim(place)
            except Conflict:
                taken = True  # by another studio on this disk, a moment ago
                continue
            self._version = number
            self.reporter.report(
                PublishReserved(version=number, path=str(place.destination), staging=str(place.staging))
            )
            return place
        raise Conflict(f"after {CLAIM_TRIES} tries no version number was free on the disk", remedy="try again later")

    def _extract(self) -> tuple[Output, ...]:
        self._reaching("extracted")
        self._runner.steps("extract", keep_going=False)
        outputs = outputs_of([instance.data for instance in self._runner.context])
        files = sorted({file for output in outputs for file in output.files})
        unknown = [file for file in files if file not in self._inputs]
        self._digests = {**self._inputs, **dict(zip(unknown, digest_files(unknown), strict=True))}
        listing = [[str(file), self._digests[file][0], self._digests[file][1]] for file in files]
        self.reporter.report(PublishExtracted(outputs=str(self._blobs.put(canonical(listing)))))
        return outputs

    def _plan(self, place: Place, outputs: tuple[Output, ...]) -> Plan:
        self._reaching("planned")
        pinned = self._pinned
        values: dict[str, str | int] = {
            "project": pinned.project, "entity": pinned.entity, "task": pinned.task, "product": pinned.product,
            "version": self._version,
        }  # fmt: skip
        made = plan(place, outputs, self._digests, self._scratch, paths_of(pinned), values)
        content = {
            "plan": made.to_json(),
            "version": self._version,
            "metadata": {o.name: _json_part(o.metadata) for o in outputs if o.metadata},
        }
        self._plan_name = str(self._blobs.put(canonical(content)))
        self.reporter.report(PublishPlanned(plan=self._plan_name))
        return made

    def _known_plan(self) -> Plan:
        content = msgspec.json.decode(self._blobs.get(Digest(self._work.plan)))["plan"]
        for file in content["files"]:
            file["source"] = remapped(file["source"], self._work.remap)
        made = Plan.from_json(content)
        # Somebody tidied the claim away: the number is still this publish's. Without the product's folder the disk
        # itself is away, and nothing must be made in its place.
        if inspect(made.place).state is State.NOTHING and made.place.destination.parent.is_dir():
            claim(made.place)
        return made

    def _stage(self, made: Plan) -> None:
        self._reaching("staged")
        stage(
            made, lambda at: self.reporter.progress("stage", at.name, at.size / at.total_size if at.total_size else 1)
        )
        self.reporter.report(PublishStaged(files=len(made.files), size=made.size))
        self._reaching("committed")
        self.reporter.progress("commit", "making the version visible")

    def _register(self, made: Plan) -> None:
        self._reaching("registered")
        self.reporter.progress("register", "telling the tracker")
        pinned = self._pinned
        registered = self._bus.request(
            RegisterVersion(
                project=pinned.project, entity=pinned.entity, task=pinned.task, product=pinned.product,
                number=self._version, path=str(made.place.destination), comment=pinned.comment,
                publish=self._work.publish, key=self._work.publish, plan=self._plan_name, command=new_id(),
            ),
            timeout_s=self._settings.publish.tracker_timeout_s,
        )  # fmt: skip
        self.reporter.report(PublishRegistered(version_id=registered.id, key=self._work.publish))

    def _follow_up(self, made: Plan) -> None:
        """Studio plugins of integrate order, each at most once; a resumed publish collects again for them."""
        self._reaching("followed_up")
        if self._run is None:
            self._prepare()
            if self._runner.has("follow_up"):
                self._run_again_for_follow_ups()
        if self._runner.has("follow_up"):
            self._runner.context.data.update(
                version=self._version,
                version_folder=str(made.place.destination),
                published_files=[str(made.place.destination / file.name) for file in made.files],
            )
            self.reporter.progress("follow_up", "following up")
            self._runner.steps("follow_up", keep_going=False, skip=frozenset(self._done_steps()))
        self.reporter.report(PublishFollowedUp())

    def _run_again_for_follow_ups(self) -> None:
        run = self._runner
        silent = Run(run.plugins, {}, Silent(), timeout_s=self._settings.publish.plugin_timeout_s, hung=self._hung)
        silent.context = run.context
        silent.context.data.update(self._asked(Silent()))
        silent.steps("collect", keep_going=False)
        silent.repair(self._repairs())
        silent.close()

    # -- small things -------------------------------------------------------------------------------------------

    def _left(self, state: str) -> bool:
        self._reaching(state)
        return not has_reached(self._work.state, state)

    def _reaching(self, state: str) -> None:
        self.reaching = state

    def _repairs(self) -> list[tuple[str, str]]:
        return [(one.plugin, one.instance) for one in self._work.repairs]

    def _done_steps(self) -> set[tuple[str, str]]:
        done = set()
        for key in self._work.steps:
            plugin, _, instance = key.partition(":")
            done.add((plugin, instance))
        return done


class Silent:
    """Steps that were recorded when they first ran, and run again only to have the context back."""

    def started(self, stage: str, step: Step) -> None: ...

    def finished(self, stage: str, step: Step, outcome: Outcome) -> None: ...


def _json_part(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of a plugin's data JSON can hold; objects and arrays of other libraries stay in the process."""
    made = {}
    for key, value in data.items():
        try:
            made[str(key)] = plain(value)
        except Invalid:
            log.debug("%s is not recorded: it is a %s", key, type(value).__name__)
    return made


def _versions() -> Iterator[tuple[str, str]]:
    for name in RECORDED_VERSIONS:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            log.debug("%s is not installed", name)
