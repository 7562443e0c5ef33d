"""Reads of a project's people and of what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotator.models import Annotator, AuditEntry, Invite, Judgment, Membership, Project, Role

AUDIT_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Headcount:
    """Who judges: people with an account here, people known from files and the API, and simulated ones."""

    here: int
    elsewhere: int
    simulated: int


@dataclass(frozen=True, slots=True)
class Done:
    """One audit entry as a line: when, who, what, and its particulars."""

    at: datetime
    by: str
    what: str
    particulars: str


def members_of(project: Project) -> list[Membership]:
    """Members with their users: owners, viewers, annotators, each by name."""
    order = [Role.OWNER, Role.VIEWER, Role.ANNOTATOR]
    rows = project.memberships.select_related("user")
    return sorted(rows, key=lambda row: (order.index(Role(row.role)), str(row.user).casefold()))


def headcount(project: Project) -> Headcount:
    """How many annotators of each sort."""
    counts = project.annotators.aggregate(
        n_here=Count("pk", filter=Q(simulated=False, user__isnull=False)),
        n_elsewhere=Count("pk", filter=Q(simulated=False, user__isnull=True)),
        n_simulated=Count("pk", filter=Q(simulated=True)),
    )
    return Headcount(counts["n_here"], counts["n_elsewhere"], counts["n_simulated"])


def annotators_of(project: Project, query: str = "") -> QuerySet[Annotator]:
    """Annotators with ``judgments`` and ``last_judged``; people with an account first, simulated ones last."""
    current = Judgment.objects.filter(annotator=OuterRef("pk"), current=True, withdrawn=False).order_by()
    rows = project.annotators.select_related("user", "quality").order_by("simulated", "user", "id")
    if query := query.strip()[:100].replace("\x00", ""):
        rows = rows.filter(Q(name__icontains=query) | Q(ref__icontains=query))
    return rows.annotate(
        judgments_n=Coalesce(
            Subquery(current.values("annotator").annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0
        ),
        last_judged=Subquery(current.values("annotator").annotate(at=Max("judged_at")).values("at")),
    )


def open_invites(project: Project) -> QuerySet[Invite]:
    """Links that still work, newest first."""
    return project.invites.filter(revoked_at=None, expires_at__gt=timezone.now(), uses__lt=F("max_uses"))


def audit_of(project: Project) -> list[Done]:
    """The latest acts on the project, newest first."""
    rows = AuditEntry.objects.filter(project=project).select_related("by")[:AUDIT_SHOWN]
    return [Done(row.at, str(row.by) if row.by else "—", row.what, _particulars(row.about)) for row in rows]


def _particulars(about: dict[str, Any]) -> str:
    """``overlap 3 → 4 · instructions``: what changed with its values, then what is only named."""
    changes = about.get("values", {})
    parts = [f"{_plain(name)} {_said(before)} → {_said(after)}" for name, (before, after) in changes.items()]
    parts += [_plain(name) for name in about.get("fields", []) if name not in changes]
    rest = {key: value for key, value in about.items() if key not in ("values", "fields")}
    return " · ".join([*parts, *(f"{_plain(key)} {_said(value)}" for key, value in rest.items())])


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(str(each)) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
