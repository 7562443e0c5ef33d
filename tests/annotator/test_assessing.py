"""The quality report end to end: from judgments in the database to what pages and exports read."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from annotator.models import (
    Annotator,
    AnnotatorQuality,
    Aspect,
    AspectComparison,
    AspectRating,
    Judgment,
    Pair,
    Project,
    QualityReport,
)
from annotator.selectors.judged import groups_of, signature_of
from annotator.services.assessing import assess, assess_due
from annotator.services.fits import keep_fits
from annotator.services.gold import set_gold
from tests.factories import make_annotator, make_pair, make_project, make_prompt

pytestmark = pytest.mark.django_db

STEADY = ("one", "two", "three", "four", "five", "six", "seven")


def say(annotator: Annotator, pair: Pair, choice: str, **fields: object) -> Judgment:
    return Judgment.objects.create(
        project=annotator.project, annotator=annotator, pair=pair, choice=choice, client_key=uuid4(), **fields
    )


@pytest.fixture
def project() -> Project:
    """Eighty pairs on two topics. Seven people mostly agree, one is of the opposite taste, one is a coin."""
    project = make_project()
    rng = np.random.default_rng(4)
    for n in range(80):
        make_pair(
            project, prompt=make_prompt(project, topic="kitchen" if n % 2 else "garden"), a="Short.", b="A longer one."
        )
    for name in (*STEADY, "contrary", "coin"):
        annotator = make_annotator(project, ref=name)
        for n, pair in enumerate(Pair.objects.order_by("pk")):
            truth = "a" if n % 4 < 2 else "b"
            other = "b" if truth == "a" else "a"
            steady = truth if rng.random() < 0.9 else other
            choice = {"contrary": other, "coin": "ab"[rng.integers(2)]}.get(name, steady)
            say(annotator, pair, choice, strength=1 + n % 3, seconds=10 + n, swapped=bool(n % 2))
        right, pooled = {"contrary": (36, 5), "coin": (19, 20)}.get(name, (35, 34))
        keep_fits(version="hybrid", signature="x", fits={annotator.pk: (right, pooled, 40)})
    return project


def verdicts() -> dict[str, str]:
    return dict(AnnotatorQuality.objects.values_list("annotator__ref", "verdict"))


def test_a_report_of_people(project: Project) -> None:
    assert assess(project=project)
    report = QualityReport.objects.get()
    people = report.body["people"]
    assert set(report.body) == {"people"}
    assert (people["annotators"], people["judgments"]) == (9, 720)
    assert people["nominal"]["units"] == people["ordinal"]["units"] == 80
    assert (
        people["nominal"]["alpha"]["low"]
        < people["nominal"]["alpha"]["estimate"]
        < people["nominal"]["raw"]["estimate"]
    )
    assert {row["topic"] for row in people["topics"]} == {"kitchen", "garden"}
    assert people["left"]["of"] == people["longer"]["of"] == 720
    assert people["gold"] is people["same"] is None
    assert verdicts() == {
        **dict.fromkeys(STEADY, "typical"),
        "contrary": "contrary",
        "coin": "inconsistent",
    }
    figures = AnnotatorQuality.objects.get(annotator__ref="contrary").figures
    assert figures["fit"]["estimate"] == 0.9
    assert figures["pooled_fit"]["estimate"] == 0.125
    assert figures["others"]["high"] < 0.5
    assert figures["earned"]["of"] == 80


def test_aggregates_of_each_pair(project: Project) -> None:
    assess(project=project)
    aggregates = QualityReport.objects.get().aggregates
    pairs = list(Pair.objects.order_by("pk"))
    said = list(pairs[0].judgments.values_list("choice", flat=True))
    assert aggregates[str(pairs[0].pk)]["votes"] == [said.count("a"), said.count("b"), 0, 0, 0]
    for method in ("majority", "dawid_skene", "mace"):
        found = "".join(aggregates[str(pair.pk)][method][0] for pair in pairs)
        assert sum(one == other for one, other in zip(found, "aabb" * 20, strict=True)) >= 70
    assert len(aggregates) == 80


def test_simulated_annotators_are_a_group_of_their_own(project: Project) -> None:
    Annotator.objects.filter(ref__in=["contrary", "coin"]).update(simulated=True)
    assess(project=project)
    body = QualityReport.objects.get().body
    assert (body["people"]["annotators"], body["simulated"]["annotators"]) == (7, 2)
    # A pair's aggregate is what people say, even where simulated annotators judged it too.
    assert sum(QualityReport.objects.get().aggregates[str(Pair.objects.earliest("pk").pk)]["votes"]) == 7


def test_gold_repeats_reasons_and_ratings(project: Project) -> None:
    pair = Pair.objects.earliest("pk")
    set_gold(pair=pair, choice="a", by=None)
    annotator = Annotator.objects.get(ref="contrary")
    say(annotator, pair, "b", occasion=1)
    aspect = Aspect.objects.create(project=project, key="tone", name="Tone", steps=5)
    for judgment in pair.judgments.filter(occasion=0):
        AspectRating.objects.create(judgment=judgment, aspect=aspect, response=pair.response_a, value=4)
        AspectRating.objects.create(judgment=judgment, aspect=aspect, response=pair.response_b, value=2)
    assess(project=project)
    people = QualityReport.objects.get().body["people"]
    assert (people["gold"]["of"], people["same"]["of"], people["same"]["estimate"]) == (9, 1, 1.0)
    assert people["aspects"][0]["aspect"] == "Tone"
    assert people["aspects"][0]["ordinal"]["alpha"]["estimate"] == 1.0
    assert AnnotatorQuality.objects.get(annotator=annotator).figures["gold"]["estimate"] == 0.0


def test_aspects_that_are_compared(project: Project) -> None:
    tone = Aspect.objects.create(project=project, key="tone", name="Tone", way="compare")
    for n, judgment in enumerate(
        Judgment.objects.filter(annotator__ref__in=STEADY[:2], pair__in=Pair.objects.all()[:6])
    ):
        AspectComparison.objects.create(judgment=judgment, aspect=tone, choice=("a", "tie", "na")[n % 3])
    assess(project=project)
    (found,) = QualityReport.objects.get().body["people"]["aspects"]
    assert (found["aspect"], found["ordinal"]["answers"] >= 2) == ("Tone", True)


def test_reports_are_made_when_something_changed_and_not_before(project: Project) -> None:
    assert assess_due() == 1
    assert assess_due() == 0
    QualityReport.objects.update(computed_at=timezone.now() - timedelta(hours=1))
    assert assess_due() == 0  # nothing is new
    for change in (
        lambda: say(Annotator.objects.earliest("pk"), make_pair(project), "a"),
        lambda: set_gold(pair=Pair.objects.earliest("pk"), choice="b", by=None),
        lambda: keep_fits(version="hybrid", signature="y", fits={Annotator.objects.earliest("pk").pk: (1, 1, 9)}),
    ):
        before = signature_of(project)
        change()
        assert signature_of(project) != before
        QualityReport.objects.update(computed_at=timezone.now() - timedelta(hours=1))
        assert assess_due() == 1
    QualityReport.objects.update(seconds=1000.0)
    say(Annotator.objects.earliest("pk"), make_pair(project), "a")
    assert assess_due() == 0  # a slow one rests


def test_who_has_withdrawn_everything_has_no_figures(project: Project) -> None:
    assess(project=project)
    Judgment.objects.filter(annotator__ref="coin").update(current=False)
    assess(project=project)
    assert "coin" not in verdicts()


def test_nothing_to_report() -> None:
    assert not assess(project=make_project(pairs=2))
    assert assess_due() == 0
    assert not QualityReport.objects.exists()


def test_levels_and_sides_as_they_are_read(project: Project) -> None:
    other = make_project()
    pair = make_pair(other, a="Longer than b.", b="Short.")
    for who, (choice, strength) in enumerate([("a", 3), ("a", None), ("b", 1), ("tie", None), ("both_bad", None)]):
        say(make_annotator(other, ref=str(who)), pair, choice, strength=strength, source="import" if who else "page")
    group = groups_of(other)[False]
    order = np.argsort(group.judged.annotator)
    assert group.level[order].tolist() == [0, 1, 4, 3, -1]
    assert group.judged.sided[order].tolist() == [True, False, False, False, False]
    assert set(group.judged.longer.tolist()) == {1}
