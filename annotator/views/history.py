"""An annotator's own judgments: find one, edit it, take it back. Everything is a new revision; nothing is rewritten."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access
from annotator.errors import Invalid, NotFound
from annotator.models import HINDSIGHT, Annotator, Draft, Judgment, Pair, User
from annotator.selectors.history import kept_drafts, own_judgments, steadiness
from annotator.selectors.progress import progress_of
from annotator.services.answers import Answer, answer_of
from annotator.services.judging import revise, withdraw
from annotator.services.marks import SIDES, Side
from annotator.services.people import judge_of
from annotator.services.storing import shown_texts
from annotator.views.content import Content
from annotator.views.judge_form import SIDE_NAMES, answer_from, flag_words, skip_reason_label, values_from, values_of
from annotator.views.judge_page import JudgePage, Task
from annotator.views.pages import is_part, paged, part, project_page, signed_in


@dataclass(frozen=True, slots=True)
class Row:
    """One judgment in the list."""

    judgment: Judgment
    prompt: str
    said: str
    side: str
    reasons: list[str]
    words: str
    marks: int
    flag: str
    hindsight: bool

    @classmethod
    def of(cls, judgment: Judgment) -> Row:
        answer = answer_of(judgment)
        labels = judgment.project.tag_labels
        signs = {True: "+", False: "−"}
        return cls(
            judgment=judgment,
            prompt=judgment.pair.prompt.text if judgment.pair else "",
            said=_said(answer),
            side=SIDE_NAMES[answer.choice] if answer.choice in SIDES else "",
            reasons=[
                f"{SIDE_NAMES[tag.side].upper()} {signs[tag.good]} {labels.get(tag.tag, tag.tag)}"
                for tag in answer.tags
            ],
            words=answer.text,
            marks=len(answer.marks),
            flag=flag_words(judgment),
            hindsight=judgment.occasion == HINDSIGHT,
        )


@require_GET
@login_required
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """All of the caller's judgments in the project."""
    access, annotator = _judging(request, slug)
    query, choice = request.GET.get("q", ""), request.GET.get("choice", "")
    rows = own_judgments(annotator, query=query, choice=choice)
    page = paged(rows, request)
    for each in page:
        each.project = annotator.project
    context = {
        "page": page,
        "rows": [Row.of(each) for each in page],
        "query": query,
        "choice": choice,
        "choices": _filters(),
        "steady": steadiness(annotator),
        "kept": [_kept(draft) for draft in kept_drafts(annotator)[:20]],
    }
    if is_part(request, "own"):
        return part(request, access, "annotator/_history_rows.html", context, target="own")
    return project_page(request, access, "annotator/history.html", context, section="history")


@require_http_methods(["GET", "POST"])
@login_required
def revise_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One judgment as its annotator saw the pair; sending the form makes the next revision."""
    access, annotator = _judging(request, slug)
    judgment = _own(annotator, pk)
    if request.method == "GET":
        return _edit(request, access, judgment, _last_said(judgment))
    try:
        revise(
            annotator=annotator,
            judgment_id=pk,
            client_key=_client_key(request),
            answer=answer_from(request.POST),
        )
    except Invalid as error:
        return _edit(request, access, judgment, values_from(request.POST), error=error)
    messages.success(request, _("The judgment is changed. What you said before is kept as an earlier revision."))
    return redirect("history", slug)


@require_POST
@login_required
def withdraw_one(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take a judgment back for good; editing it brings it back."""
    _access, annotator = _judging(request, slug)
    withdraw(annotator=annotator, judgment_id=_own(annotator, pk).pk, client_key=_client_key(request))
    messages.success(request, _("The judgment is withdrawn: it counts for nothing. Edit it to bring it back."))
    return redirect("history", slug)


def _judging(request: HttpRequest, slug: str) -> tuple[Access, Annotator]:
    return judge_of(user=signed_in(request), slug=slug)


def _own(annotator: Annotator, pk: int) -> Judgment:
    found = own_judgments(annotator).filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no judgment {pk} of yours that stands; it may have been changed since.")
    found.project = annotator.project
    return found


def _client_key(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("client_key", ""))
    except ValueError:
        problem = _("The form’s key is missing: open the page again.")
        raise Invalid(problem, fields={"client_key": problem}) from None


def _last_said(judgment: Judgment) -> dict[str, Any]:
    """What the form begins with: of a withdrawn judgment, what had been said before."""
    if judgment.withdrawn:
        before = Judgment.objects.filter(
            annotator=judgment.annotator_id, pair=judgment.pair_id, occasion=judgment.occasion, withdrawn=False
        )
        said = before.select_related("pair", "rationale", "flag").order_by("-revision").first()
        judgment = said or judgment
    return values_of(answer_of(judgment), _texts(judgment))


def _texts(judgment: Judgment) -> dict[Side, str]:
    pair = judgment.pair
    assert pair is not None
    return dict(shown_texts(pair.response_a_id, pair.response_b_id, swapped=judgment.swapped))


def _edit(
    request: HttpRequest, access: Access, judgment: Judgment, values: dict[str, Any], error: Invalid | None = None
) -> HttpResponse:
    user: User = signed_in(request)
    assert judgment.pair is not None
    page = JudgePage(access.project, user, progress_of(judgment.annotator), values=values, revises=judgment)
    page.task = _task(judgment, judgment.pair, access.project.slug, values)
    if error:
        page.note, page.note_kind = str(error), "neg"
    context = {
        "page": page,
        "judgment": judgment,
    }
    status = error.status if error else 200
    return project_page(request, access, "annotator/history_revise.html", context, section="history", status=status)


def _task(judgment: Judgment, pair: Pair, slug: str, values: dict[str, Any]) -> Task:
    a, b = (Content.of_row(slug, each) for each in (pair.response_a, pair.response_b))
    left, right = (b, a) if judgment.swapped else (a, b)
    key = uuid.UUID(int=judgment.pk)
    return Task.showing(key, pair.prompt.messages, left, right, values, hindsight=judgment.occasion == HINDSIGHT)


def _said(answer: Answer) -> str:
    if answer.choice == "skip":
        reason = skip_reason_label(answer.skip_reason)
        return _("Skipped: %(reason)s") % {"reason": reason} if reason else _("Skipped")
    if answer.choice in SIDES:
        strength = {1: _("slightly better"), 3: _("much better")}.get(answer.strength or 2, _("better"))
        return f"{SIDE_NAMES[answer.choice].upper()} {strength}"
    return {"tie": _("About equal"), "both_good": _("Both good"), "both_bad": _("Both bad")}[answer.choice]


def _filters() -> list[tuple[str, str]]:
    return [
        ("", _("all")),
        ("tie", _("about equal")),
        ("both_good", _("both good")),
        ("both_bad", _("both bad")),
        ("skip", _("skipped")),
        ("flagged", _("flagged")),
        ("withdrawn", _("withdrawn")),
    ]


def _kept(draft: Draft) -> dict[str, Any]:
    values = draft.values
    reasons = sum(len(values.get(name, ())) for name in ("a_good", "a_bad", "b_good", "b_bad", "mark"))
    return {
        "prompt": draft.assignment.pair.prompt.text,
        "words": values.get("rationale", ""),
        "reasons": ngettext("%d reason or mark", "%d reasons or marks", reasons) % reasons if reasons else "",
        "at": draft.updated_at,
    }
