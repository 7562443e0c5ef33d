"""What to ask next, by hand and by behaviour."""

from __future__ import annotations

import time

import numpy as np
import pytest

from attune.errors import BadData
from attune.rewards.base import Latent
from attune.select import (
    MANY,
    POLICIES,
    Mix,
    choose,
    gain,
    information,
    margins_of_pairs,
    mixed,
    mutual_information,
    novelty,
    pool_information,
    scores,
    thompson,
    uncertainty,
)

RNG = np.random.default_rng(0)
LATENT = Latent(np.array([1.0, 0.0, 0.3], np.float32), np.diag([0.0, 4.0, 9.0]).astype(np.float32))
NOTHING = np.zeros((3, 2), np.float32)
PAIRS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], np.float32)
"""Against NOTHING: two alike; a clear favourite with no doubt; undecided and unknown."""


def test_information_by_hand() -> None:
    # v = (0, 1): m̄ = 0, vᵀΣv = 4; the answer's entropy is ln 2, of which √(C / (4/1.702² + C)) is expected to stay.
    c = np.pi * np.log(2) / 2
    left = np.sqrt(c / (4 / 1.702**2 + c))
    assert information(LATENT, PAIRS, NOTHING) == pytest.approx([0, 0, np.log(2) * (1 - left)], abs=1e-6)


def test_uncertainty_by_hand() -> None:
    p = 1 / (1 + np.exp(-2))
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert uncertainty(LATENT, PAIRS, NOTHING) == pytest.approx([np.log(2), entropy, np.log(2)], abs=1e-6)


def test_mutual_information_is_nothing_without_doubt_and_one_bit_at_most() -> None:
    sure = Latent(LATENT.mean, np.diag([0.0, 1e6, 0.0]).astype(np.float32))
    assert mutual_information(LATENT, PAIRS, NOTHING)[:2] == pytest.approx([0, 0], abs=1e-6)
    assert (
        0.05 < mutual_information(LATENT, PAIRS, NOTHING)[2] < mutual_information(sure, PAIRS, NOTHING)[2] < np.log(2)
    )


def test_the_closed_form_is_close_to_the_exact_one() -> None:
    cov = np.cov(RNG.standard_normal((6, 20))).astype(np.float32)
    latent = Latent(RNG.standard_normal(6).astype(np.float32) * 0.5, cov)
    a, b = (RNG.standard_normal((300, 6)).astype(np.float32) for _ in range(2))
    cheap, exact = information(latent, a, b), mutual_information(latent, a, b)
    assert cheap == pytest.approx(exact, abs=0.05)
    assert np.corrcoef(cheap.argsort().argsort(), exact.argsort().argsort())[0, 1] > 0.99


def test_two_draws_agree_where_nothing_is_in_doubt() -> None:
    values = thompson(LATENT, PAIRS, NOTHING, np.random.default_rng(1))
    assert values[:2] == pytest.approx([0, 0], abs=1e-6)
    assert values[2] > 0.01


@pytest.mark.parametrize("policy", ["information", "thompson"])
def test_the_pair_that_teaches_is_chosen(policy: str) -> None:
    assert choose(LATENT, PAIRS, NOTHING, policy=policy, rng=np.random.default_rng(2)) == 2  # type: ignore[arg-type]


def test_a_bonus_can_tip_the_balance() -> None:
    assert choose(LATENT, PAIRS, NOTHING, rng=RNG, bonus=np.array([0, 1, 0], np.float32)) == 1


def test_random_choice_reaches_everything_and_equal_scores_share() -> None:
    rng = np.random.default_rng(3)
    assert {choose(LATENT, PAIRS, NOTHING, policy="random", rng=rng) for _ in range(60)} == {0, 1, 2}
    assert {choose(LATENT, PAIRS[:2], NOTHING[:2], rng=rng) for _ in range(30)} == {0, 1}


def test_choices_repeat_with_the_seed() -> None:
    drawn = [scores(LATENT, PAIRS, NOTHING, policy="thompson", rng=np.random.default_rng(4)) for _ in range(2)]
    assert np.array_equal(*drawn)


def test_no_candidates_and_unknown_policies_are_errors() -> None:
    with pytest.raises(BadData, match="no candidate pair"):
        choose(LATENT, PAIRS[:0], NOTHING[:0], rng=RNG)
    with pytest.raises(BadData, match="policy 'best' is not known"):
        choose(LATENT, PAIRS, NOTHING, policy="best", rng=RNG)  # type: ignore[arg-type]


