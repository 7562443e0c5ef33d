"""A project's models: which version serves, which there are, the runs that made them, and the way to a new one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.errors import AnnotatorError
from annotator.models import Role
from annotator.setup_form import REWARD_MODELS
from attune import rewards
from training import registry, selectors
from training.models import ModelVersion, Run
from training.options import options_from_text, settings_shown
from training.reports import report_on
from training.runs import ACTIVE, start_run
from training.snapshot_selectors import find_snapshot
from training.sweeping import FIRST_MODEL_AT
from training.views.people import person


@require_GET
@login_required
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """Versions and runs, for owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    project = access.project
    versions, runs = list(selectors.versions_of(project)), list(selectors.runs_of(project))
    live = next((each for each in versions if each.state == ModelVersion.State.LIVE), None)
    context = {
        "access": access,
        "project": project,
        "section": "models",
        "rows": [(version, report_on(version.metrics)) for version in versions],
        "runs": runs,
        "active": next((each for each in runs if each.state in ACTIVE), None),
        "live": live,
        "report": report_on(live.metrics) if live else None,
        "history": list(selectors.history_of(project)),
        "earlier": registry.earlier_version(project) if live else None,
        "model_choices": {name: REWARD_MODELS.get(name, name) for name in rewards.names()},
        "model_settings": settings_shown(),
        "doubtful_choices": Run.Doubtful.choices,
        "doubts": selectors.doubts_of(project)[0],
        "decided": None if runs else selectors.decided_judgments(project),
        "first_model_at": FIRST_MODEL_AT,
    }
    return render(request, "training/models.html", context)


@require_GET
@login_required
def doubts(request: HttpRequest, slug: str) -> HttpResponse:
    """Judgments that look mislabelled, for owners and viewers: what was said, and what the models would have said."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    run, found = selectors.doubts_of(access.project)
    context = {"access": access, "project": access.project, "section": "models", "run": run, "doubts": found}
    return render(request, "training/doubts.html", context)


@require_GET
@login_required
def models_card(request: HttpRequest, slug: str) -> HttpResponse:
    """What the live version reaches, in two sentences, as a part of the project's overview."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    live = selectors.versions_of(access.project).filter(state=ModelVersion.State.LIVE).first()
    context = {"project": access.project, "live": live, "report": report_on(live.metrics) if live else None}
    return render(request, "training/_card.html", context)


@require_POST
@login_required
def train(request: HttpRequest, slug: str) -> HttpResponse:
    """Start a run and go to its page."""
    project = project_for(request.user, slug, Role.OWNER).project
    try:
        run = start_run(
            project=project,
            by=person(request),
            model_name=request.POST.get("model") or None,
            promote_when_done=request.POST.get("promote") == "on",
            options=options_from_text(request.POST.get("options", "")),
            doubtful=request.POST.get("doubtful") or Run.Doubtful.KEEP,
            snapshot=find_snapshot(project, frozen) if (frozen := request.POST.get("snapshot")) else None,
        )
    except AnnotatorError as error:
        messages.error(request, str(error))
        return redirect("models", project.slug)
    return redirect("run", project.slug, run.number)


@require_POST
@login_required
def roll_back(request: HttpRequest, slug: str) -> HttpResponse:
    """Serve the version again that the present one replaced."""
    project = project_for(request.user, slug, Role.OWNER).project
    try:
        done = registry.roll_back(project=project, by=person(request), reason=request.POST.get("reason", "")[:200])
    except AnnotatorError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("%(label)s serves again.") % {"label": done.version})
    return redirect("models", project.slug)
