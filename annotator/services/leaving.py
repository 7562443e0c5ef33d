"""An annotator leaves for good: every row that hangs on them, and every place in which something about them was written down.

What is deleted is derived from the models: whatever has a foreign key that cascades from the annotator goes with them. What was
written about them elsewhere (audit, outbox, kept answers, reports, files) is named here.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection, models, transaction
from django.db.models import Q, QuerySet
from django.db.models.deletion import Collector
from django.utils import timezone

from annotator.exports.keeping import forget_project
from annotator.imports.batches import delete_uploads
from annotator.models import (
    Annotator,
    AuditEntry,
    Erasure,
    IdempotencyRecord,
    ImportBatch,
    ImportMark,
    JobState,
    Judgment,
    Membership,
    Project,
    QualityReport,
    Role,
    User,
    WebhookMessage,
)
from annotator.services.audit import record

ERASED = "(erased)"
PERSON_KEYS = frozenset({"annotator", "annotators", "member", "people", "user", "who", "email", "ref"})
UNMISTAKABLE = 6
"""A name of so many characters is nothing else."""
QUOTING = ("first_rows", "problems", "rejected_file")
"""What an import's report has from its file."""


def mark_of(annotator: Annotator, salt: str) -> str:
    """By which the same row is known again after a restore, and nobody else: sha256, hex."""
    who = f"{annotator.project_id}:{annotator.pk}:{annotator.ref}:{annotator.created_at.isoformat()}"
    return hashlib.sha256(f"{salt}:{who}".encode()).hexdigest()


def begin_erasure(*, annotator: Annotator, by: User | None, by_themselves: bool, reapplied: bool = False) -> Erasure:
    """The erasure's row, not yet written, with its salt and mark."""
    salt = secrets.token_hex(16)
    return Erasure(
        project_id=annotator.project_id,
        annotator=annotator,
        number=annotator.pk,
        salt=salt,
        mark=mark_of(annotator, salt),
        by=None if by_themselves else by,
        by_themselves=by_themselves,
        reapplied=reapplied,
        judgments=Judgment.objects.filter(annotator=annotator).count(),
    )


