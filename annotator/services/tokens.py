"""API tokens: made, replaced and revoked here; only their hash is kept, so the plain text is shown once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import ApiToken, Project, User
from annotator.services.audit import record
from annotator.services.texts import text_problem

PREFIX = "attune_"
MAX_NAME = 120


def issue_token(
    *,
    user: User,
    name: str,
    scopes: Collection[str],
    project: Project | None = None,
    expires: datetime | None = None,
    rate_limit: int | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its plain text. Without ``project`` it reaches all of the user's; ``expires`` None is never.

    ``rate_limit`` is in requests a minute; None is the installation's.

    Raises ``Invalid`` for an empty name, no or unknown scopes, or an expiry that has passed.
    """
    problems = {
        "name": "" if name.strip() else _("A token needs a name."),
        "scopes": _scopes_problem(scopes),
        "expires": _("This is in the past.") if expires and expires <= timezone.now() else "",
    }
    problems["name"] = problems["name"] or text_problem(name, limit=MAX_NAME)
    if fields := {field: problem for field, problem in problems.items() if problem}:
        raise Invalid(" ".join(fields.values()), fields=fields)
    with transaction.atomic():
        token, plain = ApiToken.objects.create(
            user=user,
            expiry=expires - timezone.now() if expires else None,
            prefix=PREFIX,
            name=name.strip(),
            scopes=[scope.value for scope in ApiToken.Scope if scope.value in scopes],
            project=project,
            rate_limit=rate_limit,
        )
        record(project=project, by=user, what="token issued", name=token.name, key=token.token_key, scopes=token.scopes)
    return token, plain


def revoke_token(*, token: ApiToken, by: User) -> None:
    """From now on nobody gets in with it."""
    with transaction.atomic():
        record(project=token.project, by=by, what="token revoked", name=token.name, key=token.token_key)
        token.delete()


def rotate_token(*, token: ApiToken, by: User, overlap: timedelta = timedelta(0)) -> tuple[ApiToken, str]:
    """The same token with a new secret; the old one stops working at once, or after ``overlap``."""
    with transaction.atomic():
        fresh = issue_token(
            user=token.user,
            name=token.name,
            scopes=token.scopes,
            project=token.project,
            expires=token.expiry,
            rate_limit=token.rate_limit,
        )
        if overlap:
            end = timezone.now() + overlap
            token.expiry = min(token.expiry, end) if token.expiry else end
            token.save(update_fields=["expiry"])
            record(project=token.project, by=by, what="token ends", key=token.token_key, at=token.expiry.isoformat())
        else:
            revoke_token(token=token, by=by)
    return fresh


def _scopes_problem(scopes: Collection[str]) -> str:
    if unknown := sorted(set(scopes) - set(ApiToken.Scope.values)):
        return _("“%(unknown)s” is not a scope; there are %(known)s.") % {
            "unknown": unknown[0],
            "known": ", ".join(ApiToken.Scope.values),
        }
    return "" if scopes else _("Choose at least one scope.")
