"""Which ranking or rating comes next, and what the model is said to have guessed of it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from annotator.models import Annotator, Judgment, Lineup, Project, Response
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.choosing import LineupCandidate, LineupRequest
from annotator.services.judging import record
from annotator.views.judge_told import told_of
from attune import select
from personalization import choosing
from personalization.choosing_lineups import choose
from tests.factories import make_annotator, make_lineup, make_project, make_prompt, make_user
from tests.personalization.worlds import item_of, make_version
from training.serving import ServedVersion, load_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _never_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "RANDOM_SHARE", 0.0)


def version_of(project: Project) -> ServedVersion:
    return make_version(project, list(Response.objects.filter(prompt__project=project).order_by("pk")))


def asked(annotator: Annotator, lineups: list[Lineup], taken: int = 0) -> LineupRequest:
    project = annotator.project
    candidates = [
        LineupCandidate(
            each.pk,
            each.responses,
            [*Response.objects.filter(prompt=each.prompt).exclude(pk__in=each.responses).values_list("pk", flat=True)],
            taken,
        )
        for each in lineups
    ]
    return LineupRequest(project.pk, annotator.pk, "information", lineups[0].kind, project.scale, candidates)


def test_the_ranking_that_tells_most_comes_first_whatever_its_length() -> None:
    judge = make_annotator(make_project(kinds=["ranking"]))
    lineups = [make_lineup(judge.project, size) for size in (3, 4, 8, 5)]
    assert choose(asked(judge, lineups)) == [], "there is no model"
    version = version_of(judge.project)
    chosen = choose(asked(judge, lineups))
    assert {each.lineup_id for each in chosen} == {each.pk for each in lineups}
    assert {(each.chosen_by, each.guess_version) for each in chosen} == {("information", version.label)}
    model, worth = load_model(version), {}
    for lineup in lineups:
        items = np.stack([item_of(version, Response.objects.get(pk=pk)) for pk in lineup.responses])
        one, two = np.array(list(combinations(range(len(items)), 2))).T
        told = select.gain(*model.margin(model.prior(), items[one], items[two]))
        worth[lineup.pk] = 2 / len(items) * told.sum() / len(items)
    assert [each.lineup_id for each in chosen] == sorted(worth, key=lambda pk: -worth[pk])


def test_a_ranking_is_guessed_and_told_after_it() -> None:
    judge = make_annotator(make_project(kinds=["ranking"], choosing="information"))
    lineup = make_lineup(judge.project, 3)
    version_of(judge.project)
    task = next_task(annotator=judge)
    assert task is not None
    guesses = judge.assignments.get().guesses
    assert guesses is not None
    reward = dict(zip(lineup.responses, guesses, strict=True))
    best = sorted(task.shown, key=lambda place: -reward[task.shown[place].response_id])
    answer = Answer(choice="ranked", ranking=tuple((place,) for place in best))
    said = record(annotator=judge, assignment_key=task.key, client_key=uuid.uuid4(), answer=answer).judgment
    assert said.guesses == guesses
    told = told_of(Judgment.objects.get(), judge.project, make_user(), task.progress.guesses)
    assert told is not None
    letters = "".join("WXY"[int(place) - 1] for place in best)
    assert told.said == f"Your model guessed {' › '.join(letters)}"
    assert told.record == "· 3 of 3 couples as you have them"
    assert told_of(Judgment.objects.get(), judge.project, make_user(show_guess=False), task.progress.guesses) is None


def rate(rater: Annotator, lineup: Lineup, rating: int) -> None:
    about = {"kind": "rating", "choice": "rated", "rating": rating, "scale": "1-5", "client_key": uuid.uuid4()}
    Judgment.objects.create(project=rater.project, annotator=rater, lineup=lineup, **about)


def test_a_rating_is_guessed_once_five_were_given() -> None:
    rater = make_annotator(make_project(kinds=["rating"], choosing="information"))
    lineups = []
    for _ in range(7):
        prompt = make_prompt(rater.project)
        lineups += [make_lineup(rater.project, 1, prompt=prompt) for _ in range(2)]
    version_of(rater.project)
    as_a_ranking = LineupRequest(rater.project_id, rater.pk, "listed", "ranking", "1-5", [])
    rewards = {}
    for lineup in lineups:
        (found,) = choose(replace(as_a_ranking, candidates=[LineupCandidate(lineup.pk, lineup.responses, [], 0)]))
        assert found.guesses is not None
        rewards[lineup.pk] = found.guesses[0]
    for one, two in zip(lineups[:6:2], lineups[1:6:2], strict=True):
        assert choose(asked(rater, lineups[6:]))[0].guesses is None
        for lineup, other in ((one, two), (two, one)):
            rating = 5 if rewards[lineup.pk] > rewards[other.pk] else 1
            rate(rater, lineup, rating)
    guesses = {each.lineup_id: each.guesses[0] for each in choose(asked(rater, lineups[6:])) if each.guesses}
    assert len(guesses) == 8
    assert all(1 <= guess <= 5 for guess in guesses.values())
    first, second = lineups[6].pk, lineups[7].pk  # to the same prompt
    assert (guesses[first] > guesses[second]) == (rewards[first] > rewards[second])
    task = next_task(annotator=rater)
    assert task is not None
    answer = Answer(choice="rated", rating=3)
    said = record(annotator=rater, assignment_key=task.key, client_key=uuid.uuid4(), answer=answer).judgment
    told = told_of(said, rater.project, make_user(), task.progress.guesses)
    assert told is not None
    assert told.said.endswith(", and you said 3")
