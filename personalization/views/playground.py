"""Ranking responses by what different people would prefer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import Annotator, Project, Prompt, Role
from personalization.api.score import answer
from personalization.playground import LETTERS, MOST_PEOPLE, MOST_TEXTS, Ranking, as_curl, letters_of, rank
from personalization.scoring import ScoreRequest, score

PROMPTS_LISTED = 200
PEOPLE_LISTED = 500
PEOPLE_FIRST = 3


@dataclass(slots=True)
class Entered:
    """What the form holds."""

    prompt: str = ""
    texts: list[str] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    everybody: bool = True

    @property
    def written(self) -> list[str]:
        return [text for text in self.texts if text.strip()]


@require_http_methods(["GET", "POST"])
@login_required
def playground(request: HttpRequest, slug: str) -> HttpResponse:
    """For owners and viewers. A GET with a prompt's id ranks its responses; a POST ranks what was written."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    entered = _posted(request) if request.method == "POST" else _prefilled(request, access)
    ranking, error = (None, None) if request.POST.get("act") == "add" else _ranked(access, entered)
    if request.POST.get("act") == "add" or not entered.texts:
        entered.texts = [*entered.texts, "", ""][: max(2, len(entered.texts) + 1)]
    context = _context(request, access, entered, ranking) | {"error": error}
    status = error.status if error and request.method == "POST" else 200
    return render(request, "personalization/playground.html", context, status=status)


def _posted(request: HttpRequest) -> Entered:
    texts = [text.replace("\r\n", "\n") for text in request.POST.getlist("response")[:MOST_TEXTS]]
    refs = [ref.strip() for ref in request.POST.getlist("person") if ref.strip()]
    prompt = request.POST.get("prompt", "").replace("\r\n", "\n")
    return Entered(prompt, texts, list(dict.fromkeys(refs)), "everybody" in request.POST)


def _prefilled(request: HttpRequest, access: Access) -> Entered:
    """A prompt of the project with its responses, and the people asked for (or those who have judged most)."""
    refs = [ref for ref in dict.fromkeys(request.GET.getlist("person")) if ref][:MOST_PEOPLE]
    entered = Entered(refs=refs or _busiest(access.project))
    chosen, prompts = request.GET.get("prompt", ""), access.project.prompts.filter(responses__isnull=False)
    found = prompts.filter(pk=int(chosen)) if chosen.isdecimal() and len(chosen) < 19 else prompts.order_by("pk")
    if prompt := found.first():
        entered.prompt = prompt.text
        entered.texts = list(prompt.responses.values_list("text", flat=True)[:MOST_TEXTS])
    return entered


def _busiest(project: Project) -> list[str]:
    stands = Q(judgments__current=True, judgments__withdrawn=False)
    busiest = project.annotators.annotate(stands=Count("judgments", filter=stands)).order_by("-stands", "pk")
    return list(busiest.values_list("ref", flat=True)[:PEOPLE_FIRST])


def _ranked(access: Access, entered: Entered) -> tuple[Ranking | None, AnnotatorError | None]:
    """The ranking, or what keeps it from being made; the form stays as it was either way."""
    if not entered.texts:
        return None, None
    try:
        return rank(
            access=access,
            prompt=entered.prompt,
            texts=entered.written,
            refs=entered.refs,
            everybody=entered.everybody,
        ), None
    except AnnotatorError as error:
        return None, error


def _context(request: HttpRequest, access: Access, entered: Entered, ranking: Ranking | None) -> dict[str, Any]:
    people = Annotator.objects.filter(project=access.project).order_by("pk")
    return {
        "access": access,
        "project": access.project,
        "section": "playground",
        "entered": entered,
        "fields": list(zip(_field_letters(entered.texts), entered.texts, strict=True)),
        "may_add": len(entered.texts) < len(LETTERS),
        "people": [*entered.refs, *[""] * (MOST_PEOPLE - len(entered.refs))],
        "listed": people.only("ref", "name", "simulated")[:PEOPLE_LISTED],
        "prompts": Prompt.objects.filter(project=access.project).only("text")[:PROMPTS_LISTED],
        "ranking": ranking,
    } | (_by_the_api(request, access, entered) if ranking else {})


def _by_the_api(request: HttpRequest, access: Access, entered: Entered) -> dict[str, str]:
    """The call of the API for the first person, and what it answers."""
    asked = ScoreRequest(
        prompt=entered.prompt,
        completions=tuple(entered.written),
        user=next(iter(entered.refs), None),
        normalize="percentile",
    )
    rewards = score(access=access, user_id=request.user.pk or 0, request=asked)
    url = request.build_absolute_uri(reverse("api_score"))
    return {
        "curl": as_curl(url=url, slug=access.project.slug, request=asked),
        "answer": json.dumps(answer(asked, rewards), indent=1, ensure_ascii=False),
    }


def _field_letters(texts: list[str]) -> list[str]:
    """The letter of each written text; the empty ones have none."""
    letters = iter(letters_of(sum(bool(text.strip()) for text in texts)))
    return [next(letters) if text.strip() else "" for text in texts]
