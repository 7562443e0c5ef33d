"""What Attune has learnt about one annotator."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.access import project_for
from annotator.models import Role


@require_GET
@login_required
def me(request: HttpRequest, slug: str) -> HttpResponse:
    """The caller's own profile in a project."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    return render(
        request, "personalization/profile.html", {"access": access, "project": access.project, "section": "me"}
    )
