"""Ranking responses by what different people would prefer."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.access import project_for
from annotator.models import Role


@require_GET
@login_required
def playground(request: HttpRequest, slug: str) -> HttpResponse:
    """For owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    context = {"access": access, "project": access.project, "section": "playground"}
    return render(request, "personalization/playground.html", context)
