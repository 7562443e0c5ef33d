"""The judging page: one address shows the pair, takes the answer, and shows the next in the same reply.

With scripts the page holds the next pairs already: a submit then only needs to hear that it is stored, and gets the pair
after those. Without them every submit is a form and every pair a page.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.middleware import HtmxDetails

from annotator.access import Access
from annotator.errors import AnnotatorError, Conflict, Forbidden, Invalid, LeaseLost
from annotator.models import Annotator, Judgment, User
from annotator.selectors.progress import progress_of
from annotator.services.asking import Task, next_task
from annotator.services.dealing import ENOUGH
from annotator.services.drafts import save_draft
from annotator.services.judging import record, undo_last
from annotator.services.leases import number_of_mark
from annotator.services.people import judge_of
from annotator.views.judge_form import Values, answer_from, values_from
from annotator.views.judge_page import JudgePage, entered, shown_task
from annotator.views.judge_told import told_of

MAX_HELD = 20


class HtmxRequest(HttpRequest):
    """A request behind django-htmx's middleware."""

    htmx: HtmxDetails


@require_http_methods(["GET", "POST"])
@login_required
def judge(request: HtmxRequest, slug: str) -> HttpResponse:
    """GET shows the pair lent to the caller (a new one if there is none); POST stores the answer to it."""
    access, annotator = _judging(request, slug)
    if request.method == "GET":
        try:
            return _show(request, access, annotator, next_task(annotator=annotator))
        except Forbidden as error:
            return _show(request, access, annotator, None, stopped=str(error), status=error.status)
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
        return _refused(request, access, annotator, error)
    return _next(request, access, annotator, recorded.judgment)


@require_GET
@login_required
def ahead(request: HtmxRequest, slug: str) -> HttpResponse:
    """One more pair for a page that shows another: lent to the caller, and shown later."""
    access, annotator = _judging(request, slug)
    dealt = next_task(annotator=annotator, exclude=_held(request.GET), least=ENOUGH)
    if dealt is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return _show(request, access, annotator, dealt, template="annotator/judge_ahead.html")


@require_POST
@login_required
def draft(request: HtmxRequest, slug: str) -> HttpResponse:
    """Keep what is entered and not submitted; the answer is the draft's version."""
    _, annotator = _judging(request, slug)
    values = values_from(request.POST)
    version = save_draft(annotator=annotator, assignment_key=_uuid(request, "assignment"), values=values)
    return HttpResponse(version, content_type="text/plain")


@require_POST
@login_required
def undo(request: HtmxRequest, slug: str) -> HttpResponse:
    """Take back the caller's latest judgment of today and show it again with its values."""
    access, annotator = _judging(request, slug)
    dealt = undo_last(annotator=annotator, client_key=_uuid(request, "client_key"))
    if not request.htmx:
        return redirect("judge", slug)
    note = "" if dealt else _("There is nothing of today to undo.")
    return _show(request, access, annotator, dealt or next_task(annotator=annotator), note=note)


def _judging(request: HtmxRequest, slug: str) -> tuple[Access, Annotator]:
    return judge_of(user=_user(request), slug=slug)


def _user(request: HtmxRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _uuid(request: HtmxRequest, name: str) -> UUID:
    text = request.POST.get(name, "")
    try:
        return UUID(text)
    except ValueError:
        problem = _("“%(text)s” is not the key that the page was given.") % {"text": text[:40]}
        raise Invalid(problem, fields={name: problem}) from None


def _held(values: QueryDict) -> list[int]:
    """What the leases that the page holds are of: shown, to be shown, or judged and not sent yet."""
    return [number for mark in values.getlist("held")[:MAX_HELD] if (number := number_of_mark(mark)) is not None]


def _next(request: HtmxRequest, access: Access, annotator: Annotator, judgment: Judgment) -> HttpResponse:
    """The reply to an answer that is stored, whatever comes of asking for the next."""
    try:
        return _after(request, access, annotator, judgment)
    except Forbidden as error:
        template = "annotator/judge_ahead.html" if request.POST.get("ahead") else ""
        return _show(request, access, annotator, None, judgment=judgment, stopped=str(error), template=template)


def _after(request: HtmxRequest, access: Access, annotator: Annotator, judgment: Judgment) -> HttpResponse:
    if request.POST.get("ahead"):
        waits = request.POST.get("ahead") == "none"  # nothing is on the screen
        judged = judgment.pair_id or -(judgment.lineup_id or 0)
        held = [number for number in _held(request.POST) if number != judged]  # it may come back for a second look
        dealt = next_task(annotator=annotator, exclude=held, least=1 if waits else ENOUGH)
        return _show(request, access, annotator, dealt, judgment=judgment, template="annotator/judge_ahead.html")
    if request.htmx:
        return _show(request, access, annotator, next_task(annotator=annotator), judgment=judgment)
    if told := told_of(judgment, annotator.project, _user(request), progress_of(annotator).guesses):
        messages.info(request, str(told))
    return redirect("judge", access.project.slug)


def _again(request: HtmxRequest, access: Access, annotator: Annotator, error: AnnotatorError) -> HttpResponse:
    """The same pair with what was entered; htmx keeps the form as it is and gets the note alone."""
    if request.htmx:
        return _note(request, _("Not submitted"), error)
    values = values_from(request.POST)
    dealt = next_task(annotator=annotator)
    return _show(request, access, annotator, dealt, values=values, note=str(error), kind="neg", status=error.status)


def _refused(request: HtmxRequest, access: Access, annotator: Annotator, error: AnnotatorError) -> HttpResponse:
    """The pair can't be judged any more: what was entered stays with its lease, and another pair is shown."""
    save_draft(annotator=annotator, assignment_key=_uuid(request, "assignment"), values=values_from(request.POST))
    if request.POST.get("ahead"):
        return _note(request, _("Not counted"), error)
    note = _("%(why)s Here is the next pair.") % {"why": error}
    return _show(request, access, annotator, next_task(annotator=annotator), note=note, status=409)


def _note(request: HtmxRequest, title: str, error: AnnotatorError) -> HttpResponse:
    return render(request, "error_note.html", {"title": title, "error": str(error)}, status=error.status)


def _show(
    request: HtmxRequest,
    access: Access,
    annotator: Annotator,
    dealt: Task | None,
    *,
    values: Values | None = None,
    judgment: Judgment | None = None,
    note: str = "",
    kind: str = "",
    status: int = 200,
    template: str = "",
    stopped: str = "",
) -> HttpResponse:
    progress, user = dealt.progress if dealt else progress_of(annotator), _user(request)
    told = told_of(judgment, access.project, user, progress.guesses) if judgment else None
    page = JudgePage(
        access.project, user, progress, told=told, note=note, note_kind=kind, ahead=bool(template), stopped=stopped
    )
    if dealt:
        page.values = values or entered(dealt)
        page.task = shown_task(dealt, page.values, access.project)
    context: dict[str, Any] = {"project": access.project, "access": access, "section": "judge", "page": page}
    if template:
        return render(request, template, context)
    if request.htmx:
        return render(request, "annotator/judge_swap.html", context)
    return render(request, "annotator/judge.html", context, status=status)
