"""The list of one's projects, and one's account."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.errors import Invalid
from annotator.models import User
from annotator.selectors.projects import projects_of


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The projects of the caller; an annotator of a single one goes straight to it."""
    return render(request, "annotator/home.html", {"cards": projects_of(request.user)})


@require_POST
@login_required
def theme(request: HttpRequest) -> HttpResponse:
    """Store the caller's colours and go back to where they were."""
    assert isinstance(request.user, User)
    chosen = request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        raise Invalid(f"There are no colours “{chosen}”; choose one of {', '.join(User.Theme.values)}.")
    request.user.theme = chosen
    request.user.save(update_fields=["theme"])
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "home")


@require_http_methods(["GET", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Name and single-key shortcuts."""
    assert isinstance(request.user, User)
    if request.method == "POST":
        request.user.name = request.POST.get("name", "").strip()[:120]
        request.user.shortcuts = request.POST.get("shortcuts") == "on"
        request.user.save(update_fields=["name", "shortcuts"])
        return redirect("account")
    return render(request, "annotator/account.html")
