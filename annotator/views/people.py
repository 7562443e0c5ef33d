"""The project's people: members and their roles, invitation links, annotators, and who did what."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import Invalid
from annotator.forms import InviteForm
from annotator.models import Membership, Role
from annotator.selectors.people import annotators_of, audit_of, headcount, members_of, open_invites
from annotator.services import invites, members
from annotator.views.pages import is_part, paged, part, project_page, row_of, signed_in


@require_GET
@login_required
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Owners see and change everything; viewers see who is there, without addresses and links."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    if is_part(request, "annotators"):
        return part(request, access, "annotator/_annotators.html", _annotators(request, access), target="annotators")
    return _page(request, access)


@require_POST
@login_required
@never_cache
def invite_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a link and show it, this once: there is no address at which it could be seen again."""
    access = project_for(request.user, slug, Role.OWNER)
    form, link = InviteForm(request.POST), ""
    if form.is_valid():
        try:
            _, token = invites.create_invite(project=access.project, by=signed_in(request), **form.cleaned_data)
            link = request.build_absolute_uri(reverse("join", args=[token]))
            form = InviteForm()
        except Invalid as error:
            form.take_error(error)
    return _invites(request, access, form=form, link=link, status=200 if link else 422)


@require_POST
@login_required
def invite_revoke(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Withdraw a link."""
    access = project_for(request.user, slug, Role.OWNER)
    invites.revoke_invite(invite=row_of(access.project.invites.select_related("project"), pk), by=signed_in(request))
    if is_part(request, "invites"):
        return _invites(request, access, form=InviteForm())
    messages.success(request, _("The link no longer works."))
    return redirect("people", slug)


@require_POST
@login_required
def member_role(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Give a member another role."""
    access = project_for(request.user, slug, Role.OWNER)
    member = _member(access, pk)
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise Invalid(
            _("There is no role “%(role)s”; choose one of %(known)s.") % {"role": role, "known": ", ".join(Role.values)}
        )
    members.change_role(member=member, role=Role(role), by=signed_in(request))
    messages.success(request, _("%(who)s is now %(role)s.") % {"who": member.user, "role": Role(role).label.lower()})
    return _after(request, member, slug)


@require_POST
@login_required
def member_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take a member out; what they judged stays."""
    access = project_for(request.user, slug, Role.OWNER)
    member = _member(access, pk)
    members.remove_member(member=member, by=signed_in(request))
    messages.success(request, _("%(who)s left the project. Their judgments stay.") % {"who": member.user})
    return _after(request, member, slug)


@require_POST
@login_required
def annotator_pause(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Pause an annotator, or let them go on."""
    access = project_for(request.user, slug, Role.OWNER)
    annotator = row_of(access.project.annotators.select_related("project"), pk)
    if request.POST.get("pause") == "on":
        members.pause_annotator(annotator=annotator, by=signed_in(request))
    else:
        members.resume_annotator(annotator=annotator, by=signed_in(request))
    if is_part(request, f"annotator-{pk}"):
        row = row_of(annotators_of(access.project), pk)
        return part(request, access, "annotator/_annotator_row.html", {"annotator": row}, target=f"annotator-{pk}")
    return redirect("people", slug)


def _page(request: HttpRequest, access: Access, *, status: int = 200, **context: object) -> HttpResponse:
    context = {
        "members": members_of(access.project),
        "headcount": headcount(access.project),
        "audit": audit_of(access.project),
        "roles": Role.choices,
        **_annotators(request, access),
        **({"form": InviteForm(), "invites": open_invites(access.project)} if access.owns else {}),
        **context,
    }
    return project_page(request, access, "annotator/people.html", context, section="setup", status=status)


def _invites(request: HttpRequest, access: Access, *, status: int = 200, **context: object) -> HttpResponse:
    if is_part(request, "invites"):
        context["invites"] = open_invites(access.project)
        return part(request, access, "annotator/_invites.html", context, target="invites", status=status)
    return _page(request, access, status=status, **context)


def _annotators(request: HttpRequest, access: Access) -> dict[str, object]:
    query = request.GET.get("q", "")
    return {"annotators": paged(annotators_of(access.project, query), request), "query": query}


def _member(access: Access, pk: int) -> Membership:
    return row_of(access.project.memberships.select_related("project", "user"), pk)


def _after(request: HttpRequest, member: Membership, slug: str) -> HttpResponse:
    """Back to the people, unless the caller may no longer see them."""
    return redirect("home") if member.user_id == signed_in(request).pk else redirect("people", slug)
