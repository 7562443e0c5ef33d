"""How well models fit people: by folds that the model has not been shown."""

from __future__ import annotations

import time

import numpy as np
import pytest

from annotator.models import Judgment, ModelFit
from attune.rewards.base import Comparison
from personalization import tasks
from personalization.fits import cross_validated, refresh_fits
from tests.factories import make_annotator
from tests.personalization.conftest import World
from tests.personalization.worlds import judge, make_pairs, make_version, responses_of
from training.serving import load_model

pytestmark = pytest.mark.django_db


def contrary(world: World, items: int = 60, seed: int = 0) -> list[Comparison]:
    """Choices by a taste that is the opposite of the pooled one."""
    model = load_model(world.version)
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, items, 3)).astype(np.float32)
    pooled = model.probability(model.prior(), a, b) >= 0.5
    return [Comparison(x, y, "b" if for_a else "a") for x, y, for_a in zip(a, b, pooled, strict=True)]


def test_a_minoritys_own_model_guesses_it_and_the_pooled_one_does_not(world: World) -> None:
    right, pooled, of = cross_validated(load_model(world.version), contrary(world))
    assert (pooled, of) == (0, 60)
    assert right > 50


def test_a_coin_is_guessed_by_neither(world: World) -> None:
    rng = np.random.default_rng(1)
    coin = [Comparison(each.item_a, each.item_b, "ab"[rng.integers(2)]) for each in contrary(world, 200)]  # type: ignore[arg-type]
    right, pooled, of = cross_validated(load_model(world.version), coin)
    assert abs(right / of - 0.5) < 0.12
    assert abs(pooled / of - 0.5) < 0.12


def test_no_preference_is_guessed_that_was_shown(world: World) -> None:
    said = contrary(world)
    shown: list[set[int]] = []
    model = load_model(world.version)

    class Watched:
        prior, probability = model.prior, model.probability

        def adapt(self, context: list[Comparison]) -> object:
            shown.append({id(each) for each in context})
            return model.adapt(context)

    cross_validated(Watched(), said)  # type: ignore[arg-type]
    assert [len(each) for each in shown] == [48] * 5
    assert all(sum(id(each) not in fold for fold in shown) == 1 for each in said)


def test_the_sweep_renews_what_is_stale(world: World) -> None:
    pairs = make_pairs(world.project, 12)
    first = make_version(world.project, responses_of(pairs))
    for n, pair in enumerate(pairs):
        judge(world.judge, pair, "ab"[n % 2])
    judge(make_annotator(world.project), pairs[0], "a")  # too little to say anything
    tasks.sweep()
    fit = ModelFit.objects.get()
    assert (fit.annotator_id, fit.version, fit.of) == (world.judge.pk, first.label, 12)
    later = time.monotonic() + 60
    assert refresh_fits(project_id=world.project.pk, version=first, until=later) == 0
    second = make_version(world.project, responses_of(pairs), seed=8)
    assert refresh_fits(project_id=world.project.pk, version=second, until=time.monotonic() - 1) == 0
    assert refresh_fits(project_id=world.project.pk, version=second, until=later) == 1
    Judgment.objects.filter(annotator=world.judge).update(current=False)
    assert refresh_fits(project_id=world.project.pk, version=second, until=later) == 0
