"""One prompt, what several policies answer, and who would like which answer best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError, Forbidden, Invalid
from annotator.models import Annotator, Project, Role
from personalization.describing import reader_words
from personalization.directing import REWARD_ALONE, directed, weights_of
from personalization.playground import MOST_PEOPLE
from personalization.policy_ranking import rank_replies
from training.models import PolicyTrial, PolicyVersion, Scope
from training.policy_selectors import policies_of
from training.policy_trials import (
    MOST_CHARACTERS,
    MOST_POLICIES,
    MOST_TOKENS,
    cancel_trial,
    find_trial,
    repeat_trial,
    replies_of,
    start_trial,
)
from training.views.numbers import number_of
from training.views.people import person

POLICIES_LISTED = 100
PEOPLE_LISTED = 500
FIRST_PERSONAL = 2
TEMPERATURES = (("0", "0"), ("0.7", "0.7"), ("1", "1"), ("1.3", "1.3"))


@dataclass(slots=True)
class Entered:
    """What the form holds; ``policies`` are numbers."""

    prompt: str = ""
    policies: list[int] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    reader: str = ""
    temperature: str = "1"
    most_tokens: str = "256"


@require_http_methods(["GET", "POST"])
@login_required
def policy_playground(request: HttpRequest, slug: str) -> HttpResponse:
    """For owners and viewers. A POST puts the prompt to the policies and goes to the trial's page."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    versions = _offered(access.project)
    if request.method == "GET":
        return render(request, "personalization/policy_playground.html", _context(access, _first(request, versions)))
    entered = _posted(request)
    try:
        trial = _start(request, access, entered, versions)
    except AnnotatorError as error:
        context = _context(access, entered) | {"error": error}
        return render(request, "personalization/policy_playground.html", context, status=error.status)
    return redirect("policy_trial", access.project.slug, trial.pk)


