"""The project's pairs: find one, see what was said of it, withdraw it."""

from __future__ import annotations

import re

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, Lineup, Pair, Project, Role
from annotator.selectors.pairs import judged, judgments_of, open_flags, pairs_of, pins_of
from annotator.selectors.trust import aggregates_of
from annotator.services.content import set_consequences
from annotator.services.erasing import restore_pair, withdraw_pair
from annotator.services.flags import see_to_flags
from annotator.services.gold import set_gold
from annotator.services.pinning import Pinned, pin_pair, unpin
from annotator.views.pages import is_part, paged, part, project_page, row_of, signed_in

MOST_NAMED = 500
"""People who are suggested by name when a pair is pinned."""


@require_GET
@login_required
def pairs(request: HttpRequest, slug: str) -> HttpResponse:
    """All pairs, found by words of the prompt or by its id."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    query, only_gold = request.GET.get("q", ""), request.GET.get("only") == "gold"
    flagged = request.GET.get("flagged") == "on"
    page = paged(pairs_of(access.project, query, only_gold=only_gold, flagged=flagged), request)
    flags = open_flags(access.project).filter(judgment__pair__isnull=False).count()
    context = {"pairs": page, "judged": judged(page), "query": query, "only_gold": only_gold}
    context |= {"flagged": flagged, "flags": flags}
    if is_part(request, "pairs"):
        return part(request, access, "annotator/_pairs.html", context, target="pairs")
    return project_page(request, access, "annotator/pairs.html", context, section="data")


@require_GET
@login_required
def pair(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair as annotators see it, its sources, and every judgment of it."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    row = row_of(pairs_of(access.project), pk)
    context = {
        "pair": row,
        "judged": judged([row])[row.pk],
        "judgments": paged(judgments_of(row), request),
        "flags": open_flags(access.project).filter(judgment__pair=row).select_related("judgment__annotator"),
    }
    if is_part(request, "judgments"):
        return part(request, access, "annotator/_pair_judgments.html", context, target="judgments")
    context["decisions"] = row.adjudications.select_related("by").order_by("-revision")
    context["aggregates"] = aggregates_of(access.project, pk)
    context["blind"] = request.GET.get("judgments") == "hide"
    if access.owns:
        context |= {
            "pins": pins_of(row),
            "hindsight_percent": f"{100 * access.project.hindsight_rate:g}",
            "annotators": access.project.annotators.filter(simulated=False).order_by("name", "ref")[:MOST_NAMED],
            "answers": answer_choices(),
        }
    return project_page(request, access, "annotator/pair.html", context, section="data")


@require_POST
@login_required
def pair_gold(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Write the pair's known answer, or take it away."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    qualifying = request.POST.get("qualifying") == "on"
    set_gold(pair=row, choice=request.POST.get("choice", ""), qualifying=qualifying, by=signed_in(request))
    if row.gold_choice:
        messages.success(request, _("The answer is kept. Nobody who is asked the pair can tell that it has one."))
    else:
        messages.success(request, _("The pair is an ordinary one."))
    return redirect("pair", slug, pk)


@require_POST
@login_required
def pair_consequences(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Write what came of following either response."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.all(), pk)
    texts = {
        response: request.POST.get(f"consequence_{side}", "").replace("\r\n", "\n").strip()
        for side, response in (("a", row.response_a_id), ("b", row.response_b_id))
    }
    changed = set_consequences(project=access.project, by=signed_in(request), consequences=texts)
    messages.success(request, _("What comes of them is kept.") if changed else _("Nothing was changed."))
    return redirect("pair", slug, pk)


@require_POST
@login_required
def pair_pin(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give the pair to the named people before anything else."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    outcome = pin_pair(pair=row, annotators=named_people(access.project, request), by=signed_in(request))
    if outcome.new:
        said = ngettext("%d person gets this pair next.", "%d people get this pair next.", outcome.new)
        messages.success(request, said % outcome.new)
    say_who_had_it(request, outcome)
    return redirect("pair", slug, pk)


@require_POST
@login_required
def pair_unpin(request: HttpRequest, slug: str, pk: int, assignment: int) -> HttpResponse:
    """Take the pair back from somebody who has not opened it."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.all(), pk)
    take_pin_back(request, row, assignment)
    return redirect("pair", slug, pk)


def say_who_had_it(request: HttpRequest, outcome: Pinned) -> None:
    """Of the people named for a pin."""
    if outcome.had_it:
        messages.info(request, _("Had it already: %(who)s.") % {"who": ", ".join(outcome.had_it)})


def take_pin_back(request: HttpRequest, of: Pair | Lineup, assignment: int) -> None:
    """Unpin a pair or a lineup, and say how that went."""
    held = row_of(pins_of(of).select_related("project", "annotator", "pair", "lineup"), assignment)
    try:
        unpin(assignment=held, by=signed_in(request))
        messages.success(request, _("Taken back."))
    except Conflict as error:
        messages.error(request, str(error))


def answer_choices() -> list[tuple[str, str]]:
    """What can be right of a pair, in its own terms."""
    return [
        ("a", _("A is better")),
        ("b", _("B is better")),
        ("tie", _("About equal")),
        ("both_good", _("Both good")),
        ("both_bad", _("Both bad")),
    ]


def named_people(project: Project, request: HttpRequest) -> list[Annotator]:
    """The annotators in the field ``people``: references or names, one a line or with commas. Raises ``Invalid``."""
    names = list(dict.fromkeys(name for part in request.POST.getlist("people") for name in re.split(r"[,\n]", part)))
    wanted = [name.strip()[:200].replace("\x00", "") for name in names if name.strip()]
    found = {}
    for annotator in project.annotators.filter(Q(ref__in=wanted) | Q(name__in=wanted), simulated=False).order_by("-pk"):
        found[annotator.name] = annotator
    for annotator in project.annotators.filter(ref__in=wanted, simulated=False):
        found[annotator.ref] = annotator
    if missing := [name for name in wanted if name not in found]:
        raise Invalid(
            _("Nobody here is called “%(missing)s”.") % {"missing": missing[0][:80]},
            fields={"people": _("Use a name or reference of the list.")},
        )
    if not wanted:
        raise Invalid(_("Name at least one person."), fields={"people": _("Nobody is named.")})
    return [found[name] for name in wanted]


@require_POST
@login_required
def pair_withdraw(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Withdraw a pair, or take it back in."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    if request.POST.get("withdraw") == "on":
        withdraw_pair(pair=row, by=signed_in(request))
        messages.success(request, _("Nobody is given this pair any more. Its judgments stay."))
    else:
        restore_pair(pair=row, by=signed_in(request))
        messages.success(request, _("The pair is dealt again."))
    return redirect("pair", slug, pk)


@require_POST
@login_required
def pair_seen(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The owner has seen to a pair's flags."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    if see_to_flags(pair=row, by=signed_in(request)):
        messages.success(request, _("The flags of this pair are seen to."))
    return redirect("pair", slug, pk)
