"""Who acts."""

from __future__ import annotations

from django.http import HttpRequest

from annotator.models import User


def person(request: HttpRequest) -> User:
    """The login behind a request that has passed ``login_required``."""
    assert isinstance(request.user, User)
    return request.user
