"""What Attune has learnt about one annotator: their own page, and the owner's view of it."""

from __future__ import annotations

from math import isfinite, nan
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import Invalid, NotFound
from annotator.models import Annotator, Role
from annotator.services.answers import answer_of
from annotator.services.judging import last_said, revise, withdraw
from attune.style_features import TRAITS
from personalization.charts import share_chart
from personalization.correcting import preview
from personalization.personal_data import archive
from personalization.profile import annotator_called, judgments_page, profile_of
from personalization.statements import WORTH, state
from training.serving import live_version

SMALLEST_MOVE = 0.005
"""Half a step of a ring."""


@require_GET
@login_required
def me(request: HttpRequest, slug: str) -> HttpResponse:
    """The caller's own profile in a project."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=request.user.pk).first()
    return _page(request, access, annotator, mine=True)


@require_GET
@login_required
def annotator_profile(request: HttpRequest, slug: str, ref: str) -> HttpResponse:
    """An annotator's profile as the project's owners and viewers see it."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    annotator = annotator_called(project=access.project, ref=ref)
    if annotator is None:
        raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": ref})
    return _page(request, access, annotator, mine=False)


@require_POST
@login_required
def my_traits(request: HttpRequest, slug: str) -> HttpResponse:
    """Correct what was learnt: ``act`` is ``save``, ``back`` (to the estimate, of the trait named), or a look before."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=request.user.pk).first()
    if annotator is None:
        raise NotFound(_("You have not judged in this project, so there is nothing to correct."))
    if back := request.POST.get("back"):
        state(annotator=annotator, values={back: None})
        messages.success(request, _("Back to what your judgments say."))
        return redirect("me", slug)
    proposed = _proposed(request)
    if request.POST.get("act") != "save":
        return _look(request, access, annotator, proposed)
    if kept := state(annotator=annotator, values=proposed):
        messages.success(
            request,
            ngettext(
                "Your word is kept: %(n)d trait. Your model follows at once.",
                "Your word is kept: %(n)d traits. Your model follows at once.",
                kept,
            )
            % {"n": kept},
        )
    else:
        messages.info(request, _("Nothing was moved."))
    return redirect("me", slug)


def _proposed(request: HttpRequest) -> dict[str, float]:
    """Traits whose ring was moved from where it stood, with where to."""
    moved: dict[str, float] = {}
    for name in TRAITS:
        if f"at:{name}" in request.POST:
            at, was = (_number(name, request.POST.get(f"{part}:{name}", "")) for part in ("at", "was"))
            if abs(at - was) >= SMALLEST_MOVE:
                moved[name] = at
    return moved


def _number(name: str, given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = nan
    if not isfinite(value):
        known = {"name": name, "given": given[:40]}
        raise Invalid(_("“%(name)s” is “%(given)s”; expected a number.") % known, fields={name: _("is not a number")})
    return value


def _look(request: HttpRequest, access: Access, annotator: Annotator, proposed: dict[str, float]) -> HttpResponse:
    served = live_version(access.project.pk)
    shown = preview(annotator=annotator, served=served, proposed=proposed) if served else None
    context = {"preview": shown, "looked": True}
    if request.headers.get("HX-Request"):
        return render(request, "personalization/_preview.html", context)
    return _page(
        request,
        access,
        annotator,
        mine=True,
        more=context | {"proposed": {name: f"{value:.2f}" for name, value in proposed.items()}},
    )


def _page(
    request: HttpRequest,
    access: Access,
    annotator: Annotator | None,
    *,
    mine: bool,
    more: dict[str, object] | None = None,
) -> HttpResponse:
    context = {
        "access": access,
        "project": access.project,
        "section": "me" if mine else "",
        "mine": mine,
        "worth": WORTH,
        "proposed": {},
    }
    if annotator:
        annotator.project = access.project
        profile = profile_of(annotator)
        context |= {
            "annotator": annotator,
            "profile": profile,
            "page": judgments_page(annotator, request.GET.get("page")),
        }
        context |= {"chart": profile.record and share_chart(profile.record.points)}
    return render(request, "personalization/profile.html", context | (more or {}))


@require_POST
@login_required
def my_judgment(request: HttpRequest, slug: str, pk: int, act: str) -> HttpResponse:
    """Withdraw a judgment of one's own, or restore it."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=request.user.pk).first()
    judgment = annotator and annotator.judgments.filter(pk=pk).first()
    if not annotator or not judgment:
        raise NotFound(_("There is no judgment %(judgment_id)s of yours.") % {"judgment_id": pk})
    if act == "withdraw":
        withdraw(annotator=annotator, judgment_id=pk, client_key=uuid4())
    else:
        revise(annotator=annotator, judgment_id=pk, client_key=uuid4(), answer=answer_of(last_said(judgment)))
    return redirect("me", slug)


@require_GET
@login_required
def my_data(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Everything kept of the caller in this project, as a zip, streamed."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    rows = Annotator.objects.filter(project=access.project, user=request.user.pk)
    annotator = rows.select_related("project", "user").first()
    if annotator is None:
        raise NotFound(_("You have not judged in this project, so nothing is kept of you here."))
    response = StreamingHttpResponse(archive(annotator), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="attune-{access.project.slug}-my-data.zip"'
    response["Cache-Control"] = "no-store"
    return response
