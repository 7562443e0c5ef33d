"""Who did what to a project, kept for its owners."""

from __future__ import annotations

from annotator.models import AuditEntry, Project, User


def record(*, project: Project | None, by: User | None, what: str, **about: object) -> AuditEntry:
    """Write one entry; call it in the transaction of the act. Never put a secret into ``about``.

    ``what`` is one of a few plain phrases (``"invite made"``) and ``about`` the particulars, as JSON.
    """
    return AuditEntry.objects.create(project=project, by=by, what=what, about=about)
