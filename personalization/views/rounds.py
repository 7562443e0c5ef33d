"""Rounds of policies: what one writes, a look at the pairs before anybody else sees them, who wins, and the next policy."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import JobState, Role
from attune.policies.settings import NASH_METHODS, USUAL_ANCHOR, USUAL_BETA, USUAL_REJECTION_BETA
from personalization.models import PolicyRound
from personalization.rounds.following import why_none_follows
from personalization.rounds.playing import Play, start_self_play
from personalization.rounds.putting import leave_out, put_round, start_next_run
from personalization.rounds.reading import find_round, judged_of, pairs_of, rounds_of, wins_of
from personalization.rounds.starting import (
    MOST_EACH,
    MOST_PAIRS,
    MOST_PROMPTS,
    MOST_TOKENS,
    Asked,
    cancel_round,
    start_round,
)
from training.models import PolicyVersion
from training.policy_selectors import policies_of
from training.serving import live_version
from training.views.numbers import number_of, whole_of
from training.views.people import person
from training.views.run import STOP_POLLING

LISTED = 50
PAIRS_A_PAGE = 20
NUMBERS = {"most_prompts": 50, "count": 4, "most_tokens": 256, "pairs_each": 1, "versus_each": 1}


@require_http_methods(["GET", "POST"])
@login_required
def rounds(request: HttpRequest, slug: str) -> HttpResponse:
    """All rounds with who wins, for owners and viewers. A POST by an owner starts one and goes to its page."""
    if request.method == "GET":
        access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
        return render(request, "personalization/rounds.html", _list_context(access, request.GET))
    access = project_for(request.user, slug, Role.OWNER)
    try:
        put = request.POST.get("put") == "on"
        started = start_round(project=access.project, asked=_asked(request.POST), by=person(request), put_when_done=put)
    except AnnotatorError as error:
        context = _list_context(access, request.POST) | {"error": error}
        return render(request, "personalization/rounds.html", context, status=error.status)
    return redirect("policy_round", slug, started.number)


@require_GET
@login_required
def policy_round(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far it is, what it wrote and paired, what people said of it, and what comes next."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return render(request, "personalization/round.html", _context(request, access, number))


@require_GET
@login_required
def policy_round_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The part that moves. When the job is over, the whole page is asked for once more."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = find_round(access.project, number)
    context = {"access": access, "project": access.project, "round": found}
    response = render(request, "personalization/_round_live.html", context, status=STOP_POLLING if found.over else 200)
    if found.over:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@login_required
def policy_round_stop(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Stop the job; nothing was put to anybody."""
    project = project_for(request.user, slug, Role.OWNER).project
    cancel_round(row=find_round(project, number), by=person(request))
    return redirect("policy_round", slug, number)


