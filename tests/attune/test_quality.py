"""The statistics of ``attune.quality``, by hand-worked numbers and by made-up annotators whose habits are known."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest

from attune.quality.aggregates import aggregate
from attune.quality.agreement import agreement, alphas, patterns_of
from attune.quality.coherence import coherence
from attune.quality.figures import Figure, Person, Usual
from attune.quality.intervals import mean_interval, median_interval, share_interval
from attune.quality.lineup_peers import lineup_earnings, rating_bin
from attune.quality.lineups import Placed
from attune.quality.peers import correlated_agreement
from attune.quality.people import Fits, Judged, people_figures, verdict_of

A, B, TIE, BAD = 0, 1, 2, 3


# --- intervals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(50, 100, 0.4038, 0.5962), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],  # R: prop.test(…, correct = FALSE)
)
def test_wilson(hits: int, of: int, low: float, high: float) -> None:
    found = share_interval(hits, of)
    assert found
    assert (found.estimate, found.low, found.high) == pytest.approx((hits / of, low, high), abs=5e-5)


def test_nothing_has_no_interval() -> None:
    assert share_interval(0, 0) is None
    assert median_interval(np.zeros(0)) is None
    assert mean_interval(np.ones(1)) is None


def test_a_median_lies_between_order_statistics() -> None:
    # n = 20: 10 ± 1.96·√20/2 = 5.6 and 14.4, so the 6th and the 16th smallest.
    found = median_interval(np.arange(1.0, 21.0))
    assert found
    assert (found.low, found.estimate, found.high) == (6.0, 10.5, 16.0)


# --- agreement ------------------------------------------------------------------------------------------------------


def test_a_hand_worked_alpha() -> None:
    # Pairs aa, aa, bb, ab: coincidences aa 4, bb 2, ab 1, ba 1; n = 8, n_a = 5, n_b = 3; alpha = 1 − (2/8)/(30/56) = 8/15.
    patterns, times = np.array([[2.0, 0], [0, 2], [1, 1]]), np.array([2.0, 1, 1])
    found = agreement(patterns, times)
    assert found.raw
    assert found.alpha
    assert (found.units, found.answers) == (4, 8)
    assert (found.raw.estimate, found.alpha.estimate) == (pytest.approx(0.75), pytest.approx(8 / 15))
    assert found.alpha.low < 8 / 15 < found.alpha.high


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_our_alpha_is_the_librarys(level: str) -> None:
    rng = np.random.default_rng(7)
    counts = rng.multinomial(3, [0.4, 0.2, 0.1, 0.0, 0.1, 0.1, 0.1], size=200).astype(float)
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    ours = alphas(patterns, times[None].astype(float), level=level)[0]  # type: ignore[arg-type]
    assert ours == pytest.approx(krippendorff.alpha(value_counts=counts, level_of_measurement=level))


def test_neighbouring_levels_disagree_less_than_distant_ones() -> None:
    near = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [2, 0, 0, 0], [0, 0, 0, 2]])
    far = np.array([[1.0, 0, 0, 1], [0, 1, 1, 0], [2, 0, 0, 0], [0, 0, 0, 2]])
    once = np.ones((1, 4))
    assert alphas(near, once, level="ordinal")[0] > alphas(far, once, level="ordinal")[0] + 0.3


def test_patterns_count_units_that_look_alike() -> None:
    unit = np.array([7, 7, 9, 9, 3])
    patterns, times = patterns_of(unit, np.array([0, 1, 1, 0, 1]), 2)
    assert patterns.tolist() == [[0, 1], [1, 1]]
    assert times.tolist() == [1, 2]
    assert agreement(*patterns_of(np.zeros(0, int), np.zeros(0, int), 2)).raw is None


# --- coherence ------------------------------------------------------------------------------------------------------


def edges(*pairs: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``"0xy"``: judge 0 prefers x to y."""
    return (
        np.array([int(each[0]) for each in pairs]),
        np.array([ord(each[1]) for each in pairs]),
        np.array([ord(each[2]) for each in pairs]),
    )


def test_cycles_and_orders() -> None:
    found = coherence(*edges("0xy", "0yz", "0zx", "1xy", "1yz", "1xz", "2xy", "2yz"), 4)
    assert found.triads.tolist() == [1, 1, 0, 0]
    assert found.cyclic.tolist() == [1, 0, 0, 0]
    assert found.on_cycle.tolist() == [3, 0, 0, 0]


