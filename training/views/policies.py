"""A project's policies: the ones there are, the way to a new one, a run live while it works, what a policy says."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import Annotator, JobState, Project, Role
from attune.policies.settings import METHODS
from attune.policies.tiny import TINY, TINY_BETA, TINY_SOFT_BETA
from training import policy_selectors as selectors
from training.charts import Chart, optimised_chart, policy_charts
from training.models import ModelVersion, PolicyRun, Scope
from training.policy_runs import (
    LEAST_PERSONAL,
    cancel_policy_run,
    continue_policy_run,
    retire_policy,
    start_policy_run,
)
from training.runs import ACTIVE
from training.views.numbers import whole_of
from training.views.people import person
from training.views.run import STOP_POLLING

USUAL_DIRECTIONS = 4
"""Drawn directions of each pair, where a policy is to follow them."""
USUAL_FORETOLD = 1.0
"""Pairs that a reward model foretells, for each judgment; none under directions, where it is not the annotator who prefers."""
SIGMOID_METHODS = frozenset({"dpo", "cdpo", "rdpo", "soft", "degree", "vpo", "listwise"})
"""Those of σ(βΔ), for which the tiny model has a β of its own."""
USUAL_METHOD = "soft"
"""Reads how much better people said that a response is; where nobody said, and nothing was equal, it is ``dpo``."""


@require_GET
@login_required
def policies(request: HttpRequest, slug: str) -> HttpResponse:
    """Versions and runs, for owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    project = access.project
    runs = list(selectors.policy_runs_of(project))
    context = {
        "access": access,
        "project": project,
        "section": "policies",
        "versions": list(selectors.policies_of(project)),
        "runs": runs,
        "active": next((each for each in runs if each.state in ACTIVE), None),
        "methods": METHODS,
        "usual_method": USUAL_METHOD,
        "bases": [TINY, *settings.ATTUNE_POLICY_BASES],
        "annotators": project.annotators.select_related("user"),
        "least_personal": LEAST_PERSONAL,
        "grouped": project.versions.filter(state=ModelVersion.State.LIVE).exists(),
    }
    return render(request, "training/policies.html", context)


@require_POST
@login_required
def policy_train(request: HttpRequest, slug: str) -> HttpResponse:
    """Start a run and go to its page."""
    project = project_for(request.user, slug, Role.OWNER).project
    try:
        run = start_policy_run(project=project, by=person(request), **_asked(request, project))  # type: ignore[arg-type]
    except AnnotatorError as error:
        messages.error(request, str(error))
        return redirect("policies", project.slug)
    return redirect("policy_run", project.slug, run.number)


@require_GET
@login_required
def policy_run(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far it is, what it found, what went wrong."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = selectors.find_policy_run(access.project, number)
    return render(request, "training/policy_run.html", _run_context(access, found))


@require_GET
@login_required
def policy_run_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The part that moves. When the run is over, the whole page is asked for once more."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = selectors.find_policy_run(access.project, number)
    status = STOP_POLLING if found.over else 200
    response = render(request, "training/_policy_run_live.html", _run_context(access, found), status=status)
    if found.over:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@login_required
def policy_run_cancel(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Stop it: at once where it waits, with a checkpoint where it works."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = selectors.find_policy_run(project, number)
    cancel_policy_run(run=found, by=person(request))
    if found.state == JobState.RUNNING:
        messages.success(request, _("Policy run %(number)d writes a checkpoint and stops.") % {"number": number})
    elif found.state != JobState.CANCELLED:
        messages.error(request, _("Policy run %(number)d was over already.") % {"number": number})
    return redirect("policy_run", project.slug, number)


@require_POST
@login_required
def policy_run_continue(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Go on from the last checkpoint."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = selectors.find_policy_run(project, number)
    try:
        continue_policy_run(run=found, by=person(request))
    except AnnotatorError as error:
        messages.error(request, str(error))
    return redirect("policy_run", project.slug, number)


@require_GET
@login_required
def policy(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What it reaches, what it says now and said before, and what it is made of."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = selectors.find_policy(access.project, number)
    context = {
        "access": access,
        "project": access.project,
        "section": "policies",
        "policy": found,
        "run": found.run,
        "metrics": found.metrics,
        "steered": selectors.steered_by(found),
    }
    return render(request, "training/policy.html", context)


@require_POST
@login_required
def policy_retire(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Withdraw it for good."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = selectors.find_policy(project, number)
    retire_policy(version=found, by=person(request), reason=request.POST.get("reason", "").strip()[:200])
    messages.success(request, _("%(label)s is retired and serves nobody.") % {"label": found.label})
    return redirect("policy", project.slug, number)


def _run_context(access: Access, found: PolicyRun) -> dict[str, object]:
    log = selectors.policy_log(found)
    charts: list[tuple[str, Chart]] = policy_charts(log.series)
    return {
        "access": access,
        "project": access.project,
        "section": "policies",
        "run": found,
        "version": getattr(found, "version", None),
        "progress": selectors.policy_progress(found),
        "setup": selectors.policy_setup(found),
        "log": log,
        "charts": charts,
        "diagnosis": selectors.diagnosis_of(found, log),
        "optimised": optimised_chart(log.series),
        "continues": found.state in (JobState.CANCELLED, JobState.FAILED),
    }


def _asked(request: HttpRequest, project: Project) -> dict[str, object]:
    """The form in terms of ``start_policy_run``. Raises ``Invalid`` naming the field."""
    whose, _colon, which = request.POST.get("whose", Scope.EVERYONE).partition(":")
    base, _at, revision = request.POST.get("base", TINY).partition("@")
    chosen: dict[str, object] = {
        "base": base,
        "revision": revision,
        "method": request.POST.get("method", USUAL_METHOD),
        "rationales": request.POST.get("rationales", "off"),
        "profiles": "told" if _ticked(request, "profiles") else "off",
        "foretold": USUAL_FORETOLD if _ticked(request, "foretold") and not _ticked(request, "directions") else 0.0,
        "order": "curriculum" if _ticked(request, "curriculum") else "random",
        "directions": USUAL_DIRECTIONS if _ticked(request, "directions") else 0,
        "maxmin": 0.5 if _ticked(request, "maxmin") else 0.0,
        "epochs": _number(request, "epochs", 3),
    }
    if base == TINY and chosen["method"] in SIGMOID_METHODS:
        chosen["options"] = {"beta": TINY_SOFT_BETA if chosen["method"] == "soft" else TINY_BETA}
    asked: dict[str, object] = {"scope": whose, "chosen": chosen, "groups": _number(request, "groups", 3)}
    if whose == Scope.PROTOTYPE:
        asked["prototype"] = whole_of(which, "whose")
    if whose == Scope.ANNOTATOR:
        asked["annotator"] = Annotator.objects.filter(project=project, pk=whole_of(which, "whose")).first()
    return asked


def _ticked(request: HttpRequest, name: str) -> bool:
    return request.POST.get(name) == "on"


def _number(request: HttpRequest, name: str, default: int) -> int:
    return whole_of(request.POST.get(name) or str(default), name)
