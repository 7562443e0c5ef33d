"""The page behind an invitation link: what it is to, what one agrees to, and an account for who has none."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from annotator.errors import Conflict, Invalid
from annotator.forms import JoinForm, RegisterForm
from annotator.models import Invite, Membership, Role, User
from annotator.services.invites import join_project, membership_by, register_and_join, usable_invite


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@never_cache
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Join with the account one is signed in with, or with a new one. Who is a member already goes to the project."""
    if isinstance(request.user, User) and (member := membership_by(token=token, user=request.user)):
        return _to_project(member)
    invite = usable_invite(token)
    form_class = JoinForm if isinstance(request.user, User) else RegisterForm
    form = form_class(request.POST or None)
    if invite.role == Role.VIEWER:  # who only looks has nothing to agree to
        del form.fields["may_learn"], form.fields["may_train"]
    if request.method == "POST" and form.is_valid():
        try:
            return _to_project(_join(request, invite, token, form))
        except (Invalid, Conflict) as error:
            form.take_error(error)
    status = 422 if form.errors else 200
    return render(request, "annotator/join.html", {"invite": invite, "form": form}, status=status)


def _join(request: HttpRequest, invite: Invite, token: str, form: JoinForm) -> Membership:
    values = dict(form.cleaned_data)
    values.pop("may_learn", None)
    in_training = bool(values.pop("may_train", False))
    user = request.user
    if not isinstance(user, User):
        user = register_and_join(token=token, in_training=in_training, **values)
        login(request, user)
    member = join_project(token=token, user=user, in_training=in_training)
    messages.success(request, _("Welcome to %(project)s.") % {"project": invite.project.name})
    return member


def _to_project(member: Membership) -> HttpResponse:
    return redirect("judge" if member.role == Role.ANNOTATOR else "project", member.project.slug)
