"""Who judges: the annotator row behind a member of a project."""

from __future__ import annotations

import secrets

from django.utils.translation import gettext as _

from annotator.access import Access, project_for
from annotator.errors import Invalid
from annotator.models import Annotator, Aspect, Project, Role, User
from annotator.selectors.rows import columns, instance, width
from annotator.services.aspects import know_aspects
from annotator.services.texts import text_problem
from annotator.statements import Statement


def annotator_of(*, project: Project, user: User) -> Annotator:
    """The user's annotator in the project, made on first need under a pseudonym."""
    annotator, _made = Annotator.objects.get_or_create(
        project=project, user=user, defaults={"ref": f"p-{secrets.token_hex(4)}", "name": user.name}
    )
    annotator.project = project  # already read
    return annotator


_JUDGE = Statement(f"""
SELECT m.role, (
        SELECT COALESCE(json_agg(json_build_array({columns(Aspect, "s")}) ORDER BY s.position, s.id), '[]')
        FROM annotator_aspect s WHERE s.project_id = p.id AND s.retired_at IS NULL),
    {columns(Annotator, "a")}, {columns(Project, "p")} FROM annotator_project p
JOIN annotator_membership m ON m.project_id = p.id AND m.user_id = %(user)s AND m.role IN ('owner', 'annotator')
JOIN annotator_annotator a ON a.project_id = p.id AND a.user_id = %(user)s
WHERE p.slug = %(slug)s
""")


def judge_of(*, user: User, slug: str) -> tuple[Access, Annotator]:
    """The user as one who judges in the project: one query, but for the first time. Raises as ``project_for`` does."""
    found = _JUDGE.run({"user": user.pk, "slug": slug})
    if not found or user.reaches_only is not None:
        access = project_for(user, slug, Role.OWNER, Role.ANNOTATOR)
        return access, annotator_of(project=access.project, user=user)
    role, aspects, *values = found[0]
    annotator = instance(Annotator, values[: width(Annotator)])
    annotator.project = instance(Project, values[width(Annotator) :])
    know_aspects(annotator.project, [instance(Aspect, each) for each in aspects])
    return Access(annotator.project, Role(role)), annotator


def annotator_by_ref(*, project: Project, ref: str) -> Annotator:
    """The annotator whom the owner calls ``ref``, made on first need. Raises ``Invalid`` for an impossible reference."""
    if problem := text_problem(ref, limit=200) or ("" if ref.strip() else _("This is empty.")):
        raise Invalid(_("annotator: %(problem)s") % {"problem": problem}, fields={"annotator": problem})
    annotator, _made = Annotator.objects.get_or_create(project=project, ref=ref)
    annotator.project = project  # already read
    return annotator
