"""Who judges: the annotator row behind a member of a project."""

from __future__ import annotations

import secrets

from django.db.models import OuterRef, Subquery

from annotator.access import Access, project_for
from annotator.errors import Invalid
from annotator.models import Annotator, Membership, Project, Role, User
from annotator.services.texts import text_problem


def annotator_of(*, project: Project, user: User) -> Annotator:
    """The user's annotator in the project, made on first need under a pseudonym."""
    annotator, _ = Annotator.objects.get_or_create(
        project=project, user=user, defaults={"ref": f"p-{secrets.token_hex(4)}", "name": user.name}
    )
    annotator.project = project  # already read
    return annotator


def judge_of(*, user: User, slug: str) -> tuple[Access, Annotator]:
    """The user as one who judges in the project: one query, but for the first time. Raises as ``project_for`` does."""
    role = Membership.objects.filter(project=OuterRef("project"), user=OuterRef("user")).values("role")
    known = Annotator.objects.filter(user=user, project__slug=slug).select_related("project")
    annotator = known.annotate(role=Subquery(role)).first()
    if annotator and annotator.role in (Role.OWNER, Role.ANNOTATOR) and user.reaches_only is None:
        return Access(annotator.project, Role(annotator.role)), annotator
    access = project_for(user, slug, Role.OWNER, Role.ANNOTATOR)
    return access, annotator_of(project=access.project, user=user)


def annotator_by_ref(*, project: Project, ref: str) -> Annotator:
    """The annotator whom the owner calls ``ref``, made on first need. Raises ``Invalid`` for an impossible reference."""
    if problem := text_problem(ref, limit=200) or ("" if ref.strip() else "This is empty."):
        raise Invalid(f"annotator: {problem}", fields={"annotator": problem})
    annotator, _ = Annotator.objects.get_or_create(project=project, ref=ref)
    annotator.project = project  # already read
    return annotator
