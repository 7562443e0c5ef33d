"""Krippendorff's α: by hand, against the reference package, and that its interval covers."""

from __future__ import annotations

import uuid

import krippendorff
import numpy as np
import pytest

from annotator.models import Judgment
from annotator.selectors.quality import ENOUGH, agreement, alpha_of
from tests.factories import make_annotator, make_pair, make_project


def test_by_hand() -> None:
    # Two pairs, AA and AB. D_o = (0 + 2·4·1·1 / 1) / 4 = 2; D_e = 2·4·3·1 / (4·3) = 2, so α = 0.
    assert alpha_of(np.array([[2.0, 0, 0], [1, 0, 1]])).alpha == pytest.approx(0)  # type: ignore[union-attr]
    # AA and BB: D_o = 0, so α = 1 whatever is expected.
    assert alpha_of(np.array([[2.0, 0, 0], [0, 0, 2]])).alpha == 1  # type: ignore[union-attr]


def test_as_the_reference_package_has_it() -> None:
    random = np.random.default_rng(3)
    counts = random.multinomial(4, [0.5, 0.2, 0.3], size=60).astype(float)
    counts[:30, 0] += 2
    expected = krippendorff.alpha(value_counts=counts, value_domain=[-1, 0, 1], level_of_measurement="interval")
    found = alpha_of(counts)
    assert found
    assert found.alpha == pytest.approx(expected, abs=1e-12)
    assert (found.pairs, found.judgments) == (60, 300)


def test_swapping_the_sides_changes_nothing() -> None:
    counts = np.random.default_rng(1).multinomial(3, [0.6, 0.1, 0.3], size=40).astype(float)
    assert alpha_of(counts) == alpha_of(counts[:, ::-1])


def test_the_interval_covers_what_many_pairs_would_give() -> None:
    random = np.random.default_rng(0)

    def draw(pairs: int) -> np.ndarray:
        leaning = random.beta(0.8, 0.8, size=pairs)
        a = random.binomial(4, leaning)
        return np.column_stack([a, np.zeros(pairs), 4 - a]).astype(float)

    truth = alpha_of(draw(40_000)).alpha  # type: ignore[union-attr]
    found = [alpha_of(draw(80)) for _ in range(300)]
    covered = np.mean([each.low <= truth <= each.high for each in found if each])
    assert 0.9 < covered < 0.99


def test_no_variety_and_few_pairs_say_nothing(db: None) -> None:
    assert alpha_of(np.array([[3.0, 0, 0], [2, 0, 0]])) is None
    assert agreement(make_project(pairs=3)) is None


def test_people_and_simulated_annotators_are_apart(db: None) -> None:
    project = make_project()
    people = [make_annotator(project) for _ in range(2)]
    machines = [make_annotator(project, simulated=True) for _ in range(2)]
    for number in range(ENOUGH):
        pair, side = make_pair(project), "ab"[number % 2]
        for annotator in people:
            say(pair, annotator, side)
        say(pair, machines[0], "a")
        say(pair, machines[1], "b")
    found, simulated = agreement(project), agreement(project, simulated=True)
    assert found
    assert simulated
    assert found.alpha == 1
    assert simulated.alpha < 0
    assert found.judgments == 2 * ENOUGH


def say(pair: object, annotator: object, choice: str) -> None:

    Judgment.objects.create(
        project=pair.project,
        pair=pair,
        annotator=annotator,
        choice=choice,
        client_key=uuid.uuid4(),  # type: ignore[attr-defined]
    )
