"""One project of the tracker in files: versions with their representations, notes, links. One thread at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from events.ids import new_id
from events.names import check_name, fold_name
from events.record import now
from qi.codec import as_json
from qi.contracts.tracker import PAGE_ITEMS, Link, Note, Page, Representation, Version
from qi.errors import Conflict, Invalid
from qi_local.tracker.shelves import ENTITIES, LINKS, NOTES, PRODUCTS, TASKS, VERSIONS, Registered, Room

APPROVALS = ("pending", "approved", "rejected")
LINK_TYPES = ("reference", "generative")


class Versions(Room):
    """The part of a :class:`qi.contracts.tracker.ProjectTracker` that begins with the version."""

    def versions(self, *, product: str | None = None, after: str = "", limit: int = PAGE_ITEMS) -> Page[Version]:
        found = self._page(VERSIONS, product, lambda registered: True, after, limit)
        return Page(tuple(registered.version for registered in found.items), found.next)

    def version(self, version_id: str) -> Version:
        return self._get(VERSIONS, version_id, "version").version

    def last_number(self, product: str) -> int:
        self._get(PRODUCTS, product, "product")
        there = self._folder.read(VERSIONS).children(product)
        return max((registered.version.number for registered in there), default=0)

    def register(self, version: Version, representations: Sequence[Representation]) -> Version:
        made = _checked(version, representations)
        with self._writing():
            self._get(PRODUCTS, version.product, "product")
            if version.task:
                self._get(TASKS, version.task, "task")
            things = self._folder.read(VERSIONS)
            known = things.by_id.get(made.version.id)
            if known is not None:
                if _content(known) != _content(made):
                    raise Conflict(
                        f"another version was registered under the key '{version.key}'",
                        key=version.key,
                        version=known.version.id,
                    )
                return known.version
            taken = things.at(VERSIONS.place(made))
            if taken is not None:
                raise Conflict(f"version {version.number} is there already", version=taken.version.id)
            return self._folder.write(VERSIONS, made)[0].version

    def change_version(self, version_id: str, *, status: str = "", approval: str = "") -> Version:
        if approval not in ("", *APPROVALS):
            raise Invalid(f"'{approval}' is no approval", fields={"approval": f"is one of {', '.join(APPROVALS)}"})
        with self._writing():
            there = self._get(VERSIONS, version_id, "version")
            old = there.version
            changed = replace(old, status=status or old.status, approval=approval or old.approval)
            return self._folder.write(VERSIONS, replace(there, version=changed))[0].version

    def representations(self, version: str) -> tuple[Representation, ...]:
        return self._get(VERSIONS, version, "version").representations

    def notes(self, target: str, *, after: str = "", limit: int = PAGE_ITEMS) -> Page[Note]:
        self._check_target(target)
        return self._page(NOTES, target, lambda note: True, after, limit)

    def add_note(self, note: Note) -> Note:
        if not note.text.strip():
            raise Invalid("a note says something", fields={"text": "is empty"})
        with self._writing():
            self._check_target(note.target)
            return self._folder.write(NOTES, replace(note, id=new_id(), created_at=note.created_at or now()))[0]

    def links(self, version: str) -> tuple[Link, ...]:
        self._get(VERSIONS, version, "version")
        there = self._folder.read(LINKS).by_id.values()
        return tuple(sorted((k for k in there if version in (k.input, k.output)), key=lambda k: k.id))

    def add_link(self, link: Link) -> Link:
        if link.type not in LINK_TYPES:
            raise Invalid(f"'{link.type}' is no kind of link", fields={"type": f"is one of {', '.join(LINK_TYPES)}"})
        with self._writing():
            for version in (link.input, link.output):
                self._get(VERSIONS, version, "version")
            there = self._folder.read(LINKS).at(LINKS.place(link))
            if there is not None:
                return there
            if link.output in self._all_inputs(link.input):
                raise Invalid("a version cannot go into itself", input=link.input, output=link.output)
            return self._folder.write(LINKS, replace(link, id=new_id()))[0]

    def _all_inputs(self, version: str) -> set[str]:
        """The version, what went into it, what went into that, and so on."""
        things, seen, ahead = self._folder.read(LINKS), {version}, [version]
        while ahead:
            fresh = {link.input for link in things.children(ahead.pop())} - seen
            seen |= fresh
            ahead += fresh
        return seen

    def _check_target(self, id_: str) -> None:
        if id_ not in self._folder.read(ENTITIES).by_id:
            self._get(VERSIONS, id_, "entity or version")


def _checked(version: Version, representations: Sequence[Representation]) -> Registered:
    """What is to be kept. The id comes from the key, so one key is one version by construction."""
    if version.number < 1 or not version.key:
        raise Invalid("a version has a number from 1 and a key", fields={"number": "or key is missing"})
    names = [fold_name(check_name(one.name)) for one in representations]
    if len(set(names)) < len(names):
        raise Invalid("two representations of a version have one name", fields={"representations": "are not unique"})
    id_ = hashlib.sha256(version.key.encode()).hexdigest()[:32]
    made = replace(version, id=id_, status="new", approval="pending", created_at=version.created_at or now())
    kept = (replace(one, version=id_, id=f"{id_}_{n}") for n, one in enumerate(representations))
    return Registered(version=made, representations=tuple(sorted(kept, key=lambda one: fold_name(one.name))))


def _content(registered: Registered) -> str:
    """What may not differ between two registrations under one key."""
    v = registered.version
    files = [(one.name, one.folder, one.files, one.metadata) for one in registered.representations]
    content = (v.product, v.number, v.publish, v.task, v.author, v.comment, files)
    return json.dumps(content, default=as_json, sort_keys=True)
