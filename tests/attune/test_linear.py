"""Adapting and scoring by hand: what every linear model shares."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Choice
from attune.errors import EncoderMismatch, NotFitted, UnknownResponse
from attune.rewards import create
from attune.rewards.base import Comparison, Latent
from attune.rewards.bradley_terry import BradleyTerry
from attune.rewards.feature_map import FeatureMap
from attune.rewards.linear import LinearParts, davidson

ONE = np.eye(2, dtype=np.float32)


def parts(spread: float = 1.0, position: float = 0.0, log_nu: float = -30.0, tie_spread: float = 0.0) -> LinearParts:
    """Two items along two axes, w ~ N((1, 0), spread²), no calibration."""
    return LinearParts(
        ids=("x", "y"),
        table=ONE,
        feature_map=FeatureMap(np.zeros(2, np.float32), 2 * ONE),
        text_weights=ONE,
        prior_mean=np.array([1, 0, 0, log_nu], np.float32),
        prior_cov=np.diag([spread**2, spread**2, position**2, tie_spread**2]).astype(np.float32),
        calibration_shots=np.array([0, 3], np.float32),
        calibration_scale=np.array([1, 1], np.float32),
    )


def model(**options: float) -> BradleyTerry:
    made = BradleyTerry()
    made.install(parts(**options), "test")
    return made


def said(choice: Choice, a: int = 0, b: int = 1, swapped: bool = False, strength: int | None = None) -> Comparison:
    return Comparison(ONE[a], ONE[b], choice, strength, swapped)


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_nothing_said_gives_the_prior_and_the_pooled_reward() -> None:
    latent = model().adapt([])
    assert (latent.mean.tolist(), latent.n) == ([1, 0, 0, -30], 0)
    scores = model().score(latent, ONE)
    assert scores.mean.tolist() == [1, 0]
    assert scores.std.tolist() == [1, 1]


def test_one_judgment_by_hand() -> None:
    # One direction matters: v = (1, −1)/√2 with prior margin 1 and variance 2. The mode solves
    # m = 1 + 2(1 − σ(m)), and there the variance is 1 / (1/2 + σ(m)(1 − σ(m))).
    made = model()
    latent = made.adapt([said("a")])
    mean, variance = made.margin(latent, ONE[:1], ONE[1:])
    m = float(mean[0])
    assert m == pytest.approx(1 + 2 * (1 - sigmoid(m)), abs=1e-5)
    assert float(variance[0]) == pytest.approx(1 / (0.5 + sigmoid(m) * (1 - sigmoid(m))), abs=1e-5)
    assert latent.n == 1


def test_probability_averages_over_the_doubt_and_is_calibrated() -> None:
    made = model()
    latent = made.prior()
    assert made.probability(latent, ONE[:1], ONE[1:])[0] == pytest.approx(sigmoid(1 / np.sqrt(1 + np.pi / 8 * 2)))
    made.install(replace(parts(), calibration_scale=np.array([0.5, 2], np.float32)), "test")
    assert made.probability(latent, ONE[:1], ONE[1:])[0] == pytest.approx(sigmoid(0.5 / np.sqrt(1 + np.pi / 8 * 2)))
    assert (made.temperature(0), made.temperature(3), made.temperature(99)) == pytest.approx((0.5, 2, 2))
    assert made.temperature(1) == pytest.approx(0.5 + 1.5 * np.log(2) / np.log(4))


def test_swapping_sides_mirrors_the_probability() -> None:
    made = model(position=0.5)
    latent = made.adapt([said("a", swapped=True), said("b"), said("tie")])
    assert made.probability(latent, ONE, ONE[::-1]) + made.probability(latent, ONE[::-1], ONE) == pytest.approx([1, 1])


def test_the_same_judgment_seen_from_the_other_side_teaches_the_same() -> None:
    made = model(position=0.5)
    one, other = made.adapt([said("a", 0, 1)]), made.adapt([said("b", 1, 0, swapped=True)])
    assert one.mean == pytest.approx(other.mean, abs=1e-6)
    assert one.cov == pytest.approx(other.cov, abs=1e-6)


def test_order_of_the_context_changes_nothing() -> None:
    made = model(position=0.5, log_nu=-1.0, tie_spread=0.5)
    context = [said("a"), said("tie", strength=None), said("b", swapped=True), said("a", strength=3)]
    one, other = made.adapt(context), made.adapt(context[::-1])
    assert one.mean == pytest.approx(other.mean, abs=1e-6)
    assert one.cov == pytest.approx(other.cov, abs=1e-6)


def test_flipped_labels_move_the_prediction() -> None:
    made = model()
    for choice, above in (("a", True), ("b", False)):
        latent = made.adapt([said(choice)] * 4)  # type: ignore[arg-type]
        assert (made.margin(latent, ONE[:1], ONE[1:])[0][0] > 1) is np.bool_(above)


def test_a_stronger_preference_moves_further() -> None:
    made = model()
    margins = [made.margin(made.adapt([said("a", strength=s)]), ONE[:1], ONE[1:])[0][0] for s in (1, 2, 3)]
    assert margins[0] < margins[1] < margins[2]


def test_ties_pull_the_margin_to_nothing_and_raise_the_tie_rate() -> None:
    made = model(log_nu=-1.0, tie_spread=1.0)
    before, after = made.prior(), made.adapt([said("tie")] * 6)
    assert made.margin(after, ONE[:1], ONE[1:])[0][0] < made.margin(before, ONE[:1], ONE[1:])[0][0]
    assert after.extra["tie_rate"] > before.extra["tie_rate"] + 0.1
    assert made.tie_probability(after, ONE[:1], ONE[1:])[0] > made.tie_probability(before, ONE[:1], ONE[1:])[0]
    both_bad = made.adapt([said("both_bad")] * 6)
    assert both_bad.mean == pytest.approx(after.mean)


def test_always_choosing_the_left_is_a_pull_of_the_side_and_no_taste() -> None:
    made = model(position=2.0)
    context = [said("a"), said("b", swapped=True)] * 6
    latent = made.adapt(context)
    assert latent.extra["position"] > 1
    assert abs(made.margin(latent, ONE[:1], ONE[1:])[0][0]) < 1


def test_eight_judgments_can_be_overfitted() -> None:
    rng = np.random.default_rng(0)
    items = rng.standard_normal((16, 8)).astype(np.float32)
    made = BradleyTerry()
    made.install(
        replace(
            parts(),
            ids=tuple(map(str, range(16))),
            table=items,
            text_weights=np.zeros((2, 8), np.float32),
            prior_mean=np.array([0] * 9 + [-30], np.float32),
            prior_cov=np.diag([1e4] * 8 + [0, 0]).astype(np.float32),
        ),
        "test",
    )
    choices: list[Choice] = ["a", "b", "b", "a", "b", "a", "a", "b"]
    context = [Comparison(items[2 * n], items[2 * n + 1], choice) for n, choice in enumerate(choices)]
    margins, _ = made.margin(made.adapt(context), items[0::2], items[1::2])
    assert [("a" if each > 0 else "b") for each in margins] == choices
    assert np.abs(margins).min() > 3


def test_batch_equals_single() -> None:
    made = model()
    latent = made.adapt([said("b")])
    batch = made.score(latent, ONE)
    single = [made.score(latent, ONE[n : n + 1]) for n in range(2)]
    assert batch.mean.tolist() == [float(each.mean[0]) for each in single]
    assert batch.std.tolist() == [float(each.std[0]) for each in single]


def test_without_spread_nobody_is_personal() -> None:
    made = model(spread=0.0)
    latent = made.adapt([said("b")] * 9)
    assert (latent.mean.tolist(), latent.n) == (made.prior().mean.tolist(), 9)


def test_a_warm_start_ends_in_the_same_place() -> None:
    made = model(position=0.5)
    context = [said("b"), said("a", swapped=True), said("b")]
    earlier = made.adapt(context[:2])
    assert made.adapt(context, start=earlier).mean == pytest.approx(made.adapt(context).mean, abs=1e-5)


def test_unseen_responses_take_their_items_from_features() -> None:
    made = model()
    features = {"new": np.array([0.5, 0.25], np.float32)}
    assert made.items(["y", "new", "x"], features).tolist() == [[0, 1], [1, 0.5], [1, 0]]
    assert made.knows(["x", "new"]) == [True, False]


def test_asking_for_what_is_not_known_is_an_error() -> None:
    with pytest.raises(UnknownResponse, match="1 responses are unknown and have no features: new"):
        model().items(["x", "new"])
    with pytest.raises(EncoderMismatch, match=r"shape \(1, 3\), expected \(n, 2\)"):
        model().items(["new"], {"new": np.zeros(3, np.float32)})
    with pytest.raises(NotFitted, match="has not been fitted"):
        create("hybrid").prior()


def test_davidson_by_hand_and_far_out() -> None:
    a, b, tie = davidson(np.array([np.log(4.0), 2000.0, -2000.0]), np.log(0.5))
    assert (a[0], b[0], tie[0]) == pytest.approx((2 / 3, 1 / 6, 1 / 6))
    assert (a[1], b[1], a[2], b[2]) == pytest.approx((1, 0, 0, 1))


def test_adapting_to_a_thousand_judgments_is_quick() -> None:
    rng = np.random.default_rng(0)
    items = rng.standard_normal((1000, 13)).astype(np.float32)
    made = BradleyTerry()
    made.install(
        replace(
            parts(),
            table=np.zeros((2, 13), np.float32),
            prior_mean=np.zeros(15, np.float32),
            prior_cov=np.eye(15, dtype=np.float32),
        ),
        "test",
    )
    context = [Comparison(row, -row, "a" if n % 3 else "tie") for n, row in enumerate(items)]
    started = time.process_time()
    latent: Latent = made.adapt(context)
    assert time.process_time() - started < 0.2  # bench/attune_adapt.py measures; this only notices a slip
    assert latent.n == 1000
