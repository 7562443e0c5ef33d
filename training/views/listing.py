"""A project's models: which version serves, which there are, and the runs that made them."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.access import project_for
from annotator.models import Role


@require_GET
@login_required
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """Versions and runs, for owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return render(request, "training/models.html", {"access": access, "project": access.project, "section": "models"})