def test_a_cycle_of_four_has_no_triad_of_its_own() -> None:
    found = coherence(*edges("0wx", "0xy", "0yz", "0zw"), 1)
    assert (found.triads[0], found.cyclic[0], found.on_cycle[0]) == (0, 0, 4)


def test_a_coin_makes_a_quarter_of_the_triads_cycles() -> None:
    rng = np.random.default_rng(1)
    a, b = np.triu_indices(60, 1)
    coin = rng.random(len(a)) < 0.5
    found = coherence(np.zeros(len(a), int), np.where(coin, a, b), np.where(coin, b, a), 1)
    assert found.triads[0] == 60 * 59 * 58 / 6
    assert found.cyclic[0] / found.triads[0] == pytest.approx(0.25, abs=0.02)


# --- peers ----------------------------------------------------------------------------------------------------------


def crowd(rng: np.random.Generator, accuracies: list[float], pairs: int = 400) -> tuple[np.ndarray, ...]:
    """Annotators who see the truth (a or b) with these chances, all on the same pairs."""
    truth = rng.integers(0, 2, pairs)
    rows = [np.where(rng.random(pairs) < each, truth, 1 - truth) for each in accuracies]
    who = np.repeat(np.arange(len(accuracies)), pairs)
    return who, np.tile(np.arange(pairs), len(accuracies)), np.concatenate(rows)


def earned_by(who: np.ndarray, pair: np.ndarray, answer: np.ndarray, annotators: int) -> np.ndarray:
    earned, _ = correlated_agreement(who, pair, answer, annotators)
    return np.array([np.nanmean(earned[who == each]) for each in range(annotators)])


def test_telling_what_one_sees_earns_most() -> None:
    who, pair, answer = crowd(np.random.default_rng(3), [0.9, 0.9, 0.9, 0.7, 0.5])
    answer[who == 2] = A  # always the same
    careful, also, always, careless, coin = earned_by(who, pair, answer, 5)
    assert min(careful, also) > careless > max(always, coin) + 0.05
    assert abs(always) < 0.02
    assert abs(coin) < 0.06


def test_nobody_moves_their_own_yardstick_and_nothing_shared_earns_nothing() -> None:
    earned, peers = correlated_agreement(np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([A, A, B]), 3)
    assert peers.tolist() == [1, 1, 0]
    assert np.isnan(earned[2])
    assert np.isfinite(earned[:2]).all()


def mean_earned(placed: list[Placed], annotators: int) -> list[float]:
    who, earned = lineup_earnings(placed, annotators)
    return [float(earned[who == each].mean()) for each in range(annotators)]


def test_rankings_earn_by_their_couples() -> None:
    rng = np.random.default_rng(7)
    placed = []
    for lineup in range(150):
        quality = rng.normal(size=4)
        for who, noise in enumerate([0.3, 0.3, 0.3, 1.5, 0.0, 0.0]):
            seen = quality + rng.normal(size=4) * noise
            if who == 4:  # always the listed order
                seen = np.arange(4.0)
            if who == 5:  # a coin
                seen = rng.normal(size=4)
            tiers = tuple(int(place) for place in np.argsort(np.argsort(-seen)))
            placed.append(Placed(annotator=who, lineup=lineup, first=True, tiers=tiers))
    careful, also, third, careless, always, coin = mean_earned(placed, 6)
    assert min(careful, also, third) > careless + 0.05 > 0.1
    assert abs(always) < 0.05
    assert abs(coin) < 0.05


def test_ratings_earn_by_parts_of_their_scale() -> None:
    rng = np.random.default_rng(8)
    placed = []
    for lineup in range(400):
        scale, top = (("0-10", 10), ("1-5", 5))[lineup % 2]
        truth = rng.integers(0, top + 1)
        for who, noise in enumerate([0.5, 0.5, 0.5, 3.0, None, 0.5]):
            said = top if noise is None else int(np.clip(round(truth + rng.normal() * noise), int(scale[0]), top))
            shifted = max(said - 1, int(scale[0])) if who == 5 else said  # harsher than the others, and as careful
            placed.append(Placed(annotator=who, lineup=lineup, first=True, rating=shifted, scale=scale))
    careful, also, third, careless, always, harsh = mean_earned(placed, 6)
    assert min(careful, also, third) > careless + 0.05 > 0.1
    assert abs(always) < 0.02
    assert harsh > careless + 0.05, "what counts is what an answer tells, not that it is the same"


