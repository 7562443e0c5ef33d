"""Rankings and ratings move a person's latent at once, count as what they tell, and are frozen with the pairs."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest

from annotator.models import Annotator, Judgment, Lineup, Project, Response
from annotator.selectors import evidence
from annotator.selectors.evidence import Standing
from personalization.contexts import context_of
from personalization.latents import latent_for
from tests.factories import make_annotator, make_lineup, make_pair, make_project, make_prompt, make_response
from tests.personalization.worlds import item_of, judge, make_version
from training.serving import ServedVersion, load_model
from training.snapshots import load_snapshot, take_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(kinds=["pair", "ranking", "rating"])


@pytest.fixture
def annotator(project: Project) -> Annotator:
    return make_annotator(project)


def say(annotator: Annotator, lineup: Lineup, **fields: Any) -> Judgment:
    defaults: dict[str, Any] = {"kind": lineup.kind, "shown": list(range(1, len(lineup.responses) + 1))}
    if "ranking" in fields:
        defaults["choice"] = "ranked"
    if "rating" in fields:
        defaults |= {"choice": "rated", "scale": "1-5"}
    return Judgment.objects.create(
        project=annotator.project, annotator=annotator, lineup=lineup, client_key=uuid.uuid4(), **defaults | fields
    )


def version_of(project: Project) -> ServedVersion:
    return make_version(project, list(Response.objects.filter(prompt__project=project)))


def counted(annotator: Annotator) -> list[Standing]:
    return [each for each in evidence.standing(annotator.pk) if each.counts]


def test_a_ranking_is_all_of_its_comparisons_and_counts_as_one_less_than_its_responses(
    project: Project, annotator: Annotator
) -> None:
    lineup = make_lineup(project, 4)
    one, two, three, four = lineup.responses
    say(annotator, lineup, ranking=[[3], [1, 4], [2]], shown=[4, 3, 2, 1])
    rows = {(each.response_a_id, each.response_b_id): each for each in counted(annotator)}
    assert {pair: row.choice for pair, row in rows.items()} == {
        (one, two): "a",
        (one, three): "b",
        (one, four): "tie",
        (two, three): "b",
        (two, four): "b",
        (three, four): "a",
    }
    assert sum(row.weight for row in rows.values()) == pytest.approx(3)
    assert all(row.swapped for row in rows.values())  # the younger was shown first


def test_ratings_of_one_prompt_are_compared_on_the_same_scale(project: Project, annotator: Annotator) -> None:
    prompt = make_prompt(project)
    responses = [make_response(prompt) for _ in range(4)]
    lineups = [
        Lineup.objects.create(project=project, prompt=prompt, kind="rating", responses=[each.pk]) for each in responses
    ]
    for lineup, rating in zip(lineups[:3], (4, 2, 4), strict=True):
        say(annotator, lineup, rating=rating)
    say(annotator, lineups[3], rating=9, scale="0-10")
    say(annotator, make_lineup(project, 1), rating=1)
    say(make_annotator(project), lineups[3], rating=1)
    found = [(each.response_a_id, each.response_b_id, each.choice, each.weight) for each in counted(annotator)]
    one, two, three = (each.pk for each in responses[:3])
    assert found == [(one, two, "a", 1.0), (one, three, "tie", 0.5), (two, three, "b", 0.5)]


def test_the_latent_moves_with_a_ranking_and_back(project: Project, annotator: Annotator) -> None:
    lineup = make_lineup(project, 3)
    version = version_of(project)
    best, worst = (Response.objects.get(pk=lineup.responses[n]) for n in (1, 2))
    difference = item_of(version, best) - item_of(version, worst)

    def margin() -> float:
        return float(difference @ latent_for(annotator_id=annotator.pk, served=version).mean[:3])

    before = margin()
    said = say(annotator, lineup, ranking=[[2], [1], [3]])
    after = margin()
    assert after > before
    assert latent_for(annotator_id=annotator.pk, served=version).n == 2
    Judgment.objects.filter(pk=said.pk).update(current=False)
    say(annotator, lineup, ranking=[[3], [1], [2]], revision=2)
    assert margin() < before
    Judgment.objects.filter(current=True).update(current=False)
    say(annotator, lineup, ranking=[[3], [1], [2]], revision=3, withdrawn=True)
    assert margin() == pytest.approx(before)


def test_what_is_added_is_read_alone_among_all_kinds(project: Project, annotator: Annotator) -> None:
    lineups = [make_lineup(project, 3), make_lineup(project, 1)]
    pair = make_pair(project)
    version = version_of(project)
    model = load_model(version)

    def read() -> tuple[int, float, str]:
        ids = list(annotator.judgments.filter(current=True).values_list("pk", flat=True))
        signature = f"{len(ids)}:{sum(ids)}"
        found = context_of(annotator_id=annotator.pk, model=model, served=version, signature=signature)
        assert found.signature == signature
        return len(found.comparisons), found.judgments, signature

    say(annotator, lineups[0], ranking=[[1], [2], [3]])
    assert read()[:2] == (3, pytest.approx(2))
    say(annotator, lineups[1], rating=2)
    assert read()[:2] == (3, pytest.approx(2))
    judge(annotator, pair, "a")
    assert read()[:2] == (4, pytest.approx(3))
    whole = context_of(annotator_id=annotator.pk, model=model, served=version)
    assert [each.weight for each in whole.comparisons] == pytest.approx([2 / 3] * 3 + [1])


def test_a_ranking_weighs_what_its_choices_weigh(project: Project, annotator: Annotator) -> None:
    """A ranking of three is worth two pairs: its posterior is nearer to theirs than to that of three pairs."""
    lineup = make_lineup(project, 3)
    version = version_of(project)
    model = load_model(version)
    say(annotator, lineup, ranking=[[1], [2], [3]])
    found = list(context_of(annotator_id=annotator.pk, model=model, served=version).comparisons)
    full = model.adapt([type(each)(each.item_a, each.item_b, each.choice) for each in found])
    weighted = model.adapt(found)
    assert np.trace(weighted.cov) > np.trace(full.cov)


def test_everything_is_frozen_in_the_order_of_judging(project: Project, annotator: Annotator) -> None:
    lineup = make_lineup(project, 3)
    judge(annotator, make_pair(project), "a")
    say(annotator, lineup, ranking=[[1], [2, 3]])
    judge(annotator, make_pair(project), "b")
    snapshot = take_snapshot(project=project)
    frozen = load_snapshot(snapshot)
    assert [each.choice for each in frozen.judgments] == ["a", "a", "a", "tie", "b"]
    assert [round(each.weight, 3) for each in frozen.judgments] == [1, 0.667, 0.667, 0.667, 1]
    assert snapshot.counts["judgments"] == 3
    assert {str(pk) for pk in lineup.responses} <= set(frozen.responses)
    assert take_snapshot(project=project).digest == snapshot.digest
