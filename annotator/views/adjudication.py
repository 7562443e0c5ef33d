"""The queue of contested pairs, and the last word on one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.errors import Conflict, Invalid
from annotator.models import Role
from annotator.selectors.contested import contested_pairs
from annotator.services.adjudicating import adjudicate, ask_another
from annotator.views.pages import PAGE_SIZE, is_part, part, project_page, row_of, signed_in


@require_GET
@login_required
def contested(request: HttpRequest, slug: str) -> HttpResponse:
    """Pairs on which people part ways: to be decided, or with ``show=decided`` those that are."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    decided = request.GET.get("show") == "decided"
    asked = request.GET.get("page", "")
    number = int(asked) if asked.isdecimal() and 0 < len(asked) < 6 else 1
    queue = contested_pairs(access.project, decided=decided, offset=(max(number, 1) - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    page = Paginator(range(queue.count), PAGE_SIZE).get_page(number)
    context = {"queue": queue, "page": page, "decided": decided}
    if is_part(request, "contested"):
        return part(request, access, "annotator/_contested.html", context, target="contested")
    return project_page(request, access, "annotator/contested.html", context, section="data")


@require_POST
@login_required
def pair_decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Decide a pair, or take the decision back."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    choice = "" if request.POST.get("act") == "back" else request.POST.get("choice", "")
    try:
        made = adjudicate(pair=row, choice=choice, note=request.POST.get("note", ""), by=signed_in(request))
        said = (
            _("Decided. What people said of the pair stays as it is.")
            if made.choice
            else _("The decision is taken back.")
        )
        messages.success(request, said)
    except Invalid as error:
        messages.error(request, str(error))
    return redirect("pair", slug, pk)


@require_POST
@login_required
def pair_ask(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Ask one more person."""
    access = project_for(request.user, slug, Role.OWNER)
    row = row_of(access.project.pairs.select_related("project"), pk)
    try:
        ask_another(of=row, by=signed_in(request))
        messages.success(request, _("One more person will be asked."))
    except Conflict as error:
        messages.error(request, str(error))
    return redirect("pair", slug, pk)
