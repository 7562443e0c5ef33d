"""What Attune has learnt about one annotator: their own page, and the owner's view of it."""

from __future__ import annotations

from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import NotFound
from annotator.models import Annotator, Judgment, Role
from annotator.services.answers import answer_of
from annotator.services.judging import revise, withdraw
from personalization.charts import share_chart
from personalization.profile import annotator_called, judgments_page, personal_data, profile_of


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
        raise NotFound(f"There is no annotator “{ref}” in this project.")
    return _page(request, access, annotator, mine=False)


def _page(request: HttpRequest, access: Access, annotator: Annotator | None, *, mine: bool) -> HttpResponse:
    context = {"access": access, "project": access.project, "section": "me" if mine else "", "mine": mine}
    if annotator:
        annotator.project = access.project
        profile = profile_of(annotator)
        context |= {
            "annotator": annotator,
            "profile": profile,
            "page": judgments_page(annotator, request.GET.get("page")),
        }
        context |= {"chart": profile.record and share_chart(profile.record.points)}
    return render(request, "personalization/profile.html", context)


@require_POST
@login_required
def my_judgment(request: HttpRequest, slug: str, pk: int, act: str) -> HttpResponse:
    """Withdraw a judgment of one's own, or restore it."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=request.user.pk).first()
    judgment = annotator and annotator.judgments.filter(pk=pk).first()
    if not annotator or not judgment:
        raise NotFound(f"There is no judgment {pk} of yours.")
    if act == "withdraw":
        withdraw(annotator=annotator, judgment_id=pk, client_key=uuid4())
    else:
        revise(annotator=annotator, judgment_id=pk, client_key=uuid4(), answer=answer_of(_last_said(judgment)))
    return redirect("me", slug)


def _last_said(judgment: Judgment) -> Judgment:
    """The latest revision that said something."""
    same = Judgment.objects.filter(annotator=judgment.annotator_id, pair=judgment.pair_id, occasion=judgment.occasion)
    said = same.filter(withdrawn=False).select_related("pair", "rationale").order_by("-revision").first()
    assert said is not None  # the first revision of a judgment is never a withdrawal
    return said


@require_GET
@login_required
def my_data(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything kept of the caller in this project, as a JSON file."""
    access = project_for(request.user, slug, Role.OWNER, Role.ANNOTATOR)
    annotator = Annotator.objects.filter(project=access.project, user=request.user.pk).select_related("project").first()
    if annotator is None:
        raise NotFound("You have not judged in this project, so nothing is kept of you here.")
    response = JsonResponse(personal_data(annotator), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="attune-{access.project.slug}-my-data.json"'
    return response