@require_POST
@login_required
def policy_round_put(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Put its pairs to annotators; or, before that, leave the ticked ones out."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = find_round(project, number)
    ticked = {int(each) for each in request.POST.getlist("without") if each.isdecimal() and len(each) < 19}
    try:
        if request.POST.get("act") == "leave":
            leave_out(row=found, pairs=ticked)
            return redirect("policy_round", slug, number)
        count = put_round(row=found, by=person(request))
    except AnnotatorError as error:
        messages.error(request, str(error))
    else:
        said = ngettext("%(n)d pair waits for annotators.", "%(n)d pairs wait for annotators.", count)
        messages.success(request, said % {"n": count})
    return redirect("policy_round", slug, number)


@require_POST
@login_required
def policy_round_next(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Train the next policy from people's judgments, or by self-play, and go to its run."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = find_round(project, number)
    try:
        if request.POST.get("from") == "opinions":
            run = start_self_play(row=found, play=_play(request.POST), by=person(request))
        else:
            run = start_next_run(row=found, by=person(request), only_new=request.POST.get("only_new") == "on")
    except AnnotatorError as error:
        messages.error(request, str(error))
        return redirect("policy_round", slug, number)
    return redirect("policy_run", slug, run.number)


def _list_context(access: Access, entered: QueryDict) -> dict[str, Any]:
    project = access.project
    rows = list(rounds_of(project)[:LISTED])
    wins = wins_of(rows)
    versions = list(policies_of(project).filter(retired=False))
    rewarded = live_version(project.pk) is not None
    return {
        "access": access,
        "project": project,
        "section": "policies",
        "rows": [(row, wins.get(row.pk)) for row in rows],
        "versions": versions,
        "entered": _entered(entered, versions, rows, rewarded=rewarded),
        "topics": list(
            project.prompts.exclude(topic="").order_by("topic").values_list("topic", flat=True).distinct()[:200]
        ),
        "methods": PolicyRound.Method.choices,
        "rewarded": rewarded,
        "most": {"prompts": MOST_PROMPTS, "each": MOST_EACH, "tokens": MOST_TOKENS, "pairs": MOST_PAIRS},
    }


def _context(request: HttpRequest, access: Access, number: int) -> dict[str, Any]:
    found = find_round(access.project, number)
    page = Paginator(pairs_of(found), PAIRS_A_PAGE).get_page(request.GET.get("page"))
    judged, judgments = judged_of(found)
    run, why_none = found.next_run, why_none_follows(found)
    may_follow = found.unlearnt and not why_none
    return {
        "access": access,
        "project": access.project,
        "section": "policies",
        "round": found,
        "metrics": found.metrics,
        "wins": wins_of([found]).get(found.pk),
        "page": page,
        "previewed": found.state == JobState.DONE and found.put_at is None,
        "judged": judged,
        "judgments": judgments,
        "next_version": getattr(run, "version", None) if run else None,
        "may_go_on": bool(found.put_at) and may_follow,
        "why_none": why_none if found.unlearnt else "",
        "may_play": found.judge is not None and bool(found.metrics.get("pairs")) and may_follow,
        "nash_methods": NASH_METHODS,
        "usual": {"beta": f"{USUAL_BETA:g}", "anchor": f"{USUAL_ANCHOR:g}"},
    }


def _entered(
    given: QueryDict, versions: list[PolicyVersion], rows: list[PolicyRound], *, rewarded: bool
) -> dict[str, Any]:
    """What the form holds: what was sent, or the newest policy against that of the last round, as it can be started."""
    newest = str(versions[0].number) if versions else ""
    last = next((row.version.number for row in rows if row.version and not row.version.retired), None)
    version = given.get("version", newest)
    opponent = str(last) if last and str(last) != version else ""
    opponent = given.get("opponent", opponent)
    usual = NUMBERS | ({"versus_each": 0} if version == opponent else {})
    method = PolicyRound.Method.BEST_OF_N if rewarded else PolicyRound.Method.ON_POLICY
    return {
        **{name: given.get(name, str(number)) for name, number in usual.items()},
        "version": version,
        "opponent": opponent,
        "topic": given.get("topic", ""),
        "prompts": given.get("prompts", ""),
        "temperatures": given.get("temperatures", "0.7, 1"),
        "method": given.get("method", method),
        "beta": given.get("beta", f"{USUAL_REJECTION_BETA:g}"),
        "put": given.get("put") == "on",
    }


def _asked(given: QueryDict) -> Asked:
    """The form in terms of ``start_round``. Raises ``Invalid`` naming the field."""
    topic, refs = given.get("topic", ""), given.get("prompts", "").replace("\x00", "").split()
    return Asked(
        version=_policy(given, "version"),
        opponent=_policy(given, "opponent"),
        topics=[topic] if topic and "\x00" not in topic else [],
        prompts=refs,
        temperatures=[number_of(each, "temperatures") for each in given.get("temperatures", "").split(",")],
        method=given.get("method", ""),
        beta=number_of(given.get("beta") or f"{USUAL_REJECTION_BETA:g}", "beta"),
        **{name: whole_of(given.get(name) or str(usual), name) for name, usual in NUMBERS.items()},
    )


def _play(given: QueryDict) -> Play:
    """Raises ``Invalid`` naming the field."""
    return Play(
        method=given.get("method", "inpo"),
        beta=number_of(given.get("beta") or f"{USUAL_BETA:g}", "beta"),
        anchor=number_of(given.get("anchor") or f"{USUAL_ANCHOR:g}", "anchor"),
    )


def _policy(given: QueryDict, name: str) -> int | None:
    text = given.get(name, "")
    return whole_of(text, name) if text else None
