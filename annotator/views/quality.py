"""Whether the data can be trusted: agreement, habits, who is inconsistent and who is of a minority, what was done about it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import Conflict
from annotator.forms import QuotaForm
from annotator.models import Annotator, AnnotatorQuality, Role
from annotator.selectors.trust import VERDICTS, Report, figure_of, people_of, report_of, steps_of
from annotator.services import jobs
from annotator.services.members import set_quotas
from annotator.services.qualifying import qualify, try_again
from annotator.services.standing import drop_annotator, restore_annotator
from annotator.tasks import assess_project
from annotator.views.pages import Context, is_part, paged, part, project_page, row_of, signed_in
from annotator.views.quality_figures import Fact, group_facts, person_facts
from annotator.views.quality_page import (
    VERDICT_LABELS,
    agreement_rows,
    consequence_sentence,
    part_rows,
    step_sentence,
    verdict_sentence,
)

SIDE_FACTS = ("left", "upper", "longer")
ORDER_FACTS = ("same", "gold", "cyclic", "cyclic_own")
TABLE = ("others", "fit", "same", "gold", "left", "fast", "ties")
"""Figures of the table of people."""


@require_GET
@login_required
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    """The report; as a part only the table of people, which is paged and filtered."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    if is_part(request, "judges"):
        return part(request, access, "annotator/_quality_people.html", _people(request, access), target="judges")
    report = report_of(access.project)
    context = {"report": report, **_people(request, access), **_steps(access), **(_groups(report) if report else {})}
    return project_page(request, access, "annotator/quality.html", context, section="quality")


@require_POST
@login_required
def quality_now(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask a worker for a fresh report."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    with transaction.atomic():
        project_id = access.project.pk
        jobs.enqueue_on_commit(send=lambda: assess_project.delay(project_id), what=f"quality of {slug}")
    messages.success(request, _("A worker is at it. Reload in a moment."))
    return redirect("quality", slug)


@require_GET
@login_required
def annotator_quality(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Everything that is known of how one person judges."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    annotator = row_of(access.project.annotators.select_related("user"), pk)
    return _person(request, access, annotator, QuotaForm(instance=annotator))


@require_POST
@login_required
def annotator_quotas(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Quotas of this person's own."""
    access = project_for(request.user, slug, Role.OWNER)
    annotator = row_of(access.project.annotators.select_related("user"), pk)
    form = QuotaForm(request.POST, instance=Annotator.objects.get(pk=pk))
    if not form.is_valid():
        return _person(request, access, annotator, form, status=422)
    annotator.project = access.project
    set_quotas(annotator=annotator, by=signed_in(request), **form.cleaned_data)
    messages.success(request, _("The quotas hold from the next pair on."))
    return redirect("annotator_quality", slug, pk)


@require_POST
@login_required
def annotator_stand(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Leave somebody out of training, restore them, or let them qualify."""
    access = project_for(request.user, slug, Role.OWNER)
    annotator, by = row_of(access.project.annotators.select_related("project"), pk), signed_in(request)
    act = request.POST.get("act")
    who = {"who": annotator.display_name}
    try:
        if act == "drop":
            drop_annotator(annotator=annotator, by=by)
            messages.success(request, _("The next model learns nothing from %(who)s. You can take this back.") % who)
        elif act == "restore":
            restore_annotator(annotator=annotator, by=by)
            messages.success(request, _("%(who)s judges and counts again; earlier checks are settled.") % who)
        elif act == "qualify":
            qualify(annotator=annotator, by=by)
            messages.success(request, _("%(who)s may judge.") % who)
        elif act == "again":
            try_again(annotator=annotator, by=by)
            messages.success(request, _("%(who)s may try again.") % who)
    except Conflict as error:
        messages.error(request, str(error))
    return redirect("annotator_quality", slug, pk)


def _person(
    request: HttpRequest, access: Access, annotator: Annotator, form: QuotaForm, *, status: int = 200
) -> HttpResponse:
    found = AnnotatorQuality.objects.filter(annotator=annotator).first()
    report = report_of(access.project)
    usual = (
        next((group.usual for group in report.groups if group.simulated == annotator.simulated), None)
        if report
        else None
    )
    verdict = found.verdict if found else ""
    context = {
        "annotator": annotator,
        "report": report,
        "facts": person_facts(found.figures, usual) if found else [],
        "figures": found.figures if found else {},
        "verdict": verdict,
        "verdict_label": VERDICT_LABELS[verdict],
        "verdict_sentence": verdict_sentence(verdict),
        "form": form,
        **_steps(access, annotator),
    }
    return project_page(request, access, "annotator/annotator_quality.html", context, section="quality", status=status)


def _people(request: HttpRequest, access: Access) -> Context:
    verdict, query = request.GET.get("verdict", ""), request.GET.get("q", "")
    page = paged(people_of(access.project, verdict=verdict, query=query), request)
    rows = [(row, VERDICT_LABELS[row.verdict], {name: figure_of(row.figures, name) for name in TABLE}) for row in page]
    return {
        "people": page,
        "rows": rows,
        "verdict": verdict,
        "query": query,
        "verdicts": [(name, VERDICT_LABELS[name]) for name in VERDICTS if name],
    }


def _steps(access: Access, annotator: Annotator | None = None) -> Context:
    steps = steps_of(access.project, annotator)
    return {
        "steps": [(step, step_sentence(step.figures)) for step in steps],
        "consequence": consequence_sentence(access.project),
    }


def _groups(report: Report) -> Context:
    groups = report.groups

    def both(names: tuple[str, ...]) -> list[tuple[bool, list[Fact]]]:
        return [(group.simulated, facts) for group in groups if (facts := group_facts(group, names))]

    return {
        "agreement": agreement_rows(groups),
        "parts": [row for group in groups for row in part_rows(group)],
        "sides": both(SIDE_FACTS),
        "orders": both(ORDER_FACTS),
        "has_simulated": any(group.simulated for group in groups),
        "counts": [
            (name, VERDICT_LABELS[name], sum(group.verdicts.get(name, 0) for group in groups if not group.simulated))
            for name in VERDICTS
        ],
    }
