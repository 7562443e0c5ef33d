"""What an owner does about one ranking or rating: its known answer, for whom it is, the last word on it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotator.access import Access, project_for
from annotator.errors import Conflict, Invalid
from annotator.models import Lineup, Role
from annotator.services.adjudicating import adjudicate_lineup, ask_another
from annotator.services.gold import set_gold_lineup
from annotator.services.pinning import pin_lineup
from annotator.views.pages import row_of, signed_in
from annotator.views.pairs import named_people, say_who_had_it, take_pin_back

PLACE = "place:"


@require_POST
@login_required
def lineup_gold(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Write the known order or the ratings that are right, or take them away."""
    access, row = _owned(request, slug, pk)
    by, first = signed_in(request), request.POST.get("qualifying") == "on"
    try:
        if request.POST.get("act") == "none":
            set_gold_lineup(lineup=row, by=by)
        elif row.kind == Lineup.Kind.RANKING:
            set_gold_lineup(lineup=row, ranking=_order(request, row), qualifying=first, by=by)
        else:
            rating = (_whole(request, "low"), _whole(request, "high"))
            set_gold_lineup(lineup=row, rating=rating, qualifying=first, by=by)
    except Invalid as error:
        messages.error(request, str(error))
        return redirect("lineup", access.project.slug, pk)
    row.refresh_from_db()
    if row.gold:
        messages.success(request, _("The answer is kept. Nobody who is asked can tell that it has one."))
    else:
        messages.success(request, _("It is asked like any other."))
    return redirect("lineup", access.project.slug, pk)


@require_POST
@login_required
def lineup_pin(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give it to the named people before anything else."""
    access, row = _owned(request, slug, pk)
    outcome = pin_lineup(lineup=row, annotators=named_people(access.project, request), by=signed_in(request))
    if outcome.new:
        said = ngettext("%d person gets it next.", "%d people get it next.", outcome.new)
        messages.success(request, said % outcome.new)
    say_who_had_it(request, outcome)
    return redirect("lineup", slug, pk)


@require_POST
@login_required
def lineup_unpin(request: HttpRequest, slug: str, pk: int, assignment: int) -> HttpResponse:
    """Take it back from somebody who has not opened it."""
    _access, row = _owned(request, slug, pk)
    take_pin_back(request, row, assignment)
    return redirect("lineup", slug, pk)


@require_POST
@login_required
def lineup_decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Have the last word, or take it back."""
    _access, row = _owned(request, slug, pk)
    note, by = request.POST.get("note", ""), signed_in(request)
    try:
        if request.POST.get("act") == "back":
            adjudicate_lineup(lineup=row, note=note, by=by)
            messages.success(request, _("The decision is taken back."))
            return redirect("lineup", slug, pk)
        if row.kind == Lineup.Kind.RANKING:
            adjudicate_lineup(lineup=row, ranking=_order(request, row), note=note, by=by)
        else:
            adjudicate_lineup(lineup=row, rating=_whole(request, "rating"), note=note, by=by)
        messages.success(request, _("Decided. What people said of it stays as it is."))
    except Invalid as error:
        messages.error(request, str(error))
    return redirect("lineup", slug, pk)


@require_POST
@login_required
def lineup_ask(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Ask one more person."""
    _access, row = _owned(request, slug, pk)
    try:
        ask_another(of=row, by=signed_in(request))
        messages.success(request, _("One more person will be asked."))
    except Conflict as error:
        messages.error(request, str(error))
    return redirect("lineup", slug, pk)


def _owned(request: HttpRequest, slug: str, pk: int) -> tuple[Access, Lineup]:
    access = project_for(request.user, slug, Role.OWNER)
    return access, row_of(access.project.lineups.select_related("project"), pk)


def _order(request: HttpRequest, lineup: Lineup) -> list[list[int]]:
    """From the place that each response has; places may be left out. Raises ``Invalid`` where one has none."""
    places: dict[int, list[int]] = {}
    for number in range(1, len(lineup.responses) + 1):
        places.setdefault(_whole(request, f"{PLACE}{number}"), []).append(number)
    return [places[place] for place in sorted(places)]


def _whole(request: HttpRequest, name: str) -> int:
    value = request.POST.get(name, "")
    if not value.isdecimal() or len(value) > 2:
        problem = (
            _("Give every response a place first; equal ones may share it.")
            if name.startswith(PLACE)
            else _("Choose a place on the scale first.")
        )
        raise Invalid(problem, fields={name: problem})
    return int(value)
