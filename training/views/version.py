"""One version beside the live one: may it be promoted?"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.errors import AnnotatorError
from annotator.models import Role
from training import registry, selectors
from training.models import ModelVersion
from training.promotion import worse_than
from training.reports import report_on
from training.views.people import person


@require_GET
@login_required
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Its figures, what they mean, and what it was made of."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = selectors.find_version(access.project, number)
    live = access.project.versions.filter(state=ModelVersion.State.LIVE).exclude(pk=found.pk).first()
    context = {
        "access": access,
        "project": access.project,
        "section": "models",
        "version": found,
        "run": found.run,
        "snapshot": found.run.snapshot,
        "live": live,
        "report": report_on(found.metrics, live.metrics if live else None),
        "worse": worse_than(live.label, live.metrics, found.metrics) if live else "",
        "earlier": registry.earlier_version(access.project) if found.state == ModelVersion.State.LIVE else None,
        "history": found.promotions.select_related("previous", "by"),
    }
    return render(request, "training/version.html", context)


@require_POST
@login_required
def version_promote(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make it the version that serves."""
    return _act(request, slug, number, registry.promote, _("%(label)s serves now."))


@require_POST
@login_required
def version_retire(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Withdraw it for good."""
    return _act(request, slug, number, registry.retire, _("%(label)s is retired and serves nobody."))


def _act(request: HttpRequest, slug: str, number: int, act: Callable[..., object], done: str) -> HttpResponse:
    project = project_for(request.user, slug, Role.OWNER).project
    found = selectors.find_version(project, number)
    try:
        act(version=found, by=person(request), reason=request.POST.get("reason", "").strip()[:200])
    except AnnotatorError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done % {"label": found.label})
    return redirect("version", project.slug, number)