def test_a_lineup_that_nobody_else_judged_earns_nothing_and_counts_nothing() -> None:
    alone = [
        Placed(annotator=0, lineup=1, first=True, tiers=(0, 1, 2)),
        Placed(annotator=1, lineup=2, first=True, rating=3, scale="1-5"),
        Placed(annotator=0, lineup=3, first=False, rating=3, scale="1-5"),
    ]
    assert [len(column) for column in lineup_earnings(alone, 2)] == [0, 0]
    assert [len(column) for column in lineup_earnings([], 2)] == [0, 0]


@pytest.mark.parametrize(
    ("scale", "parts"),
    [("1-5", [0, 1, 2, 3, 4]), ("1-7", [0, 0, 1, 2, 2, 3, 4]), ("0-10", [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4])],
)
def test_parts_of_a_scale(scale: str, parts: list[int]) -> None:
    low = int(scale[0])
    assert [rating_bin(low + place, scale) for place in range(len(parts))] == parts
    assert rating_bin(None, scale) == 5


# --- aggregates -----------------------------------------------------------------------------------------------------


def test_aggregates_beat_the_majority_where_some_are_careless() -> None:
    rng = np.random.default_rng(5)
    who, pair, answer = crowd(rng, [0.95, 0.95, 0.5, 0.5, 0.5], pairs=500)
    truth = np.random.default_rng(5).integers(0, 2, 500)
    found = aggregate(who, pair + 1_000, answer)
    assert found.pairs.tolist() == list(range(1_000, 1_500))
    right = {
        name: float((getattr(found, name).argmax(axis=1) == truth).mean())
        for name in ("majority", "dawid_skene", "mace")
    }
    assert right["dawid_skene"] > right["majority"] + 0.05
    assert right["mace"] > right["majority"] + 0.05
    for name in right:
        assert getattr(found, name).sum(axis=1) == pytest.approx(np.ones(500))


def test_aggregates_of_little() -> None:
    empty = np.zeros(0, int)
    assert len(aggregate(empty, empty, empty).pairs) == 0
    alike = aggregate(np.array([0, 1]), np.array([4, 4]), np.array([TIE, TIE]))
    assert alike.mace.tolist() == [[0, 0, 1, 0, 0]]


# --- people ---------------------------------------------------------------------------------------------------------


def judged(who: np.ndarray, pair: np.ndarray, answer: np.ndarray, **columns: np.ndarray) -> Judged:
    n = len(who)
    defaults = {
        "response_a": 2 * pair,
        "response_b": 2 * pair + 1,
        "first": np.ones(n, bool),
        "swapped": np.zeros(n, bool),
        "sided": np.ones(n, bool),
        "longer": np.zeros(n, int),
        "gold": np.full(n, -1),
        "seconds": np.full(n, 20.0),
        "guess": np.full(n, np.nan),
        "words": np.zeros(n, int),
    }
    return Judged(annotator=who, pair=pair, answer=answer, **defaults | columns)


def no_fits(annotators: int) -> Fits:
    zero = np.zeros(annotators, int)
    return Fits(zero, zero, zero)


def test_hand_worked_figures_of_two_people() -> None:
    # Person 0 on pairs 0, 1, 2 says a, b, tie, and a again on pair 0; person 1 says a, a on pairs 0, 1.
    rows = judged(
        np.array([0, 0, 0, 0, 1, 1]),
        np.array([0, 1, 2, 0, 0, 1]),
        np.array([A, B, TIE, A, A, A]),
        first=np.array([True, True, True, False, True, True]),
        swapped=np.array([False, True, False, True, False, False]),
        longer=np.array([1, 1, 0, 1, 1, 1]),
        gold=np.array([A, -1, -1, A, A, -1]),
        seconds=np.array([10.0, 30.0, np.nan, 2.0, 20.0, 40.0]),
        words=np.array([3, 0, 5, 0, 0, 0]),
    )
    (one, other), usual = people_figures(rows, 2, no_fits(2))
    assert (one.judgments, other.judgments) == (3, 2)

    def share(person: Person, name: str) -> tuple[float, int]:
        figure = getattr(person, name)
        return figure.estimate, figure.of

    assert share(one, "others") == (0.5, 2)
    assert share(one, "sides") == (0.5, 2)
    assert share(one, "same") == (1.0, 1)
    assert other.same is None
    assert share(one, "gold") == (1.0, 1)  # the repeat of a gold pair is no second check
    assert share(one, "left") == (1.0, 2)  # a unswapped, b swapped: both stood on the left
    assert share(one, "longer") == (0.5, 2)
    assert share(one, "ties") == (pytest.approx(1 / 3), 3)
    assert share(one, "reasons") == (0.5, 4)
    assert share(one, "words") == (4.0, 2)
    assert usual.seconds == 20.0
    assert share(one, "fast") == (pytest.approx(1 / 3), 3)  # 2 s of 10, 30, 2 is below 20/3
    assert one.minutes == pytest.approx(42 / 60)
    assert one.verdict == ""


