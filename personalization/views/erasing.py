"""The way out: where an annotator's judgments are, their deletion by themselves or by an owner, and what became of it."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError, NotFound
from annotator.models import Annotator, Erasure, Membership, Role
from annotator.views.pages import paged, project_page, row_of, signed_in
from personalization.erasing import erase_annotator, remains
from training.lineage import flagged, footprint_of, retrain
from training.policy_selectors import find_policy
from training.selectors import find_version

OWN = "own_erasures"
"""In the session: erasures that the person has asked for, whose reports they may read. Nobody else knows whose these were."""


@require_http_methods(["GET", "POST"])
@login_required
def my_erasure(request: HttpRequest, slug: str) -> HttpResponse:
    """The caller's own deletion: what it takes with it, and the last step."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=signed_in(request)).first()
    if annotator is None:
        raise NotFound(_("Nothing is kept about you in this project."))
    return _erase(request, access, annotator, mine=True)


@require_http_methods(["GET", "POST"])
@login_required
def annotator_erasure(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The same by an owner."""
    access = project_for(request.user, slug, Role.OWNER)
    rows = Annotator.objects.filter(project=access.project).select_related("user")
    return _erase(request, access, row_of(rows, pk), mine=False)


@require_GET
@login_required
def erasures(request: HttpRequest, slug: str) -> HttpResponse:
    """What was erased, and which models still hold something of it; for owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    versions, policies = flagged(access.project)
    context = {
        "page": paged(access.project.erasures.select_related("by"), request),
        "versions": versions,
        "policies": policies,
    }
    return project_page(request, access, "personalization/erasures.html", context, section="setup")


@require_GET
@login_required
def erasure(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """What was removed and what remains: for the person, in the session in which they asked, and for the project's owners."""
    found = Erasure.objects.select_related("project").filter(key=key, project__isnull=False).first()
    user = signed_in(request)
    if found is None:
        raise NotFound(_("There is no such erasure."))
    assert found.project is not None
    mine = str(key) in request.session.get(OWN, [])
    reads = Membership.objects.filter(project=found.project, user=user, role__in=(Role.OWNER, Role.VIEWER))
    if not (mine or user.is_superuser or reads.exists()):
        raise NotFound(_("There is no such erasure."))
    context = {
        "erasure": found,
        "mine": mine,
        "reads": reads.exists(),
        "remains": remains(found),
        "report": found.report,
    }
    return render(request, "personalization/erasure.html", context)


@require_POST
@login_required
def version_retrain(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Learn a model again without those who were erased from its snapshot."""
    version = find_version(project_for(request.user, slug, Role.OWNER).project, number)
    try:
        run = retrain(version=version, by=signed_in(request))
    except AnnotatorError as error:
        messages.error(request, str(error))
        return redirect("version", slug, number)
    return redirect("run", slug, run.number)


@require_POST
@login_required
def policy_retrain(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The same of a policy."""
    version = find_policy(project_for(request.user, slug, Role.OWNER).project, number)
    try:
        run = retrain(version=version, by=signed_in(request))
    except AnnotatorError as error:
        messages.error(request, str(error))
        return redirect("policy", slug, number)
    return redirect("policy_run", slug, run.number)


def _erase(request: HttpRequest, access: Access, annotator: Annotator, *, mine: bool) -> HttpResponse:
    typed, error = request.POST.get("typed", "").strip(), ""
    annotator.project = access.project
    if request.method == "POST" and typed == annotator.ref:
        done = erase_annotator(annotator=annotator, by=signed_in(request), by_themselves=mine)
        if mine:
            request.session[OWN] = [*request.session.get(OWN, []), str(done.key)]
        messages.success(request, _("It is done: the rows are gone. Files follow within minutes."))
        return redirect("erasure", done.key)
    if request.method == "POST":
        error = _("Nothing was erased: “%(typed)s” is not %(ref)s.") % {"typed": typed[:80], "ref": annotator.ref}
    context = {
        "annotator": annotator,
        "mine": mine,
        "error": error,
        "judgments": annotator.judgments.filter(current=True).count(),
        "footprint": footprint_of(annotator),
    }
    status = 422 if error else 200
    section = "me" if mine else "setup"
    return project_page(request, access, "personalization/erase.html", context, section=section, status=status)
