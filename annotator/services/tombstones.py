"""What outlives a database: for each erased annotator a salted hash, in the artifacts storage, where no backup of the database brings
them back unnoticed. No name, no number, no judgment."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from annotator.models import Annotator, Erasure, User
from annotator.services.leaving import mark_of

FOLDER = "tombstones"
LOGINS = "tombstones/logins"


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


def put_login_tombstone(user: User) -> str:
    """Keep one of a login; its key. Raises ``OSError`` where the storage does not take it."""
    key, salt = uuid.uuid4().hex, secrets.token_hex(16)
    body = {"salt": salt, "mark": _mark_of_login(user, salt)}
    storages["artifacts"].save(f"{LOGINS}/{key}.json", ContentFile(json.dumps(body).encode()))
    return key


def drop_login_tombstone(key: str) -> None:
    """Of a deletion that came to nothing."""
    storages["artifacts"].delete(f"{LOGINS}/{key}.json")


def logins_come_back() -> list[User]:
    """Logins that were deleted before and are in the database."""
    storage = storages["artifacts"]
    try:
        names = storage.listdir(LOGINS)[1]
    except FileNotFoundError:
        return []
    kept = []
    for name in names:
        with storage.open(f"{LOGINS}/{name}") as file:
            kept.append(json.loads(file.read()))
    users = User.objects.order_by("pk").iterator() if kept else iter(())
    return [user for user in users if any(_mark_of_login(user, each["salt"]) == each["mark"] for each in kept)]


def _mark_of_login(user: User, salt: str) -> str:
    who = f"login:{user.pk}:{user.email}:{user.date_joined.isoformat()}"
    return hashlib.sha256(f"{salt}:{who}".encode()).hexdigest()
