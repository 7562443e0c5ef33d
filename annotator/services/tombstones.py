"""What outlives a database: for each erased annotator a salted hash, in the artifacts storage, where no backup of the database brings
them back unnoticed. No name, no number, no judgment."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from annotator.models import Annotator, Erasure
from annotator.services.leaving import mark_of

FOLDER = "tombstones"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Somebody of a project, known again by ``mark`` with ``salt``."""

    key: str
    project: int
    salt: str
    mark: str


def put_tombstone(erasure: Erasure) -> None:
    """Keep it. Raises ``OSError`` where the storage does not take it; then nothing may be erased."""
    body = {"project": erasure.project_id, "salt": erasure.salt, "mark": erasure.mark}
    storages["artifacts"].save(f"{FOLDER}/{erasure.key}.json", ContentFile(json.dumps(body).encode()))


def drop_tombstone(erasure: Erasure) -> None:
    """Of an erasure that came to nothing."""
    storages["artifacts"].delete(f"{FOLDER}/{erasure.key}.json")


def tombstones() -> Iterator[Tombstone]:
    """All that are kept."""
    storage = storages["artifacts"]
    try:
        names = storage.listdir(FOLDER)[1]
    except FileNotFoundError:
        return
    for name in sorted(names):
        with storage.open(f"{FOLDER}/{name}") as file:
            body = json.loads(file.read())
        yield Tombstone(name.removesuffix(".json"), int(body["project"]), str(body["salt"]), str(body["mark"]))


def come_back() -> list[Annotator]:
    """Annotators who were erased before and are in the database."""
    marks: defaultdict[int, list[Tombstone]] = defaultdict(list)
    for each in tombstones():
        marks[each.project].append(each)
    rows = Annotator.objects.filter(project__in=marks).select_related("project", "user").order_by("pk")
    return [
        annotator
        for annotator in rows.iterator()
        if any(mark_of(annotator, each.salt) == each.mark for each in marks[annotator.project_id])
    ]