SPECTRA = {
    "flat": np.ones(40),
    "a step": np.repeat([1.0, 0.05], 20),
    "a slope": np.linspace(1, 0.01, 40),
    "a tail": 1 / np.arange(1, 41),
    "singular": np.repeat([1.0, 0.0], [3, 37]),
    "no doubt": np.zeros(40),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("scale", [0.02, 3.0])
@pytest.mark.parametrize("with_bonus", [False, True])
def test_of_many_the_choice_is_as_if_each_were_looked_at(spectrum: str, scale: float, with_bonus: bool) -> None:
    rng = np.random.default_rng(6)
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    cov = (scale * turn * SPECTRA[spectrum]) @ turn.T
    latent = Latent(rng.standard_normal(42).astype(np.float32) * 0.2, np.pad(cov, (0, 2)).astype(np.float32))
    units = np.geomspace(1, 100, 40)  # coordinates are of different sizes, as are those of real items
    a, b = ((rng.standard_normal((MANY + 1_000, 40)) / units).astype(np.float32) for _ in range(2))
    b[:2_000] = a[:2_000]
    bonus = rng.uniform(0, 0.05, len(a)).astype(np.float32) if with_bonus else None
    apart = (a - b).astype(np.float64)
    exact = gain(apart @ latent.mean[:40], np.einsum("nk,kl,nl->n", apart, cov, apart))
    worth = exact if bonus is None else exact + bonus
    chosen = choose(latent, a, b, rng=rng, bonus=bonus)
    assert worth[chosen] == pytest.approx(worth.max(), abs=2e-6)


def test_of_many_that_are_alike_each_may_be_chosen() -> None:
    latent = Latent(np.zeros(3, np.float32), np.diag([1.0, 0.5, 0]).astype(np.float32))
    a = np.tile(np.array([[0.1, 0]], np.float32), (MANY + 1, 1))
    a[[7, 3_000]] = [2, 0]
    drawn = {choose(latent, a, np.zeros_like(a), rng=RNG) for _ in range(30)}
    assert drawn == {7, 3_000}


def test_more_doubt_never_tells_less() -> None:
    mean, variance = np.meshgrid(np.linspace(0, 12, 241), np.geomspace(1e-6, 200, 800), indexing="ij")
    assert np.diff(gain(mean, variance), axis=1).min() > -1e-6


@pytest.mark.parametrize("policy", POLICIES)
def test_a_hundred_thousand_candidates_are_quick(policy: str) -> None:
    a, b = (RNG.standard_normal((100_000, 12)).astype(np.float32) for _ in range(2))
    latent = Latent(np.zeros(14, np.float32), np.eye(14, dtype=np.float32))
    started = time.process_time()
    choose(latent, a, b, policy=policy, rng=RNG)  # type: ignore[arg-type]
    assert time.process_time() - started < 0.2  # bench/attune_select.py measures; this only notices a slip


def test_many_pairs_of_few_responses_are_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    items = rng.standard_normal((50, 90)).astype(np.float32)
    spread = rng.standard_normal((90, 90)) * np.geomspace(1, 1e-4, 90)
    latent = Latent(rng.standard_normal(92).astype(np.float32), np.zeros((92, 92), np.float32))
    latent.cov[:90, :90] = spread @ spread.T / 90
    first, second = rng.integers(0, 50, (2, 400))
    mean, variance = margins_of_pairs(latent, items, first, second)
    exact = information(latent, items[first], items[second])
    assert mean == pytest.approx((items[first] - items[second]) @ latent.mean[:90], abs=1e-3)
    assert np.corrcoef(gain(mean, variance), exact)[0, 1] > 0.999


def test_the_pool_learns_from_responses_that_nobody_judged() -> None:
    worth = pool_information(*(np.array(row, np.float32) for row in ([0, 0, 3], [0, 2, 2], [0, 2, 2])))
    assert worth[0] == 0
    assert worth[1] > worth[2] > 0


def test_a_pair_and_its_mirror_image_are_nothing_new() -> None:
    seen = np.array([[2.0, 0.0]], np.float32)
    new = novelty(np.array([[1, 0], [-3, 0], [0, 1], [1, 1]], np.float32), np.zeros((4, 2), np.float32), seen)
    assert new == pytest.approx([0, 0, 1, 1 - np.sqrt(0.5)], abs=1e-6)
    assert novelty(PAIRS, NOTHING, seen[:0]) == pytest.approx(np.ones(3))


def test_a_mix_by_hand() -> None:
    told, taken, words = (np.array(row, np.float32) for row in ([0.2, 0.1], [1, 0], [400, 100]))
    assert mixed(Mix(), information=told, taken=taken) == pytest.approx([1.1, 0.7])
    assert mixed(Mix(coverage=0, tired=1), information=told, words=words) == pytest.approx([0.25, 0.5])
    fresh = mixed(Mix(coverage=0), information=told, words=words)
    assert fresh == pytest.approx([1, 0.5])
    assert mixed(Mix(pool=1, novelty=0.5), information=told, pool=told[::-1], novel=taken) == pytest.approx([2, 1.5])
