"""The page behind an invitation link."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from annotator.errors import NotFound


@require_GET
def join(request: HttpRequest, token: str) -> HttpResponse:
    """What the invitation is to."""
    raise NotFound("This invitation link does not exist, was used up, or has been withdrawn.")
