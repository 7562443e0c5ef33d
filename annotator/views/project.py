"""The project's project page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.access import project_for
from annotator.models import Role


@require_GET
@login_required
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """The project, for its owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return render(request, "annotator/project.html", {"access": access, "project": access.project, "section": "overview"})


@require_GET
@login_required
def project_new(request: HttpRequest) -> HttpResponse:
    """The form for a new project."""
    return render(request, "annotator/project_new.html")
