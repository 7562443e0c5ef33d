"""A question about one's own taste, beside the pairs: asked for by the judging page, and answered there."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotator.errors import Invalid
from annotator.services.people import judge_of
from annotator.views.pages import signed_in
from personalization.questions import answer_question, question_for


@require_http_methods(["GET", "POST"])
@login_required
def my_question(request: HttpRequest, slug: str) -> HttpResponse:
    """GET: the question as a fragment, or nothing (204). POST ``trait`` and ``value`` (empty to pass it over)."""
    access, annotator = judge_of(user=signed_in(request), slug=slug)
    if request.method == "POST":
        answer_question(annotator=annotator, trait=request.POST.get("trait", ""), value=_value(request))
        if not request.headers.get("HX-Request"):
            return redirect("judge", slug)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    question = question_for(annotator)
    if question is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return render(request, "personalization/_question.html", {"project": access.project, "question": question})


def _value(request: HttpRequest) -> float | None:
    given = request.POST.get("value", "")
    if not given:
        return None
    try:
        return float(given)
    except ValueError:
        raise Invalid(
            _("“%(given)s” is no answer.") % {"given": given[:40]}, fields={"value": _("is not a number")}
        ) from None