def test_guesses_stand_in_where_no_model_was_fitted() -> None:
    rows = judged(np.zeros(4, int), np.arange(4), np.array([A, A, B, TIE]), guess=np.array([0.9, 0.4, 0.2, 0.9]))
    ((person,), _) = people_figures(rows, 1, no_fits(1))
    assert person.fit
    assert (person.fit.estimate, person.fit.of) == (pytest.approx(2 / 3), 3)
    assert person.pooled_fit is None
    fitted = Fits(np.array([30]), np.array([20]), np.array([40]))
    ((person,), _) = people_figures(rows, 1, fitted)
    assert person.fit
    assert person.pooled_fit
    assert (person.fit.estimate, person.pooled_fit.estimate, person.fit.of) == (0.75, 0.5, 40)


def test_who_chooses_the_opposite_is_not_inconsistent() -> None:
    rng = np.random.default_rng(11)
    pairs = 200
    truth = rng.integers(0, 2, pairs)
    crowd_rows = [np.where(rng.random(pairs) < 0.85, truth, 1 - truth) for _ in range(6)]
    contrary, coin = np.where(rng.random(pairs) < 0.85, 1 - truth, truth), rng.integers(0, 2, pairs)
    answer = np.concatenate([*crowd_rows, contrary, coin])
    who, pair = np.repeat(np.arange(8), pairs), np.tile(np.arange(pairs), 8)
    of = np.full(8, pairs)
    right = np.array([170] * 6 + [165, 101])
    pooled = np.array([165] * 6 + [40, 100])
    people, usual = people_figures(judged(who, pair, answer), 8, Fits(right, pooled, of))
    assert [person.verdict for person in people] == ["typical"] * 6 + ["contrary", "inconsistent"]
    assert usual.others
    assert usual.others > 0.6
    # Without a model: choosing the opposite is no coin's doing; of the other nothing is claimed.
    people, _ = people_figures(judged(who, pair, answer), 8, no_fits(8))
    assert [person.verdict for person in people][6:] == ["contrary", "unclear"]


def test_a_taste_apart_is_told_by_its_own_model() -> None:
    usual = Usual(seconds=10, others=0.7, sides=0.8, same=0.9, fit=0.75)
    figures: dict[str, object] = dict.fromkeys(Person.__dataclass_fields__)
    apart = figures | {"others": Figure(0.5, 0.45, 0.55, 400), "sides": Figure(0.55, 0.5, 0.6, 380)}

    def verdict(fit: Figure, pooled: Figure) -> str:
        return verdict_of(Person(**apart | {"fit": fit, "pooled_fit": pooled}), usual)  # type: ignore[arg-type]

    assert verdict(Figure(0.7, 0.65, 0.74, 380), Figure(0.55, 0.5, 0.6, 380)) == "minority"
    assert verdict(Figure(0.6, 0.55, 0.65, 380), Figure(0.7, 0.65, 0.74, 380)) == "unclear"
    assert verdict(Figure(0.5, 0.45, 0.55, 380), Figure(0.5, 0.45, 0.55, 380)) == "inconsistent"
    assert verdict(Figure(0.5, 0.3, 0.8, 20), Figure(0.5, 0.3, 0.8, 20)) == "unclear"  # too little to tell from usual


def test_without_shared_pairs_the_pooled_model_says_who_chooses_the_opposite() -> None:
    usual = Usual(seconds=10, others=None, sides=None, same=None, fit=0.75, pooled_fit=0.7)
    figures: dict[str, object] = dict.fromkeys(Person.__dataclass_fields__)

    def verdict(pooled: Figure) -> str:
        return verdict_of(Person(**figures | {"fit": Figure(0.8, 0.7, 0.87, 60), "pooled_fit": pooled}), usual)  # type: ignore[arg-type]

    assert verdict(Figure(0.2, 0.12, 0.32, 60)) == "contrary"
    assert verdict(Figure(0.38, 0.27, 0.51, 60)) == ""  # chance may do that
    assert verdict(Figure(0.0, 0.0, 0.3, 9)) == ""


