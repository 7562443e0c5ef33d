"""One run, live while it works."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.models import JobState, Role
from training import selectors
from training.charts import loss_chart
from training.models import Run
from training.reports import report_on
from training.runs import cancel_run
from training.views.people import person

STOP_POLLING = 286
"""htmx's own status: take this answer and ask no more."""


@require_GET
@login_required
def run(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far it is, what it found, what went wrong."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return render(request, "training/run.html", _context(access, selectors.find_run(access.project, number)))


@require_GET
@login_required
def run_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The part that moves. When the run is over, the whole page is asked for once more, with its results."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = selectors.find_run(access.project, number)
    status = STOP_POLLING if found.over else 200
    response = render(request, "training/_run_live.html", _context(access, found), status=status)
    if found.over:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@login_required
def run_cancel(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Stop it: at once where it waits, at its next sign of life where it works."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = selectors.find_run(project, number)
    cancel_run(run=found, by=person(request))
    if found.state == JobState.RUNNING:
        messages.success(request, _("Run %(number)d will stop within some seconds.") % {"number": number})
    elif found.state != JobState.CANCELLED:
        messages.error(request, _("Run %(number)d was over already.") % {"number": number})
    return redirect("run", project.slug, number)


def _context(access: Access, found: Run) -> dict[str, object]:
    log = selectors.log_of(found)
    version = getattr(found, "version", None)
    return {
        "access": access,
        "project": access.project,
        "section": "models",
        "run": found,
        "version": version,
        "report": report_on(found.metrics) if version else None,
        "progress": selectors.progress_of(found),
        "log": log,
        "chart": loss_chart(log.loss),
        "last_loss": log.loss[-1][1] if log.loss else None,
    }
