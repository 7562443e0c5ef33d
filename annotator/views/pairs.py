"""The project's pairs: find one, see what was said of it, withdraw it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.models import Role
from annotator.selectors.pairs import judged, judgments_of, pairs_of
from annotator.services.erasing import restore_pair, withdraw_pair
from annotator.views.pages import is_part, paged, part, project_page, row_of, signed_in


@require_GET
@login_required
def pairs(request: HttpRequest, slug: str) -> HttpResponse:
    """All pairs, found by words of the prompt or by its id."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    query = request.GET.get("q", "")
    page = paged(pairs_of(access.project, query), request)
    context = {"pairs": page, "judged": judged(page), "query": query}
    if is_part(request, "pairs"):
        return part(request, access, "annotator/_pairs.html", context, target="pairs")
    return project_page(request, access, "annotator/pairs.html", context, section="data")


@require_GET
@login_required
def pair(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One pair as annotators see it, its sources, and every judgment of it."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    row = row_of(pairs_of(access.project), pk)
    context = {"pair": row, "judged": judged([row])[row.pk], "judgments": paged(judgments_of(row), request)}
    if is_part(request, "judgments"):
        return part(request, access, "annotator/_pair_judgments.html", context, target="judgments")
    return project_page(request, access, "annotator/pair.html", context, section="data")


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
