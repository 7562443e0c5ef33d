"""The way out for a login: what goes with it, the last step, and the report, which is shown once, for nobody is left to read it later."""

from __future__ import annotations

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotator.access import project_for
from annotator.errors import Conflict
from annotator.models import Role, User
from annotator.views.pages import row_of, signed_in
from personalization.logins import check_may_delete, delete_login, holdings_of


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def my_login(request: HttpRequest) -> HttpResponse:
    """The caller's own login."""
    return _delete(request, signed_in(request), mine=True)


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def login_delete(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A member's, by somebody who owns every project that they are in, or by a superuser."""
    access = project_for(request.user, slug, Role.OWNER)
    user = row_of(access.project.memberships.select_related("user"), pk).user
    mine = user.pk == signed_in(request).pk
    check_may_delete(user=user, by=signed_in(request))
    return _delete(request, user, mine=mine, slug=slug)


def _delete(request: HttpRequest, user: User, *, mine: bool, slug: str = "") -> HttpResponse:
    typed, error = request.POST.get("typed", "").strip(), ""
    if request.method == "POST" and typed.lower() == user.email:
        try:
            done = delete_login(user=user, by=signed_in(request))
        except Conflict as conflict:
            error = str(conflict)
        else:
            if mine:
                logout(request)
            context = {"done": done, "mine": mine, "slug": slug, "who": user.email}
            return render(request, "personalization/login_deleted.html", context)
    elif request.method == "POST":
        error = _("Nothing was deleted: “%(typed)s” is not %(email)s.") % {"typed": typed[:80], "email": user.email}
    context = {"who": user, "mine": mine, "slug": slug, "error": error, "held": holdings_of(user)}
    return render(request, "personalization/login_delete.html", context, status=422 if error else 200)