def open_door(erasure: Erasure) -> None:
    """Let the triggers delete what the erasure names, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('attune.erasure', %s, true)", [str(erasure.pk)])


def remove_person(*, erasure: Erasure, annotator: Annotator) -> tuple[dict[str, int], set[str]]:
    """Delete them and everything of theirs from the database. Call it in the transaction that wrote the erasure's row.

    Returns how many rows of what, and the digests of texts that went with them, for who keeps vectors of these.
    """
    open_door(erasure)
    digests = _texts_of(annotator)
    counts = _written_elsewhere(annotator)
    removed = annotator.delete()[1]
    for label, count in removed.items():
        counts[str(apps.get_model(label)._meta.verbose_name_plural)] += count  # noqa: SLF001 (Django's documented name)
    counts["judgments"] = erasure.judgments  # Postgres takes them with their leases, before Django counts
    erasure.annotator = None
    project = erasure.project
    assert project is not None
    audit = {} if erasure.by is None else {"judgments": erasure.judgments}
    record(project=project, by=erasure.by, what="annotator erased", erasure=str(erasure.key), **audit)
    number = project.pk
    transaction.on_commit(lambda: forget_project(number))
    return {name: count for name, count in sorted(counts.items()) if count}, digests


def remove_login(*, user: User, by: User | None, erasures: Collection[Erasure]) -> dict[str, int]:
    """Delete the row of a login with all that hangs on it, and what is written elsewhere by its address or name.

    Returns how many rows of what. Call it in a transaction, when no annotator is the login's any more.
    """
    erased_in = [each.project_id for each in erasures]
    projects = list(Project.objects.filter(Q(memberships__user=user) | Q(pk__in=erased_in)).distinct())
    counts: Counter[str] = Counter()
    counts["audit entries scrubbed"] = _scrub_audit(AuditEntry.objects.all(), {user.email})
    here = AuditEntry.objects.filter(project__in=projects)
    counts["audit entries scrubbed"] += _scrub_audit(here, {user.name} - {""})
    counts["sessions"] = _end_sessions(user)
    for label, count in user.delete()[1].items():
        counts[str(apps.get_model(label)._meta.verbose_name_plural)] += count  # noqa: SLF001 (Django's documented name)
    for project in projects:
        record(project=project, by=by, what="member’s login deleted")
    record(project=None, by=by, what="login deleted", erasures=[str(each.key) for each in erasures])
    return {name: count for name, count in sorted(counts.items()) if count}


def _end_sessions(user: User) -> int:
    """Wherever they are signed in."""
    theirs = [
        each.session_key
        for each in Session.objects.iterator()
        if str(each.get_decoded().get(SESSION_KEY, "")) == str(user.pk)
    ]
    return Session.objects.filter(session_key__in=theirs).delete()[0]


def finish_erasure(*, erasure: Erasure) -> None:
    """Nothing in it says who it was any more."""
    erasure.number, erasure.annotator = None, None
    erasure.state, erasure.finished_at, erasure.lease_until = JobState.DONE, timezone.now(), None
    erasure.save()


def _texts_of(annotator: Annotator) -> set[str]:
    """Digests of texts that go with the annotator: of whatever cascades and has one."""
    collector = Collector(using="default", origin=annotator)
    collector.collect([annotator])
    found: set[str] = set()
    rows: list[models.Model] = [each for instances in collector.data.values() for each in instances]
    rows += [each for fast in collector.fast_deletes for each in fast if _is_text(fast.model)]
    for row in rows:
        if _is_text(type(row)):
            found.add(row.digest)  # type: ignore[attr-defined]
    return found


def _is_text(model: type[models.Model]) -> bool:
    names = {field.name for field in model._meta.get_fields()}  # noqa: SLF001 (Django's documented name)
    return {"text", "digest"} <= names


def _written_elsewhere(annotator: Annotator) -> Counter[str]:
    """Scrub what other rows say of them."""
    project, names = annotator.project, _names(annotator)
    counts: Counter[str] = Counter()
    counts["audit entries scrubbed"] = _scrub_audit(AuditEntry.objects.filter(project=project), names)
    told = Q()
    for name in names:
        told |= Q(data__annotator=name)
    counts["webhook messages"] = WebhookMessage.objects.filter(told, webhook__project=project).delete()[0]
    counts["kept answers"] = _kept_answers(annotator)
    counts["quality reports"] = QualityReport.objects.filter(project=project).delete()[0]
    counts["uploads"] = _uploads(project)
    if annotator.user_id:
        left = Membership.objects.filter(project=project, user=annotator.user_id, role=Role.ANNOTATOR)
        counts["memberships"] = left.delete()[0]
    return counts


def _names(annotator: Annotator) -> set[str]:
    user = annotator.user
    given = {annotator.ref, annotator.name, *((user.name, user.email) if user else ())}
    return {each for each in given if each}


def _scrub_audit(entries: QuerySet[AuditEntry], names: Collection[str]) -> int:
    """What happened stays in the log, without who it happened to."""
    changed = 0
    for entry in entries.filter(pk__in=_naming("annotator_auditentry", "about", names)):
        about = scrubbed(entry.about, names)
        if about != entry.about:
            AuditEntry.objects.filter(pk=entry.pk).update(about=about)
            changed += 1
    return changed


def scrubbed(value: Any, names: Collection[str], key: str = "") -> Any:
    """The same with every text that is one of the names replaced, however deep it lies.

    A short name, which may be any word, only where the key says that it is a person.
    """
    if isinstance(value, str):
        return ERASED if value in names and (key in PERSON_KEYS or len(value) >= UNMISTAKABLE) else value
    if isinstance(value, list):
        return [scrubbed(each, names, key) for each in value]
    if isinstance(value, dict):
        return {name: scrubbed(each, names, name) for name, each in value.items()}
    return value


def _naming(table: str, column: str, names: Collection[str]) -> set[int]:
    """Ids of the rows in whose JSON one of the names stands by itself."""
    found: set[int] = set()
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(
                f"SELECT id FROM {table} WHERE jsonb_path_exists({column}, '$.** ? (@ == $name)', %s::jsonb)",
                [json.dumps({"name": name})],
            )
            found.update(pk for (pk,) in cursor.fetchall())
    return found


def _kept_answers(annotator: Annotator) -> int:
    """Answers to retries: their own in this project, and any in it that names them."""
    own = Q(user=annotator.user_id) if annotator.user_id else Q(pk__in=[])
    naming = Q(pk__in=_naming("annotator_idempotencyrecord", "body", [annotator.ref]))
    here = IdempotencyRecord.objects.filter(route__contains=f"/projects/{annotator.project.slug}/")
    return here.filter(own | naming).delete()[0]


def _uploads(project: Project) -> int:
    """Files that were uploaded and still lie there may hold them, as may rows that reports quote; unconfirmed ones end."""
    ImportMark.objects.filter(project=project).delete()  # rejected rows lie there
    batches = ImportBatch.objects.filter(project=project).exclude(state=JobState.RUNNING)
    unread = Q(state=JobState.WAITING, confirmed_at=None)
    batches.filter(unread).update(state=JobState.CANCELLED, finished_at=timezone.now())
    paths: list[str] = []
    for batch in batches:
        paths += [path for path in (batch.path, batch.report.get("rejected_file")) if path]
        report = {name: value for name, value in batch.report.items() if name not in QUOTING}
        ImportBatch.objects.filter(pk=batch.pk).update(report=report, path="")
    transaction.on_commit(lambda: delete_uploads(paths))
    return len(paths)
