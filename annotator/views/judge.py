"""The judging page: one address shows the pair, takes the answer, and shows the next in the same reply."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.middleware import HtmxDetails

from annotator.access import Access
from annotator.errors import AnnotatorError, Conflict, Invalid, LeaseLost
from annotator.models import Annotator, Judgment, User
from annotator.selectors.progress import progress_of
from annotator.services.answers import Answer
from annotator.services.dealing import Dealt, deal
from annotator.services.judging import record, undo_last
from annotator.services.people import judge_of
from annotator.views.judge_page import JudgePage, Task, answer_from, submitted_values, told_of, values_of


class HtmxRequest(HttpRequest):
    """A request behind django-htmx's middleware."""

    htmx: HtmxDetails


@require_http_methods(["GET", "POST"])
@login_required
def judge(request: HtmxRequest, slug: str) -> HttpResponse:
    """GET shows the pair lent to the caller (a new one if there is none); POST stores the answer to it."""
    access, annotator = _judging(request, slug)
    if request.method == "GET":
        return _show(request, access, annotator, deal(annotator=annotator))
    try:
        recorded = record(
            annotator=annotator,
            assignment_key=_uuid(request, "assignment"),
            client_key=_uuid(request, "client_key"),
            answer=answer_from(request.POST),
            source=Judgment.Source.PAGE,
        )
    except Invalid as error:
        return _again(request, access, annotator, error)
    except (LeaseLost, Conflict) as error:
        note = _("%(why)s Here is the next pair.") % {"why": error}
        return _show(request, access, annotator, deal(annotator=annotator), note=note, status=409)
    return _next(request, access, annotator, recorded.judgment)


@require_POST
@login_required
def undo(request: HtmxRequest, slug: str) -> HttpResponse:
    """Take back the caller's latest judgment of today and show it again with its values."""
    access, annotator = _judging(request, slug)
    dealt = undo_last(annotator=annotator, client_key=_uuid(request, "client_key"))
    if not request.htmx:
        return redirect("judge", slug)
    note = "" if dealt else _("There is nothing of today to undo.")
    return _show(request, access, annotator, dealt or deal(annotator=annotator), note=note)


def _judging(request: HtmxRequest, slug: str) -> tuple[Access, Annotator]:
    assert isinstance(request.user, User)
    return judge_of(user=request.user, slug=slug)


def _uuid(request: HtmxRequest, name: str) -> UUID:
    text = request.POST.get(name, "")
    try:
        return UUID(text)
    except ValueError:
        problem = _("“%(text)s” is not the key that the page was given.") % {"text": text[:40]}
        raise Invalid(problem, fields={name: problem}) from None


def _next(request: HtmxRequest, access: Access, annotator: Annotator, judgment: Judgment) -> HttpResponse:
    if request.htmx:
        return _show(request, access, annotator, deal(annotator=annotator), judgment=judgment)
    if told := told_of(judgment, annotator.project, progress_of(annotator).guesses):
        messages.info(request, f"{told.said} {told.record}")
    return redirect("judge", access.project.slug)


def _again(request: HtmxRequest, access: Access, annotator: Annotator, error: AnnotatorError) -> HttpResponse:
    """The same pair with what was entered; htmx keeps the form as it is and gets the note alone."""
    if request.htmx:
        context = {"title": _("Not submitted"), "error": str(error)}
        return render(request, "error_note.html", context, status=error.status)
    values = submitted_values(request.POST)
    dealt = deal(annotator=annotator)
    return _show(request, access, annotator, dealt, values=values, note=str(error), kind="neg", status=error.status)


def _show(
    request: HtmxRequest,
    access: Access,
    annotator: Annotator,
    dealt: Dealt | None,
    *,
    values: dict[str, Any] | None = None,
    judgment: Judgment | None = None,
    note: str = "",
    kind: str = "",
    status: int = 200,
) -> HttpResponse:
    progress = dealt.progress if dealt else progress_of(annotator)
    told = told_of(judgment, access.project, progress.guesses) if judgment else None
    page = JudgePage(access.project, progress, told=told, note=note, note_kind=kind)
    if dealt:
        page.task = Task.of(dealt)
        page.values = values or _values(dealt.answer)
    context = {"project": access.project, "access": access, "section": "judge", "page": page}
    if request.htmx:
        return render(request, "annotator/judge_swap.html", context)
    return render(request, "annotator/judge.html", context, status=status)


def _values(answer: Answer | None) -> dict[str, Any]:
    return values_of(answer) if answer else {}
