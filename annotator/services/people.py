"""Who judges: the annotator row behind a member of a project."""

from __future__ import annotations

import secrets

from annotator.errors import Invalid
from annotator.models import Annotator, Project, User
from annotator.services.texts import text_problem


def annotator_of(*, project: Project, user: User) -> Annotator:
    """The user's annotator in the project, made on first need under a pseudonym."""
    annotator, _ = Annotator.objects.get_or_create(
        project=project, user=user, defaults={"ref": f"p-{secrets.token_hex(4)}", "name": user.name}
    )
    annotator.project = project  # already read
    return annotator


def annotator_by_ref(*, project: Project, ref: str) -> Annotator:
    """The annotator whom the owner calls ``ref``, made on first need. Raises ``Invalid`` for an impossible reference."""
    if problem := text_problem(ref, limit=200) or ("" if ref.strip() else "This is empty."):
        raise Invalid(f"annotator: {problem}", fields={"annotator": problem})
    annotator, _ = Annotator.objects.get_or_create(project=project, ref=ref)
    annotator.project = project  # already read
    return annotator
