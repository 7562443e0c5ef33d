"""The list of one's projects, and one's account."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.errors import Invalid
from annotator.forms import AccountForm
from annotator.keys import ACTIONS, DEFAULTS, KINDS, Action, keys_of, label_of, own_keys
from annotator.models import User
from annotator.selectors.projects import projects_of
from annotator.views.pages import signed_in


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
        raise Invalid(
            _("There are no colours “%(chosen)s”; choose one of %(known)s.")
            % {"chosen": chosen, "known": ", ".join(User.Theme.values)}
        )
    request.user.theme = chosen
    request.user.save(update_fields=["theme"])
    return _back(request)


@require_POST
@login_required
def reading(request: HttpRequest) -> HttpResponse:
    """Store how the caller likes to read and whether single keys act: any of ``text_size``, ``line_length``, ``shortcuts``."""
    user = signed_in(request)
    choices = {"text_size": User.TextSize.values, "line_length": User.LineLength.values, "shortcuts": ["on", "off"]}
    given = {name: request.POST[name] for name in choices if name in request.POST}
    for name, value in given.items():
        if value not in choices[name]:
            raise Invalid(
                _("“%(value)s” is none of %(known)s.") % {"value": value, "known": ", ".join(choices[name])},
                fields={name: value},
            )
        setattr(user, name, value == "on" if name == "shortcuts" else value)
    user.save(update_fields=list(given))
    return _back(request)


@require_http_methods(["GET", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Name, language and how one likes to judge."""
    user = signed_in(request)
    form = AccountForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("account")
    return _account(request, form, keys_of(user.keys), status=422 if form.errors else 200)


@require_POST
@login_required
def keys(request: HttpRequest) -> HttpResponse:
    """Store the caller's own keys."""
    user = signed_in(request)
    chosen = {} if request.POST.get("usual") else {name: request.POST.get(name, "") for name in DEFAULTS}
    try:
        user.keys = own_keys(chosen)
    except Invalid as error:
        return _account(request, AccountForm(instance=user), chosen, error=error, status=422)
    user.save(update_fields=["keys"])
    messages.success(request, _("Your keys are saved."))
    return redirect("account")


def _account(
    request: HttpRequest, form: AccountForm, chosen: Mapping[str, str], *, error: Invalid | None = None, status: int
) -> HttpResponse:
    groups = [
        (label, [_key_row(action, chosen, error) for action in ACTIONS if action.where == where])
        for label, where in (
            (_("Always"), KINDS),
            (_("Pairs"), ("pair",)),
            (_("Pairs and ratings"), ("pair", "rating")),
            (_("Pairs and rankings"), ("pair", "ranking")),
            (_("Rankings"), ("ranking",)),
            (_("Ratings"), ("rating",)),
        )
    ]
    context = {"form": form, "key_groups": groups, "keys_error": error and str(error)}
    return render(request, "annotator/account.html", context, status=status)


def _key_row(action: Action, chosen: Mapping[str, str], error: Invalid | None) -> dict[str, str]:
    return {
        "name": action.name,
        "label": label_of(action),
        "value": chosen[action.name],
        "usual": action.default,
        "error": error.fields.get(action.name, "") if error else "",
    }


def _back(request: HttpRequest) -> HttpResponse:
    """To where the caller was, if that is here."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(back if safe else "home")
