"""Who judges: the annotator row behind a member of a project."""

from __future__ import annotations

import secrets

from annotator.models import Annotator, Project, User


def annotator_of(*, project: Project, user: User) -> Annotator:
    """The user's annotator in the project, made on first need under a pseudonym."""
    annotator, _ = Annotator.objects.get_or_create(
        project=project, user=user, defaults={"ref": f"p-{secrets.token_hex(4)}", "name": user.name}
    )
    annotator.project = project  # already read
    return annotator
