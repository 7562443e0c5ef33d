"""What the profile page shows of one annotator. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.paginator import Page, Paginator
from django.utils.translation import gettext_lazy

from annotator.models import Annotator, Judgment, Pair, Project, Response
from annotator.services.answers import as_shown, lineup_words
from personalization.charts import SharePoint, wilson
from personalization.dissecting import Dissected, dissected
from personalization.items import items_of_responses, load, usable
from personalization.latents import Person, find_person
from personalization.traits import Trait, traits_of
from training.serving import ServedVersion, live_version

ENOUGH = 10
"""With fewer guesses than this, the page says that it can't tell yet."""
LATELY = 50
WINDOW = 20
LONGEST_RECORD = 2_000
POINTS = 40
ROWS_PER_PAGE = 25
SAID = ("spans", "aspect_ratings__aspect", "aspect_comparisons__aspect")

WORDS = {
    "left": "A",
    "right": "B",
    "tie": gettext_lazy("About equal"),
    "both_good": gettext_lazy("Both good"),
    "both_bad": gettext_lazy("Both bad"),
    "skip": gettext_lazy("Skipped"),
    "na": gettext_lazy("Not on this scale"),
}
STRENGTHS = {
    1: gettext_lazy("slightly better"),
    2: gettext_lazy("better"),
    3: gettext_lazy("much better"),
    None: gettext_lazy("better"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """How often the guesses made before each judgment were right, and how often the pooled model would have been.

    Over the last ``of`` preferences: ``right`` by the personal model, at the time; ``pooled`` by the pooled model of the
    live version, which has learnt from these judgments since. ``points`` are shares over the last ``WINDOW`` each.
    """

    of: int
    right: float
    low: float
    high: float
    pooled: float
    points: list[SharePoint]

    @property
    def ahead(self) -> bool | None:
        """Better than the pooled model, worse, or (None) not to be told apart at 80 %."""
        return None if self.low <= self.pooled <= self.high else self.right > self.pooled


@dataclass(frozen=True, slots=True)
class Profile:
    """An annotator under the live version; ``served`` and ``person`` are None before there is one."""

    annotator: Annotator
    served: ServedVersion | None
    person: Person | None
    traits: list[Trait]
    dissected: list[Dissected]
    record: Record | None
    judgments: int

    @property
    def known(self) -> list[Trait]:
        """The traits that are certain, strongest first."""
        return sorted((each for each in self.traits if each.known), key=lambda each: -abs(each.estimate))

    @property
    def machines(self) -> bool:
        """Simulated annotators have been looked at beside people."""
        return any(each.machines for each in self.dissected)

    @property
    def unknown(self) -> list[Trait]:
        return [each for each in self.traits if not each.known]


def annotator_called(*, project: Project, ref: str) -> Annotator | None:
    """The project's annotator of that reference. An address may hold a NUL, the database can't."""
    return None if "\0" in ref else Annotator.objects.filter(project=project, ref=ref).first()


def profile_of(annotator: Annotator) -> Profile:
    """Everything above the list of judgments. Raises ``ModelUnusable``."""
    standing = annotator.judgments.filter(current=True, withdrawn=False).exclude(choice=Judgment.Choice.SKIP).count()
    served = live_version(annotator.project_id)
    person = find_person(served=served, pk=annotator.pk) if served else None
    if served is None or person is None:
        return Profile(annotator, served, person, [], [], None, standing)
    found = dissected(annotator_id=annotator.pk, served=served) if person.latent.n else []
    of_model = traits_of(served, person.latent) if person.latent.n and not found else []
    traits = [each.said or each.trait for each in found] or of_model
    return Profile(annotator, served, person, traits, found, guess_record(annotator.pk, served), standing)


def guess_record(annotator_id: int, served: ServedVersion) -> Record | None:
    """The record over the preferences that had been guessed, first looks only; None with fewer than ``ENOUGH``, and under
    a model that is too slow to guess all of them again for everybody."""
    guessed = Judgment.objects.filter(
        annotator_id=annotator_id,
        current=True,
        withdrawn=False,
        occasion=0,
        guess__isnull=False,
        choice__in=[Judgment.Choice.A, Judgment.Choice.B],
    ).order_by("-pk")
    columns = guessed.values_list("guess", "choice", "pair__response_a_id", "pair__response_b_id")
    rows: list[Any] = list(columns[:LONGEST_RECORD])[::-1]
    model = load(served)
    if not model.quick:
        return None
    items = items_of_responses(model=model, served=served, ids={pk for row in rows for pk in row[2:]})
    rows = [row for row in rows if row[2] in items and row[3] in items]
    if len(rows) < ENOUGH:
        return None
    with usable(served):
        a, b = (np.stack([items[row[column]] for row in rows]) for column in (2, 3))
        pooled = model.probability(model.prior(), a, b)
    chose_a = np.array([row[1] == "a" for row in rows])
    return _record(_hits(np.array([row[0] for row in rows]), chose_a), _hits(pooled, chose_a))


def _hits(guess: np.ndarray[Any, Any], chose_a: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1 where the guess was right, 0 where it was wrong, a half where it leant to neither."""
    return np.where(guess == 0.5, 0.5, (guess > 0.5) == chose_a).astype(float)


def _record(own: np.ndarray[Any, Any], pooled: np.ndarray[Any, Any]) -> Record:
    last = min(len(own), LATELY)
    right, of = float(own[-last:].sum()), last
    low, high = wilson(right, of)
    counts = range(ENOUGH, len(own) + 1)
    chosen = {round(each) for each in np.linspace(ENOUGH, len(own), min(POINTS, len(counts)))}
    points = [_point(own, pooled, count) for count in sorted(chosen)]
    return Record(of, right / of, low, high, float(pooled[-last:].mean()), points)


def _point(own: np.ndarray[Any, Any], pooled: np.ndarray[Any, Any], count: int) -> SharePoint:
    window = slice(max(0, count - WINDOW), count)
    low, high = wilson(float(own[window].sum()), len(own[window]))
    return SharePoint(count, float(own[window].mean()), low, high, float(pooled[window].mean()))


@dataclass(frozen=True, slots=True)
class JudgmentRow:
    """A judgment as its author sees it: A is what was on the left."""

    judgment: Judgment
    prompt: str
    side: str
    said: str
    words: str
    guessed_side: str
    guessed_share: float | None
    missed: bool


def judgments_page(annotator: Annotator, number: object) -> Page[Any]:
    """One page of the annotator's judgments, newest first, as ``JudgmentRow``; withdrawn ones too."""
    current = (
        annotator.judgments.filter(current=True)
        .select_related("pair__prompt", "lineup__prompt", "rationale")
        .order_by("-pk")
    )
    page: Page[Any] = Paginator(current, ROWS_PER_PAGE).get_page(number)  # type: ignore[arg-type]
    labels = annotator.project.tag_labels
    page.object_list = [_row(judgment, labels) for judgment in page.object_list]
    return page


def _row(judgment: Judgment, labels: dict[str, str]) -> JudgmentRow:
    choice = as_shown(judgment.choice, swapped=judgment.swapped)
    side = {"left": "a", "right": "b"}.get(choice, "")
    said = (
        f"{WORDS[choice]} {STRENGTHS[judgment.strength]}" if side else str(WORDS.get(choice) or lineup_words(judgment))
    )
    guess = None if judgment.guess is None else (1 - judgment.guess if judgment.swapped else judgment.guess)
    guessed = "" if guess is None else ("a" if guess > 0.5 else "b")
    return JudgmentRow(
        judgment=judgment,
        prompt=_asked(judgment),
        side=side,
        said=said,
        words=_words(judgment, labels),
        guessed_side=guessed,
        guessed_share=None if guess is None else max(guess, 1 - guess),
        missed=bool(side and guessed and side != guessed),
    )


def _asked(judgment: Judgment) -> str:
    """The last turn of the prompt."""
    of = judgment.pair or judgment.lineup
    return str(of.prompt.messages[-1]["content"]) if of else ""


def _words(judgment: Judgment, labels: dict[str, str]) -> str:
    """The reason given: the text, else the tags."""
    rationale = getattr(judgment, "rationale", None)
    if rationale is None:
        return ""
    tags = [f"{labels.get(each['tag'], each['tag'])} {'+' if each['good'] else '−'}" for each in rationale.tags]
    return rationale.text or ", ".join(tags)


def said(judgment: Judgment) -> dict[str, Any]:
    """A revision with the texts that it is about, for its author to take along."""
    rationale, flag = getattr(judgment, "rationale", None), getattr(judgment, "flag", None)
    return {
        "id": judgment.pk,
        "kind": judgment.kind,
        "revision": judgment.revision,
        "current": judgment.current,
        "withdrawn": judgment.withdrawn,
        **_of(judgment),
        "choice": judgment.choice,
        "strength": judgment.strength,
        "skip_reason": judgment.skip_reason,
        "swapped": judgment.swapped,
        "seconds": judgment.seconds,
        "source": judgment.source,
        "guess": judgment.guess,
        "judged_at": judgment.judged_at,
        "rationale": rationale and {"text": rationale.text, "tags": rationale.tags},
        "aspects": [
            *(
                {"aspect": r.aspect.key, "response": _own(r.response_id, judgment.pair), "value": r.value}
                for r in judgment.aspect_ratings.all()
            ),
            *({"aspect": c.aspect.key, "better": c.choice} for c in judgment.aspect_comparisons.all()),
        ],
        "flag": flag and {"kind": flag.kind, "about": flag.about, "note": flag.note},
        "spans": [
            {"start": s.start, "end": s.end, "quote": s.quote, "good": s.good, "tag": s.tag, "comment": s.comment}
            for s in judgment.spans.all()
        ],
    }


def _of(judgment: Judgment) -> dict[str, Any]:
    """What was judged, and what only its kind has."""
    if pair := judgment.pair:
        return {"prompt": pair.prompt.messages, "response_a": pair.response_a.text, "response_b": pair.response_b.text}
    lineup = judgment.lineup
    assert lineup is not None  # a check constraint
    texts = Response.objects.in_bulk(lineup.responses)
    return {
        "prompt": lineup.prompt.messages,
        "responses": [texts[pk].text for pk in lineup.responses],
        "shown": judgment.shown,
        "ranking": judgment.ranking,
        "rating": judgment.rating,
        "scale": judgment.scale,
    }


def _own(response_id: int, pair: Pair | None) -> str:
    return "a" if pair and response_id == pair.response_a_id else "b"