def test_the_pooled_model_says_nothing_of_people_that_it_was_not_measured_on() -> None:
    """Six people were there when it was; the seventh has only the guesses made when the pairs were dealt, and judges as the others do."""
    rng = np.random.default_rng(4)
    pairs = 40
    truth = rng.integers(0, 2, pairs)
    answer = np.concatenate([np.where(rng.random(pairs) < 0.9, truth, 1 - truth) for _ in range(7)])
    who, pair = np.repeat(np.arange(7), pairs), np.tile(np.arange(pairs), 7)
    rows = judged(who, pair, answer)
    guess = np.where(who == 6, np.where(truth[pair] == 0, 0.9, 0.1), np.nan)
    rows = Judged(*[guess if name == "guess" else getattr(rows, name) for name in Judged.__dataclass_fields__])
    measured = Fits(np.array([36] * 6 + [0]), np.array([35] * 6 + [0]), np.array([40] * 6 + [0]))
    people, usual = people_figures(rows, 7, measured)
    assert [person.verdict for person in people] == ["typical"] * 7
    assert people[6].pooled_fit is None
    assert people[6].fit
    assert people[6].fit.of == 40
    assert usual.pooled_fit == pytest.approx(35 / 40)


@pytest.mark.parametrize("each_side", [1, 2, 3])
def test_where_people_are_of_two_minds_nobody_is_contrary(each_side: int) -> None:
    """Each one's others are then mostly of the other mind."""
    rng = np.random.default_rng(each_side)
    pairs, count = 400, 2 * each_side
    truth = rng.integers(0, 2, pairs)
    minds = [truth, 1 - truth] * each_side
    answer = np.concatenate([np.where(rng.random(pairs) < 0.95, mind, 1 - mind) for mind in minds])
    who, pair = np.repeat(np.arange(count), pairs), np.tile(np.arange(pairs), count)
    people, usual = people_figures(judged(who, pair, answer), count, no_fits(count))
    assert usual.sides
    assert usual.sides < 0.45
    assert "contrary" not in [person.verdict for person in people]


def test_who_changes_their_answers_is_inconsistent_whatever_the_others_say() -> None:
    usual = Usual(seconds=10, others=0.7, sides=0.8, same=0.9, fit=0.7)
    figures: dict[str, object] = dict.fromkeys(Person.__dataclass_fields__)
    wavering = Person(**figures | {"same": Figure(0.4, 0.25, 0.57, 40), "others": Figure(0.7, 0.6, 0.8, 80)})  # type: ignore[arg-type]
    assert verdict_of(wavering, usual) == "inconsistent"
    few = Person(**figures | {"same": Figure(0.0, 0.0, 0.3, 8)})  # type: ignore[arg-type]
    assert verdict_of(few, usual) == ""


def test_who_sees_no_difference_more_often_has_no_other_taste() -> None:
    rng = np.random.default_rng(6)
    pairs = 200
    truth = rng.integers(0, 2, pairs)
    rows = [np.where(rng.random(pairs) < 0.9, truth, 1 - truth) for _ in range(7)]
    rows[6] = np.where(rng.random(pairs) < 0.6, TIE, rows[6])
    who, pair = np.repeat(np.arange(7), pairs), np.tile(np.arange(pairs), 7)
    fits = Fits(np.full(7, 160), np.full(7, 150), np.full(7, pairs))
    people, usual = people_figures(judged(who, pair, np.concatenate(rows)), 7, fits)
    undecided = people[6]
    assert undecided.others and undecided.sides and usual.others and usual.sides
    assert undecided.others.high < usual.others
    assert abs(undecided.sides.estimate - usual.sides) < 0.1
    assert [person.verdict for person in people] == ["typical"] * 6 + ["unclear"]


def test_few_are_pointed_out_by_chance() -> None:
    rng = np.random.default_rng(2)
    pairs, annotators = 60, 300
    truth = rng.integers(0, 2, pairs)
    answer = np.concatenate([np.where(rng.random(pairs) < 0.75, truth, 1 - truth) for _ in range(annotators)])
    who, pair = np.repeat(np.arange(annotators), pairs), np.tile(np.arange(pairs), annotators)
    people, _ = people_figures(judged(who, pair, answer), annotators, no_fits(annotators))
    assert sum(person.verdict != "typical" for person in people) <= 3