@require_GET
@login_required
def policy_trial(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What the policies say, and the form again."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    trial = find_trial(access.project, pk)
    context = _trial_context(request, access, trial)
    numbers = [reply.version.number for _, reply in context["ranked"].lettered if reply.version]
    entered = Entered(
        trial.prompt,
        numbers,
        trial.people,
        trial.reader.ref if trial.reader else "",
        f"{trial.temperature:g}",
        str(trial.most_tokens),
    )
    return render(request, "personalization/policy_playground.html", _context(access, entered) | context)


@require_GET
@login_required
def policy_trial_live(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The part that moves; once the trial is over it asks no more."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    context = _trial_context(request, access, find_trial(access.project, pk))
    return render(request, "personalization/_policy_trial.html", context)


@require_POST
@login_required
def policy_trial_stop(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Stop it. For who started it, and for owners."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    trial = find_trial(access.project, pk)
    if not access.owns and trial.by_id != request.user.pk:
        raise Forbidden(_("Only an owner can stop what somebody else has started."))
    cancel_trial(trial=trial)
    return redirect("policy_trial", access.project.slug, pk)


@require_POST
@login_required
def policy_trial_steer(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Order the answers by the sliders, or put the same prompt to the same policies once more, with the direction in it."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    trial = find_trial(access.project, pk)
    weights = weights_of(request.POST)
    if request.POST.get("act") == "speak":
        try:
            direction = weights if any(weights) else REWARD_ALONE
            trial = repeat_trial(trial=trial, direction=direction, by=person(request))
        except AnnotatorError as error:
            messages.error(request, str(error))
    where = reverse("policy_trial", args=[slug, trial.pk])
    sliders = urlencode({f"d{number}": weight for number, weight in enumerate(weights)})
    return redirect(f"{where}?{sliders}#direction" if any(weights) else f"{where}#direction")


def _start(request: HttpRequest, access: Access, entered: Entered, versions: list[PolicyVersion]) -> PolicyTrial:
    """Those whose policies answer judge too, after the people who were named. Raises ``Invalid`` and ``NotFound``."""
    chosen = [each.annotator.ref for each in versions if each.number in entered.policies and each.annotator]
    people = list(dict.fromkeys([*entered.people, *chosen]))[:MOST_PEOPLE]
    reader = _reader(access.project, entered, versions)
    known = set(Annotator.objects.filter(project=access.project, ref__in=people).values_list("ref", flat=True))
    if unknown := next((ref for ref in people if ref not in known), None):
        raise _nobody(unknown, "people")
    return start_trial(
        project=access.project,
        by=person(request),
        prompt=entered.prompt,
        policies=entered.policies,
        people=people,
        reader=reader,
        reader_words=reader_words(reader) if reader else "",
        temperature=number_of(entered.temperature, "temperature"),
        most_tokens=round(number_of(entered.most_tokens, "most_tokens")),
    )


def _reader(project: Project, entered: Entered, versions: list[PolicyVersion]) -> Annotator | None:
    """Whose judgments the policies that read some are shown: who is named, or else whose such a policy is; None where none reads."""
    reading = [each for each in versions if each.number in entered.policies and each.reads_judgments]
    if not reading:
        return None
    if not entered.reader:
        return next((each.annotator for each in reading if each.annotator), None)
    found = Annotator.objects.filter(project=project, ref=entered.reader).first()
    if found is None:
        raise _nobody(entered.reader, "reader")
    return found


def _nobody(ref: str, name: str) -> Invalid:
    problem = _("There is no annotator “%(ref)s” in this project.") % {"ref": ref}
    return Invalid(problem, fields={name: problem})


def _posted(request: HttpRequest) -> Entered:
    numbers = [int(each) for each in request.POST.getlist("policy") if each.isdecimal() and len(each) < 10]
    people = [ref.strip() for ref in request.POST.getlist("person") if ref.strip() and "\0" not in ref]
    return Entered(
        request.POST.get("prompt", "").replace("\r\n", "\n"),
        numbers,
        list(dict.fromkeys(people))[:MOST_PEOPLE],
        request.POST.get("reader", "").strip().replace("\0", ""),
        request.POST.get("temperature", "1"),
        request.POST.get("most_tokens", "256"),
    )


def _first(request: HttpRequest, versions: list[PolicyVersion]) -> Entered:
    """The policy asked for, everyone's, and the newest of persons or groups; a prompt of the project."""
    asked = [each for each in versions if str(each.number) in request.GET.getlist("policy")]
    everyone = [each for each in versions if each.scope == Scope.EVERYONE][:1]
    others = [each for each in versions if each.scope != Scope.EVERYONE][:FIRST_PERSONAL]
    numbers = list(dict.fromkeys(each.number for each in [*asked, *everyone, *others]))[:MOST_POLICIES]
    project = versions[0].project if versions else None
    prompt = project.prompts.order_by("pk").values_list("text", flat=True).first() if project else ""
    return Entered(request.GET.get("prompt", "")[:MOST_CHARACTERS] or prompt or "", numbers)


def _offered(project: Project) -> list[PolicyVersion]:
    return list(policies_of(project).select_related("project").filter(retired=False)[:POLICIES_LISTED])


def _context(access: Access, entered: Entered) -> dict[str, Any]:
    listed = Annotator.objects.filter(project=access.project).order_by("pk").only("ref", "name", "simulated")
    versions = _offered(access.project)
    return {
        "access": access,
        "project": access.project,
        "section": "policies",
        "entered": entered,
        "versions": versions,
        "some_read": any(each.reads_judgments for each in versions),
        "people": [*entered.people, *[""] * (MOST_PEOPLE - len(entered.people))],
        "listed": listed[:PEOPLE_LISTED],
        "temperatures": TEMPERATURES,
        "most_policies": MOST_POLICIES,
        "most_tokens": MOST_TOKENS,
        "most_characters": MOST_CHARACTERS,
    }


def _trial_context(request: HttpRequest, access: Access, trial: PolicyTrial) -> dict[str, Any]:
    ranked = rank_replies(access=access, trial=trial, replies=replies_of(trial))
    over = sum(reply.over for _, reply in ranked.lettered)
    direction = (
        directed(project=access.project, ranked=ranked, given=request.GET, spoken=trial.direction)
        if trial.over
        else None
    )
    return {
        "access": access,
        "project": access.project,
        "trial": trial,
        "ranked": ranked,
        "answered": over,
        "direction": direction,
    }
