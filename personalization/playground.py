"""One prompt, a few responses, and the order in which different people would like them. Reads only."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from annotator.access import Access
from annotator.errors import Invalid, NotFound
from annotator.services.texts import text_problem
from attune.data import content_digest
from attune.rewards.base import Latent
from personalization.charts import Z80, SlopeChart, Whisk, slope_chart, whisk
from personalization.items import items_of_texts, load
from personalization.latents import Person, find_person_by_ref
from personalization.scoring import ScoreRequest, scaled, version_for
from personalization.traits import traits_of
from training.serving import ServedVersion

Array = NDArray[np.float32]

LETTERS = "STUVWXYZ"
MOST_TEXTS = len(LETTERS)
MOST_PEOPLE = 4
MOST_CHARACTERS = 20_000
SURE = 0.9


@dataclass(frozen=True, slots=True)
class Place:
    """One response in a person's order; the score is its percentile among the project's responses, 0 to 100."""

    letter: str
    score: int
    low: int
    high: int
    whisk: Whisk


@dataclass(frozen=True, slots=True)
class Order:
    """One person's order (or everybody's, without a ``person``), best first.

    ``sure`` is the probability that the first is really preferred to the second.
    """

    person: Person | None
    taste: list[str]
    places: list[Place]
    sure: float

    @property
    def guess(self) -> bool:
        return self.sure < SURE

    @property
    def name(self) -> str:
        return self.person.name if self.person else "Everybody"

    @property
    def letters(self) -> str:
        return "".join(place.letter for place in self.places)


@dataclass(frozen=True, slots=True)
class Ranking:
    """All orders side by side."""

    served: ServedVersion
    orders: list[Order]
    slopes: SlopeChart
    scores: int
    encoded: int
    milliseconds: int

    @property
    def first_choices(self) -> set[str]:
        return {order.places[0].letter for order in self.orders}


def letters_of(count: int) -> str:
    """Names of the responses, away from A and B, which mean sides: the last ``count`` of the alphabet."""
    return LETTERS[-count:] if count else ""


def rank(*, access: Access, prompt: str, texts: Sequence[str], refs: Sequence[str], everybody: bool) -> Ranking:
    """Rank the texts for the annotators of these references, and for everybody if asked.

    Raises ``Invalid`` for texts, ``NotFound`` for an unknown person, and what ``scoring.score`` raises about models and
    scorers.
    """
    started = time.perf_counter()
    _check(prompt, texts, refs, everybody)
    served = version_for(access.project.pk, None)
    people = [_person(access, served, ref) for ref in refs]
    keyed = {content_digest(prompt, text): (prompt, text) for text in texts}
    found = items_of_texts(model=load(served), served=served, project_id=access.project.pk, texts=keyed)
    rows = [found[content_digest(prompt, text)] for text in texts]
    items = np.stack([item for item, _ in rows])
    orders = [_order(served, person, items) for person in ([None] if everybody else []) + people]
    return Ranking(
        served=served,
        orders=orders,
        slopes=slope_chart([(each.name, each.letters) for each in orders], letters_of(len(texts))),
        scores=len(texts) * len(orders),
        encoded=sum(not cached for _, cached in rows),
        milliseconds=round(1000 * (time.perf_counter() - started)),
    )


def _check(prompt: str, texts: Sequence[str], refs: Sequence[str], everybody: bool) -> None:
    problems = {
        "prompt": text_problem(prompt, limit=MOST_CHARACTERS) or ("" if prompt.strip() else _("Write a prompt."))
    }
    if not 1 <= len(texts) <= MOST_TEXTS:
        problems["responses"] = _("Write 1 to %(most)s responses.") % {"most": MOST_TEXTS}
    for text in texts:
        problems["responses"] = problems.get("responses") or text_problem(text, limit=MOST_CHARACTERS)
    if len(refs) > MOST_PEOPLE or not (refs or everybody):
        problems["people"] = _("Choose 1 to %(most)s people, or everybody.") % {"most": MOST_PEOPLE}
    if fields := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(" ".join(fields.values()), fields=fields)


def _person(access: Access, served: ServedVersion, ref: str) -> Person:
    person = None if "\0" in ref else find_person_by_ref(served=served, project_id=access.project.pk, ref=ref)
    if person is None:
        raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": ref})
    return person


def _order(served: ServedVersion, person: Person | None, items: Array) -> Order:
    latent = person.latent if person else load(served).prior()
    scores = scaled(served=served, latent=latent, items=items, normalize="percentile")
    raw = load(served).score(latent, items).mean  # percentiles can tie where rewards do not
    order = np.argsort(-raw, kind="stable")
    letters = letters_of(len(items))
    places = [_place(letters[index], float(scores.mean[index]), float(scores.std[index])) for index in order]
    known = sorted((each for each in traits_of(served, latent) if each.known), key=lambda each: -abs(each.estimate))
    return Order(person, [each.leaning for each in known[:2]], places, _sure(served, latent, items[order]))


def _place(letter: str, mean: float, std: float) -> Place:
    low, high = max(0.0, mean - Z80 * std), min(1.0, mean + Z80 * std)
    return Place(letter, round(100 * mean), round(100 * low), round(100 * high), whisk(mean, low, high, 0, 1))


def _sure(served: ServedVersion, latent: Latent, ordered: Array) -> float:
    if len(ordered) < 2:
        return 1.0
    mean, variance = load(served).margin(latent, ordered[:1], ordered[1:2])
    spread = sqrt(float(variance[0]))
    return (1 + erf(float(mean[0]) / spread / sqrt(2))) / 2 if spread > 0 else float(np.heaviside(mean[0], 0.5))


def as_curl(*, url: str, slug: str, request: ScoreRequest) -> str:
    """The call of the API that asks the same, for a shell."""
    body = {
        "project": slug,
        "user": request.user,
        "prompt": request.prompt,
        "completions": request.completions,
        "normalize": request.normalize,
    }
    return (
        'curl -H "Authorization: Bearer $ATTUNE_TOKEN" -H "Content-Type: application/json" \\\n'
        f"  {url} \\\n  -d {shlex.quote(json.dumps(body, ensure_ascii=False, indent=1))}"
    )
