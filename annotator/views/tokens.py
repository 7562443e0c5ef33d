"""Tokens for programs: issued, shown once, replaced, revoked."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import Invalid, NotFound
from annotator.forms import TokenForm
from annotator.models import ApiToken, Role
from annotator.services.tokens import issue_token, revoke_token, rotate_token
from annotator.views.pages import project_page, signed_in


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def tokens(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's tokens and the caller's own that reach it. A new one's text is in the answer, and nowhere else."""
    access = project_for(request.user, slug, Role.OWNER)
    form = TokenForm(request.POST or None, initial={"scopes": [ApiToken.Scope.READ]})
    if request.method == "POST" and form.is_valid():
        try:
            token, plain = _issue(request, access, form)
            return _page(request, access, TokenForm(initial={"scopes": [ApiToken.Scope.READ]}), token, plain)
        except Invalid as error:
            form.take_error(error)
    return _page(request, access, form, status=422 if form.errors else 200)


@require_POST
@login_required
@never_cache
def token_rotate(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Replace a token's secret; only its own user may, for it acts in their name."""
    access = project_for(request.user, slug, Role.OWNER)
    own = _reaching(request, access).filter(user=signed_in(request))
    token, plain = rotate_token(token=_token(own, key), by=signed_in(request))
    return _page(request, access, TokenForm(initial={"scopes": [ApiToken.Scope.READ]}), token, plain)


@require_POST
@login_required
def token_revoke(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """End a token: one's own, or anybody's that is for this project alone."""
    access = project_for(request.user, slug, Role.OWNER)
    token = _token(_reaching(request, access), key)
    revoke_token(token=token, by=signed_in(request))
    messages.success(request, _("“%(name)s” no longer gets in.") % {"name": token.name})
    return redirect("tokens", slug)


def _reaching(request: HttpRequest, access: Access) -> QuerySet[ApiToken]:
    mine = Q(user=signed_in(request), project=None)
    rows: QuerySet[ApiToken] = ApiToken.objects.filter(mine | Q(project=access.project))
    return rows.select_related("user", "project")


def _token(rows: QuerySet[ApiToken], key: str) -> ApiToken:
    """By its first characters, which are shown anyhow. Raises ``NotFound``."""
    if token := rows.filter(token_key=key).first():
        return token
    raise NotFound(_("There is no token %(key)s… that reaches this project.") % {"key": key})


def _issue(request: HttpRequest, access: Access, form: TokenForm) -> tuple[ApiToken, str]:
    values = form.cleaned_data
    days = values["days"]
    return issue_token(
        user=signed_in(request),
        name=values["name"],
        scopes=values["scopes"],
        project=None if values["everywhere"] else access.project,
        expires=timezone.now() + timedelta(days=days) if days else None,
    )


def _page(
    request: HttpRequest,
    access: Access,
    form: TokenForm,
    token: ApiToken | None = None,
    plain: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": _reaching(request, access).order_by("-created"),
        "fresh": token,
        "plain": plain,
        "curl": _curl(request, access, token, plain) if token else "",
        "now": timezone.now(),
    }
    return project_page(request, access, "annotator/tokens.html", context, section="setup", status=status)


def _curl(request: HttpRequest, access: Access, token: ApiToken, plain: str) -> str:
    """A line to try the token with, that its scopes allow."""
    slug = access.project.slug
    if ApiToken.Scope.READ in token.scopes:
        call = request.build_absolute_uri(reverse("api_project", args=[slug]))
    elif ApiToken.Scope.WRITE in token.scopes:
        call = request.build_absolute_uri(reverse("api_next", args=[slug]))
    else:
        body = f'{{"project": "{slug}", "prompt": "Hello", "completions": ["Hi!", "Good day."]}}'
        address = request.build_absolute_uri("/api/v1/score")
        call = f"-H 'Content-Type: application/json' -d '{body}' {address}"
    return f"curl -H 'Authorization: Bearer {plain}' {call}"
