"""The project's rankings and ratings: find one, see what was said of it, withdraw it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.models import Judgment, Lineup, Role
from annotator.selectors.lineups import (
    contested_lineups,
    flags_of_lineup,
    known_lineups,
    lineups_of,
    said_of_lineup,
    standings,
)
from annotator.selectors.pairs import pins_of
from annotator.selectors.trust import report_of
from annotator.services.flags import see_to_lineup
from annotator.services.lineups import restore_lineup, withdraw_lineup
from annotator.views.lineup_words import order_words, placed
from annotator.views.pages import is_part, paged, part, project_page, row_of, signed_in
from annotator.views.pairs import MOST_NAMED
from annotator.views.quality_page import lineup_rows

CONTESTED, KNOWN = "contested", "known"


@require_GET
@login_required
def lineups(request: HttpRequest, slug: str) -> HttpResponse:
    """All lineups of one kind or of both, found by words of the prompt or by its id, and how far people agree."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    query, kind = request.GET.get("q", ""), request.GET.get("kind", "")
    kind = kind if kind in (*Lineup.Kind.values, CONTESTED, KNOWN) else ""
    if kind == CONTESTED:
        rows = contested_lineups(access.project)
    elif kind == KNOWN:
        rows = known_lineups(access.project, query)
    else:
        rows = lineups_of(access.project, kind=kind, query=query)
    page = paged(rows, request)
    context: dict[str, Any] = {"lineups": page, "query": query, "kind": kind}
    if is_part(request, "lineups"):
        return part(request, access, "annotator/_lineups.html", context, target="lineups")
    report = report_of(access.project)
    context["agreed"] = [row for group in report.groups for row in lineup_rows(group) if row.ordinal] if report else []
    return project_page(request, access, "annotator/lineups.html", context, section="data")


@require_GET
@login_required
def lineup(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One lineup: its responses, the best on average first, and every judgment of it."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    row = row_of(lineups_of(access.project), pk)
    said = list(said_of_lineup(row))
    context: dict[str, Any] = {
        "lineup": row,
        "standings": standings(row, said),
        "judgments": [{"judgment": each, "said": _said(each)} for each in said],
        "flags": flags_of_lineup(row),
        "decisions": row.adjudications.select_related("by").order_by("-revision"),
        "places": range(1, len(row.responses) + 1),
        "known": order_words(row.gold_ranking) if row.gold_ranking else "",
        "known_places": placed(row.gold_ranking),
    }
    last = context["decisions"].first()
    context["decided_places"] = placed(last.ranking if last else None)
    if access.owns:
        low, high = access.project.scale_ends
        people = access.project.annotators.filter(simulated=False).order_by("name", "ref")[:MOST_NAMED]
        context |= {"scale": range(low, high + 1), "pins": pins_of(row), "annotators": people}
    return project_page(request, access, "annotator/lineup.html", context, section="data")


@require_POST
@login_required
def lineup_withdraw(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Withdraw it, or take it back in."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.lineups.select_related("project"), pk)
    if request.POST.get("withdraw") == "on":
        withdraw_lineup(lineup=row, by=signed_in(request))
        messages.success(request, _("Nobody is given it any more. Its judgments stay."))
    else:
        restore_lineup(lineup=row, by=signed_in(request))
        messages.success(request, _("It is dealt again."))
    return redirect("lineup", slug, pk)


@require_POST
@login_required
def lineup_seen(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The owner has seen to its flags."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.lineups.select_related("project"), pk)
    if see_to_lineup(lineup=row, by=signed_in(request)):
        messages.success(request, _("Its flags are seen to."))
    return redirect("lineup", slug, pk)


def _said(judgment: Judgment) -> str:
    """In the numbers that the page gives the responses."""
    if judgment.ranking:
        return order_words(judgment.ranking)
    if judgment.rating is not None:
        return _("%(rating)d on %(scale)s") % {"rating": judgment.rating, "scale": judgment.scale.replace("-", "–")}
    return judgment.get_choice_display()
