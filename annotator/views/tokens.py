"""The project's tokens page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.access import project_for
from annotator.models import Role


@require_GET
@login_required
def tokens(request: HttpRequest, slug: str) -> HttpResponse:
    """The project, for its owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER)
    return render(request, "annotator/tokens.html", {"access": access, "project": access.project, "section": "tokens"})
