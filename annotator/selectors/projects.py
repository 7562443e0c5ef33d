"""Reads across projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from annotator.access import Access
from annotator.models import Judgment, Membership, Pair, Role, User


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """A project as the list of one's projects shows it."""

    access: Access
    pairs: int
    judgments: int
    own_judgments: int
    since: datetime


def projects_of(user: User | AnonymousUser) -> list[ProjectCard]:
    """The user's projects by name, with how far they are; archived ones last and for their owners only.

    Constant number of queries.
    """
    if not isinstance(user, User):
        return []
    current = Judgment.objects.filter(project=OuterRef("project"), current=True, withdrawn=False).order_by()
    pairs = Pair.objects.filter(project=OuterRef("project"), withdrawn_at=None).order_by()
    memberships = (
        Membership.objects.filter(Q(project__archived_at=None) | Q(role=Role.OWNER), user=user)
        .select_related("project")
        .order_by(F("project__archived_at").asc(nulls_first=True), "project__name", "project_id")
        .annotate(
            pairs=_count(pairs.values("project")),
            judgments=_count(current.values("project")),
            own=_count(current.filter(annotator__user=user).values("project")),
        )
    )
    return [
        ProjectCard(Access(row.project, Role(row.role)), row.pairs, row.judgments, row.own, row.created_at)
        for row in memberships
    ]


def _count(grouped: object) -> Coalesce:
    counted = grouped.annotate(n=Count("pk")).values("n")  # type: ignore[attr-defined]
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
