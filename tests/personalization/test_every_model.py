"""Every registered model end to end: fitted by a run, promoted, adapted to people, scoring, choosing and shown on pages."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from annotator.access import project_for
from annotator.models import Annotator, Pair, Project
from annotator.services.choosing import Candidate, ChoiceRequest
from attune.rewards import model_class, names
from personalization.choosing import choose
from personalization.latents import find_person
from personalization.scoring import ScoreRequest, score
from personalization.sweeping import backfill
from tests.attune.conftest import SMALL
from tests.factories import ThreePeople, login, make_people
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.registry import promote
from training.runs import start_run
from training.serving import live_version

pytestmark = pytest.mark.django_db(transaction=True)  # a fit may outlive a heartbeat, which has its own connection

TINY: dict[str, dict[str, object]] = SMALL | {"ensemble": {"members": ["bradley_terry", "mixture"]}}


@pytest.fixture(params=names())
def people(request: pytest.FixtureRequest, transactional_db: None) -> ThreePeople:
    """A project whose live model is of that kind."""
    project = make_tasteful_project(annotators=12, prompts=16, each=12, ties=0.0)
    run = start_run(project=project, model_name=request.param, options=TINY.get(request.param, {}), send=False)
    done = execute_run(run.pk)
    assert done is not None and done.state == "done", done and done.error
    promote(version=done.version)
    return make_people(project)


def somebody(project: Project, number: int = 0) -> Annotator:
    return Annotator.objects.get(project=project, ref=f"sim-{number}")


def test_it_serves(people: ThreePeople) -> None:
    project = people.project
    served = live_version(project.pk)
    assert served is not None
    _latents_are_kept(project)
    _scores_come_from_the_person(people)
    _pairs_are_chosen(project)
    _pages_open(people)


def _latents_are_kept(project: Project) -> None:
    served = live_version(project.pk)
    assert served is not None
    annotator = somebody(project)
    first = find_person(served=served, pk=annotator.pk)
    again = find_person(served=served, pk=annotator.pk)
    assert first and again and first.updated_at == again.updated_at
    np.testing.assert_array_equal(first.latent.mean, again.latent.mean)
    assert again.latent.n == 12
    assert backfill(project_id=project.pk, version=served, until=float("inf"), again=False) == 11
    assert annotator.latents.get().version.label == served.label


def _scores_come_from_the_person(people: ThreePeople) -> None:
    pair = Pair.objects.filter(project=people.project).select_related("prompt", "response_a", "response_b").first()
    assert pair is not None
    texts = (pair.response_a.text, pair.response_b.text)
    access = project_for(people.owner, people.project.slug)
    for user in (None, "sim-0", "sim-3"):
        asked = ScoreRequest(prompt=pair.prompt.text, completions=texts, user=user)
        rewards = score(access=access, user_id=people.owner.pk, request=asked)
        assert rewards.n_judgments == (0 if user is None else 12)
        assert np.isfinite(rewards.mean).all() and all(std >= 0 for std in rewards.std)


def _pairs_are_chosen(project: Project) -> None:
    candidates = [
        Candidate(pair.pk, pair.response_a_id, pair.response_b_id, taken=0)
        for pair in Pair.objects.filter(project=project)
    ]
    asked = ChoiceRequest(project.pk, somebody(project).pk, Project.Choosing.INFORMATION, candidates)
    chosen = choose(asked)
    served = live_version(project.pk)
    if served and not model_class(served.model_name).quick:
        assert chosen == []  # nobody waits for it: the pairs keep the order that they came in
        return
    assert {each.pair_id for each in chosen} == {each.pair_id for each in candidates}
    assert all(each.guess is not None and 0 < each.guess < 1 for each in chosen)


def _pages_open(people: ThreePeople) -> None:
    client: Client = login(people.owner)
    slug = people.project.slug
    for name, arguments in (
        ("models", []),
        ("run", [1]),
        ("version", [1]),
        ("playground", []),
        ("annotator_profile", ["sim-3"]),
    ):
        assert client.get(reverse(name, args=[slug, *arguments])).status_code == 200
