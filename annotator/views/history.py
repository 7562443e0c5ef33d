"""An annotator's own judgments: find one, edit it, take it back. Everything is a new revision; nothing is rewritten."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
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
from annotator.models import HINDSIGHT, Annotator, Judgment, Prompt, Response, User
from annotator.selectors.history import KeptDraft, kept_drafts, own_judgments, steadiness, steadiness_of_lineups
from annotator.selectors.progress import progress_of
from annotator.selectors.qualifying import CORRECTED_WITHIN
from annotator.services.answers import Answer, answer_of, lineup_words
from annotator.services.judging import last_said, revise, withdraw
from annotator.services.layouts import layout_of
from annotator.services.marks import SIDES, Side
from annotator.services.opinions import Opinion, opinions_after
from annotator.services.people import judge_of
from annotator.views.content import Content
from annotator.views.judge_form import (
    SIDE_NAMES,
    answer_from,
    flag_words,
    side_names,
    skip_reason_label,
    values_from,
    values_of,
)
from annotator.views.judge_page import JudgePage, Task
from annotator.views.judge_told import opinion_words
from annotator.views.pages import is_part, paged, part, project_page, signed_in

MARKS_SHOWN = 3
"""So many marked stretches of a judgment are quoted in the list; of others only the number is told."""


@dataclass(frozen=True, slots=True)
class MarkShown:
    """A stretch that was marked, as the list quotes it."""

    sign: str
    side: str
    quote: str
    note: str

    @property
    def good(self) -> bool:
        return self.sign == "+"


@dataclass(frozen=True, slots=True)
class Row:
    """One judgment in the list."""

    judgment: Judgment
    prompt: str
    said: str
    side: str
    reasons: list[str]
    words: str
    marks: list[MarkShown]
    more_marks: int
    flag: str
    hindsight: bool
    machines: str

    @classmethod
    def of(cls, judgment: Judgment, opinions: Sequence[Opinion]) -> Row:
        answer = answer_of(judgment)
        labels, names = judgment.project.tag_labels, _names(judgment)
        signs = {True: "+", False: "−"}
        return cls(
            judgment=judgment,
            prompt=_prompt_of(judgment).text,
            said=_said(answer, judgment),
            side=SIDE_NAMES[answer.choice] if answer.choice in SIDES else "",
            reasons=[
                f"{names[tag.side]} {signs[tag.good]} {labels.get(tag.tag, tag.tag)}".strip() for tag in answer.tags
            ],
            words=answer.text,
            marks=[
                MarkShown(
                    sign=signs[mark.good],
                    side=names[mark.side],
                    quote=mark.quote,
                    note=": ".join(filter(None, [labels.get(mark.tag, mark.tag), mark.comment])),
                )
                for mark in answer.marks[:MARKS_SHOWN]
            ],
            more_marks=max(0, len(answer.marks) - MARKS_SHOWN),
            flag=flag_words(judgment),
            hindsight=judgment.occasion == HINDSIGHT,
            machines=opinion_words(opinions, judgment),
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
    told = annotator.project.show_machines and signed_in(request).show_machines
    opinions = opinions_after(list(page)) if told else {}
    steady_orders, steady_ratings = steadiness_of_lineups(annotator)
    context = {
        "page": page,
        "rows": [Row.of(each, opinions.get(each.pk, ())) for each in page],
        "query": query,
        "choice": choice,
        "choices": _filters(),
        "steady": steadiness(annotator),
        "steady_orders": steady_orders,
        "steady_ratings": steady_ratings,
        "kept": [_kept(each) for each in kept_drafts(annotator)],
        "seconds": CORRECTED_WITHIN.seconds,
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
        raise NotFound(
            _("There is no judgment %(pk)s of yours that stands; it may have been changed since.") % {"pk": pk}
        )
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
        judgment = last_said(judgment)
    return values_of(answer_of(judgment), layout_of(judgment).texts())


def _prompt_of(judgment: Judgment) -> Prompt:
    target = judgment.pair or judgment.lineup
    assert target is not None  # a check constraint
    return target.prompt


def _names(judgment: Judgment) -> dict[Side, str]:
    """How people call what was on the screen; the one response of a rating needs no name."""
    if judgment.kind == Judgment.Kind.RATING:
        return {"1": ""}
    names = side_names(judgment.kind, len(judgment.shown))
    return {side: name.upper() for side, name in names.items()}


def _edit(
    request: HttpRequest, access: Access, judgment: Judgment, values: dict[str, Any], error: Invalid | None = None
) -> HttpResponse:
    user: User = signed_in(request)
    page = JudgePage(access.project, user, progress_of(judgment.annotator), values=values, revises=judgment)
    page.task = _task(judgment, access.project.slug, values)
    if error:
        page.note, page.note_kind = str(error), "neg"
    context = {
        "page": page,
        "judgment": judgment,
    }
    status = error.status if error else 200
    return project_page(request, access, "annotator/history_revise.html", context, section="history", status=status)


def _task(judgment: Judgment, slug: str, values: dict[str, Any]) -> Task:
    layout = layout_of(judgment)
    rows = Response.objects.select_related("picture").in_bulk(layout.responses)
    contents = {side: Content.of_row(slug, rows[pk]) for side, pk in layout.response_of.items()}
    key, hindsight = uuid.UUID(int=judgment.pk), judgment.occasion == HINDSIGHT
    return Task.showing(judgment.kind, key, _prompt_of(judgment).messages, contents, values, hindsight=hindsight)


def _said(answer: Answer, judgment: Judgment) -> str:
    if answer.choice == "skip":
        reason = skip_reason_label(answer.skip_reason)
        return _("Skipped: %(reason)s") % {"reason": reason} if reason else _("Skipped")
    if answer.choice in SIDES:
        strength = {1: _("slightly better"), 3: _("much better")}.get(answer.strength or 2, _("better"))
        return f"{SIDE_NAMES[answer.choice].upper()} {strength}"
    others = {"tie": _("About equal"), "both_good": _("Both good"), "both_bad": _("Both bad")}
    return others.get(answer.choice) or lineup_words(judgment)


def _filters() -> list[tuple[str, str]]:
    return [
        ("", _("all")),
        ("tie", _("about equal")),
        ("both_good", _("both good")),
        ("both_bad", _("both bad")),
        ("ranked", _("put in order")),
        ("rated", _("rated")),
        ("skip", _("skipped")),
        ("flagged", _("flagged")),
        ("withdrawn", _("withdrawn")),
    ]


def _kept(kept: KeptDraft) -> dict[str, Any]:
    draft, values = kept.draft, kept.draft.values
    whys = {
        "withdrawn": _("The owner withdrew it while you had it."),
        "undone": _("You took your answer back and gave no other before its time was over."),
        "followed": _("The judgment that this second look belongs to was taken back."),
        "ended": _("Its time was over before you sent it."),
    }
    lists = [value for name, value in values.items() if name == "mark" or name.endswith(("_good", "_bad"))]
    reasons = sum(map(len, lists))
    task = draft.assignment.pair or draft.assignment.lineup
    return {
        "prompt": task.prompt.text if task else "",
        "words": values.get("rationale", ""),
        "reasons": ngettext("%d reason or mark", "%d reasons or marks", reasons) % reasons if reasons else "",
        "at": draft.updated_at,
        "why": whys[kept.why],
        "judgment": kept.judgment,
    }
