"""The parts of the hybrid, by hand: verdicts, groups, memory, trust; and what a person may expect of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Judgment, Response, Snapshot
from attune.evaluate import comparisons, predict, subjects_of
from attune.rewards.base import Array, Comparison, RewardModel
from attune.rewards.bradley_terry import BradleyTerry
from attune.rewards.classes import ClassTrainer
from attune.rewards.context import Context
from attune.rewards.evidence import are_verdicts, as_verdicts
from attune.rewards.guard import COST
from attune.rewards.hybrid import OWN, Hybrid
from attune.rewards.indexing import Comparisons, index_snapshot
from attune.rewards.rehearsal import clearly
from attune.rewards.targets import View
from attune.rewards.tastes import Community, Reader, remember
from attune.rewards.told import Evidence
from attune.rewards.trust import KNOTS, learn_trust, told
from attune.simulate import AXES, Simulation, StyledPrompt, simulate
from attune.worlds import minority


def said(rows: Sequence[tuple[int, int, int, int]], annotators: int) -> Comparisons:
    """From (annotator, a, b, outcome)."""
    annotator, a, b, outcome = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    one = np.ones(len(rows), np.float32)
    return Comparisons(annotator, a, b, outcome, one, one, np.zeros(len(rows), bool), annotators)


def test_pairs_of_verdicts_give_themselves_away() -> None:
    # Everybody accepts even responses and rejects odd ones, or the other way round: nobody has one on both sides.
    votes = said([(u, 2 * x, 2 * y + 1, 1 if u % 2 else -1) for u in range(30) for x in range(2) for y in range(2)], 30)
    assert are_verdicts(votes, 4)
    ranked = said([(u, x, y, 1) for u in range(30) for x in range(4) for y in range(x + 1, 4)], 30)
    assert not are_verdicts(ranked, 4)  # the second of four loses to the first and beats the third
    assert not are_verdicts(said([(u, 0, 1, 1) for u in range(500)], 500), 2)  # nothing is repeated: nothing is known


def test_a_verdict_is_taken_once_and_ties_say_nothing() -> None:
    votes = said([(0, 0, 1, 1), (0, 0, 2, 1), (0, 3, 1, 0), (1, 2, 0, -1)], 2)
    found = as_verdicts(votes, np.array([0, 0, 1, 1]))
    rows = set(zip(*(column.tolist() for column in (found.annotator, found.a, found.b, found.outcome)), strict=True))
    assert rows == {(0, 0, 4, 1), (0, 1, 4, -1), (0, 2, 5, -1), (1, 0, 4, 1), (1, 2, 5, -1)}


def test_two_groups_are_told_apart() -> None:
    judged = said([(u, 0, 1, 1 if u < 10 else -1) for u in range(20) for _ in range(5)], 20)
    fit = ClassTrainer(judged, np.zeros(2, np.float32), 0.25).fit(2, 40, np.random.default_rng(0))
    margins = fit.shifts[0] - fit.shifts[1]
    assert np.sort(margins)[0] < -2 < 2 < np.sort(margins)[1]
    assert np.exp(fit.log_prior) == pytest.approx([0.5, 0.5], abs=0.05)


def test_what_was_said_of_a_response_is_remembered_by_hand() -> None:
    one = np.ones(1)
    evidence = Evidence(np.zeros((1, 1)), np.array([1]), one, one, np.array([7]), np.array([9]), np.zeros(1))
    own = remember(evidence, np.zeros(1), -20.0, 1.0)
    # ε = ε₇ = −ε₉ with ε = 1 − σ(2ε)
    assert own.keys() == {7, 9}
    assert own[7] == pytest.approx(-own[9], abs=1e-6)
    assert own[7] == pytest.approx(1 - 1 / (1 + np.exp(-2 * own[7])), abs=1e-4)


def views(people: int, signal: float, rng: np.random.Generator) -> list[View]:
    """People whose judgments follow the pooled margin and ``signal`` times the personal one."""
    found = []
    for _ in range(people):
        pooled, personal = rng.normal(0, 1, 40), rng.normal(0, 1, 40)
        p = 1 / (1 + np.exp(-(pooled + signal * personal)))
        outcome = np.where(rng.random(40) < p, 1, -1)
        nothing = np.zeros(40)
        found.append(View(pooled, personal, nothing, nothing, nothing, outcome))
    return found


def test_what_helps_is_trusted_and_what_does_not_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    helpful, useless = (learn_trust([views(200, signal, rng) for _ in KNOTS]) for signal in (1.0, 0.0))
    assert [helpful.at(knot)[0] for knot in KNOTS] == pytest.approx(np.ones(6), abs=0.15)
    assert helpful.temperature == pytest.approx(np.ones(6), abs=0.1)
    assert max(useless.at(knot)[0] for knot in KNOTS) < 0.1


def test_a_weak_taste_is_listened_to_as_far_as_that_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(2)
    weak = [views(300, 0.08, rng) for _ in KNOTS]
    trust = learn_trust(weak)
    chances, _ = told(trust, weak, [8])
    pooled = np.concatenate([view.pooled for view in weak[KNOTS.index(8)]])
    turned = (np.concatenate(chances) > 0.5) != (pooled > 0)
    assert trust.at(8)[0] > 0.02
    assert turned.mean() > COST
    assert 0 < (turned * np.tanh(np.abs(pooled) / 2)).mean() < COST


def test_with_few_people_the_guard_has_little_to_say() -> None:
    rng = np.random.default_rng(1)
    assert learn_trust([views(10, 0.5, rng) for _ in KNOTS]).at(4)[0] > 0.3


def of_two_kinds(alike: int, clear: int, truly: bool, rng: np.random.Generator) -> list[list[View]]:
    """By knot: people of whom the pooled margin says all, then some of clear odds, who prefer the opposite if ``truly``."""
    found = []
    for number in range(alike + clear):
        pooled = rng.normal(0, 1.5, 40)
        odd = number >= alike
        sign = -1 if odd and truly else 1
        outcome = np.where(rng.random(40) < 1 / (1 + np.exp(-sign * pooled)), 1, -1)
        personal = -2 * pooled if odd else rng.normal(0, 0.05, 40)
        nothing = np.zeros(40)
        found.append(View(pooled, personal, nothing, nothing, nothing, outcome, 4.0 if odd else -0.1, number))
    return [found for _ in KNOTS]


def test_few_who_clearly_differ_are_followed_though_all_together_gain_too_little_to_be_sure() -> None:
    trust = learn_trust(of_two_kinds(150, 8, truly=True, rng=np.random.default_rng(0)))
    usually, clearly = trust.at(8)[0], trust.at(8, odds=4.0)[0]
    assert usually < 0.6 * clearly
    assert clearly == pytest.approx(1, abs=0.3)
    assert usually < trust.at(8, odds=np.log(8))[0] < clearly
    assert trust.at(8, odds=np.log(2.9)) == trust.at(8) == trust.at(8, odds=-1.0)


def test_odds_that_mean_nothing_and_odds_of_one_are_not_followed() -> None:
    rng = np.random.default_rng(0)
    for deaf in (of_two_kinds(150, 8, truly=False, rng=rng), of_two_kinds(150, 1, truly=True, rng=rng)):
        trust = learn_trust(deaf)
        assert trust.at(8, odds=4.0) == pytest.approx(trust.at(8), abs=0.1)


def test_odds_by_hand() -> None:
    """Two models: of w = ±2 with equal chances, and of w = 0 alone, which is having no taste."""
    community = Community(
        verdicts=False,
        base=1.0,
        base_spread=0.1,
        cov=np.eye(1, dtype=np.float32),
        position=0.0,
        position_spread=0.1,
        threshold_spread=0.7,
        log_nu=-20.0,
        tie_spread=0.1,
        class_weights=np.array([[2.0, -2.0, 0.0]], np.float32),
        class_center=np.zeros((1, 3), np.float32),
        class_log_prior=np.log(np.array([0.5, 0.5, 1.0], np.float32)),
        class_model=np.array([0, 0, 1]),
        memory=0.0,
        doubt=0.0,
    )
    reader = Reader(community)
    a, b = np.array([[0.3, 0.3, 1.0, 0, 1], [0.0, 0.0, 2.0, 0, 3]]), np.array([[0.0, 0, 0, 0, 2], [1.0, 1, 0, 0, 4]])
    outcome, one = np.array([1, -1]), np.ones(2)

    def likelihood(w: float) -> float:
        return 1 / (1 + np.exp(-(0.3 + w))) / (1 + np.exp(-1 + 2 * w))

    told = reader.told(a, b, outcome, one, one)
    factor = 0.5 * (0.5 * likelihood(2) + 0.5 * likelihood(-2)) / likelihood(0) + 0.5
    assert reader.odds(told) == pytest.approx(np.log(factor), abs=1e-5)
    halves = reader.told(a[:1], b[:1], outcome[:1], one[:1], one[:1]).followed_by(
        reader.told(a[1:], b[1:], outcome[1:], one[1:], one[1:])
    )
    assert reader.odds(halves) == pytest.approx(np.log(factor), abs=1e-5)
    assert reader.odds(reader.told(a[:0], b[:0], outcome[:0], one[:0], one[:0])) == pytest.approx(0, abs=1e-6)


def test_a_minority_of_one_in_eleven_is_followed_and_the_majority_does_not_pay() -> None:
    """The floor of the whole is 20 points over pooled; no figure of a seed on which anything was chosen."""
    world = minority(seed=20)
    subjects = subjects_of(world.evaluation)
    model, pooled = Hybrid(ranks=[4], class_sizes=[3, 4, 6], rounds=12, last_rounds=4), BradleyTerry()
    for each in (model, pooled):
        each.fit(world.train, world.features, encoder="true properties")

    def accuracy(of: RewardModel, group: str, shots: int) -> float:
        own = [each for each in subjects if world.group[each.name] == group]
        chances = [predict(of, of.adapt(comparisons(of, each.context[:shots])), each.test) for each in own]
        said_a = [np.array([judged.choice == "a" for judged in each.test]) for each in own]
        return float(np.mean([((p > 0.5) == a).mean() for p, a in zip(chances, said_a, strict=True)]))

    for shots in (8, 16):
        assert accuracy(model, "minority", shots) > accuracy(pooled, "minority", shots) + 0.4
        assert accuracy(model, "majority", shots) > accuracy(pooled, "majority", shots) - 0.01


@pytest.fixture(scope="module")
def context(hybrid: Hybrid, world: Simulation) -> list[Comparison]:
    name = next(iter(world.people))
    return comparisons(hybrid, [each for each in world.judgments if each.annotator == name])


def test_the_order_of_judgments_does_not_matter(hybrid: Hybrid, context: list[Comparison]) -> None:
    one, other = hybrid.adapt(context), hybrid.adapt(context[::-1])
    assert one.mean == pytest.approx(other.mean, abs=1e-5)
    assert one.cov == pytest.approx(other.cov, abs=1e-5)


def test_swapped_sides_mirror_exactly(hybrid: Hybrid, context: list[Comparison], world: Simulation) -> None:
    items = hybrid.items(list(world.responses))
    latent = hybrid.adapt(context)
    there, back = (
        hybrid.probability(latent, *pair) for pair in ((items[:30], items[30:60]), (items[30:60], items[:30]))
    )
    assert there + back == pytest.approx(np.ones(30), abs=1e-6)


def test_one_at_a_time_is_as_all_at_once(hybrid: Hybrid, context: list[Comparison], world: Simulation) -> None:
    items = hybrid.items(list(world.responses))
    latent = hybrid.adapt(context)
    at_once = hybrid.score(latent, items)
    alone = [hybrid.score(latent, items[row : row + 1]) for row in range(len(items))]
    assert np.concatenate([each.mean for each in alone]) == pytest.approx(at_once.mean, abs=1e-5)
    assert np.concatenate([each.std for each in alone]) == pytest.approx(at_once.std, abs=1e-5)


def test_a_context_that_grows_is_as_one_made_at_once(hybrid: Hybrid, context: list[Comparison]) -> None:
    growing = Context()
    for number, each in enumerate(context, start=1):
        growing = growing.plus([each])
        latent, anew = hybrid.adapt(growing), hybrid.adapt(context[:number])
        np.testing.assert_allclose(latent.mean, anew.mean, atol=1e-5)
        np.testing.assert_allclose(latent.cov, anew.cov, rtol=1e-3, atol=1e-5)
        assert growing.noted_by(hybrid) == (0, None)  # the note is of what the model was fitted to, and nobody else's
        assert (latent.n, latent.extra.keys()) == (number, anew.extra.keys())


def test_nobody_has_judged_gives_the_pooled_order(hybrid: Hybrid, world: Simulation) -> None:
    items = hybrid.items(list(world.responses))
    assert hybrid.score(hybrid.prior(), items).mean == pytest.approx(items[:, 0], abs=1e-6)


def test_eight_judgments_said_often_enough_are_learnt_by_heart(hybrid: Hybrid, world: Simulation) -> None:
    ids = list(world.responses)
    rng = np.random.default_rng(3)
    taste = rng.standard_normal(len(AXES))  # unlike the community's, but a taste
    likes = {key: float(taste @ np.array(style)) for key, style in world.styles.items()}
    pairs = [[ids[row] for row in rng.choice(4, 2, replace=False) + 4 * prompt] for prompt in range(8)]
    judged = [Judgment("new", a, b, "a" if likes[a] > likes[b] else "b") for a, b in pairs]
    latent = hybrid.adapt(comparisons(hybrid, judged * 25))
    a, b = (hybrid.items([getattr(each, side) for each in judged]) for side in ("a", "b"))
    right = (hybrid.margin(latent, a, b)[0] > 0) == np.array([each.choice == "a" for each in judged])
    assert right.all()


def voting_world(prompts: Sequence[StyledPrompt]) -> Snapshot:
    """Everybody accepts what they like of a prompt and rejects what they do not: pairs of verdicts."""
    world = simulate(prompts, annotators=40, judgments=400, seed=4)
    rng = np.random.default_rng(0)
    ids = list(world.responses)
    judgments = []
    for name in world.people:
        reward = {key: world.true_reward(name, key) for key in ids}
        middle = float(np.median(list(reward.values())))
        for start in range(0, len(ids), 4):
            likes = [key for key in ids[start : start + 4] if reward[key] > middle]
            others = [key for key in ids[start : start + 4] if reward[key] <= middle]
            for liked in likes:
                for other in others:
                    first = rng.random() < 0.5
                    pair = (liked, other, "a") if first else (other, liked, "b")
                    judgments.append(Judgment(name, *pair))  # type: ignore[arg-type]
    return Snapshot(world.responses, judgments)


def test_verdicts_are_noticed_and_read_as_such(prompts: Sequence[StyledPrompt]) -> None:
    snapshot = voting_world(prompts)
    assert are_verdicts(index_snapshot(snapshot)[1], len(snapshot.responses))
    model = Hybrid(class_sizes=[3], ranks=[4])
    world = simulate(prompts, annotators=1, judgments=4, seed=4)
    features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
    model.fit(snapshot, features, encoder="truth")
    mine = [each for each in snapshot.judgments if each.annotator == snapshot.judgments[0].annotator]
    once, often = (model.adapt(comparisons(model, mine[:4] * times)) for times in (1, 3))
    assert once.mean[:-2] == pytest.approx(
        often.mean[:-2], abs=0.2
    )  # said again is nothing new; only the trust may move
    a, b = (model.items([getattr(each, side) for each in mine[8:]]) for side in ("a", "b"))
    said_a = np.array([each.choice == "a" for each in mine[8:]])
    taught = ((model.margin(model.adapt(comparisons(model, mine[:8])), a, b)[0] > 0) == said_a).mean()
    assert taught > 0.75


def test_a_rehearsal_whose_people_leave_nothing_to_ask_is_passed_over() -> None:
    # One prompt of four responses, whose halves were hardly ever compared: who is held out first may have no target at all.
    ids = ("w", "x", "y", "z")
    responses = {key: Response(key, "Why?", f"Because of {key}.") for key in ids}
    pairs = (("w", "x"), ("y", "z"), ("w", "y")) * 6
    judged = [Judgment(f"u{u}", a, b, "a" if (u + n) % 3 else "b") for u in range(6) for n, (a, b) in enumerate(pairs)]
    features = dict(zip(ids, np.eye(4, dtype=np.float32), strict=True))
    asked = set()
    for seed in range(8):
        model = Hybrid(ranks=(2,), class_sizes=(2,), rounds=2, class_rounds=2, last_rounds=1)
        report = model.fit(Snapshot(responses, tuple(judged)), features, encoder="by hand", seed=seed)
        assert np.isfinite(list(report.metrics.values())).all()
        asked.add(bool(report.metrics))
    assert asked == {True, False}


def _on_pairs_of_their_own(tastes: Array, each: int, seed: int, *, wavers: bool) -> tuple[Snapshot, dict[str, Array]]:
    """Everybody judges pairs that nobody else is shown."""
    rng = np.random.default_rng(seed)
    features = {
        f"{seed}-{u}-{n}{side}": rng.normal(size=tastes.shape[1]).astype(np.float32)
        for u in range(len(tastes))
        for n in range(each)
        for side in "ab"
    }
    judged = []
    for u, taste in enumerate(tastes):
        for n in range(each):
            a, b = (f"{seed}-{u}-{n}{side}" for side in "ab")
            margin = 2 * taste @ (features[a] - features[b])
            prefers_a = rng.random() < 1 / (1 + np.exp(-margin)) if wavers else margin > 0
            judged.append(Judgment(f"u{u}", a, b, "a" if prefers_a else "b"))
    responses = {key: Response(key, f"Question {number // 2 % 20}", key) for number, key in enumerate(features)}
    return Snapshot(responses, tuple(judged)), features


def test_what_one_person_alone_judged_is_not_taken_for_the_responses() -> None:
    # It was learnt as the responses' own and then counted again as the person's taste: .86 of these were right.
    tastes = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    tastes -= tastes.mean(axis=0)
    (learnt, known), (asked, new) = (
        _on_pairs_of_their_own(tastes, *how, wavers=wavers) for *how, wavers in ((100, 10, True), (200, 20, False))
    )
    model = Hybrid()
    model.fit(learnt, known, encoder="by hand")
    right = []
    for u in range(len(tastes)):
        mine, theirs = ([each for each in of.judgments if each.annotator == f"u{u}"] for of in (learnt, asked))
        p = predict(model, model.adapt(comparisons(model, mine)), theirs, new)
        right.append(np.mean((p > 0.5) == [each.choice == "a" for each in theirs]))
    assert np.mean(right) > 0.9


def test_an_artifact_of_the_time_before_still_adapts(hybrid: Hybrid, context: list[Comparison]) -> None:
    tensors, config = hybrid.state()
    del config["community"]
    old = Hybrid.from_state(tensors, config)
    latent = old.adapt(context)
    assert np.isfinite(latent.mean).all()
    assert not any(name.startswith(OWN) for name in latent.extra)


def test_an_artifact_without_shares_follows_everybody_as_far_as_it_did(
    hybrid: Hybrid, context: list[Comparison]
) -> None:
    tensors, config = hybrid.state()
    again = Hybrid.from_state(tensors, config)
    np.testing.assert_allclose(again.adapt(context).mean, hybrid.adapt(context).mean, atol=1e-5)
    guarded = {f"trust_{name}": tensors[f"trust_{name}"] * tensors["trust_usual"] for name in ("gaussian", "classes")}
    old = {name: each for name, each in tensors.items() if name not in ("trust_usual", "trust_clear")} | guarded
    usual = tensors | {"trust_clear": tensors["trust_usual"]}
    by_old, by_usual = (Hybrid.from_state(each, config).adapt(context) for each in (old, usual))
    np.testing.assert_allclose(by_old.mean, by_usual.mean, atol=1e-5)


def test_memory_raises_what_the_person_chose(hybrid: Hybrid, world: Simulation) -> None:
    tensors, config = hybrid.state()
    community = dict(config["community"])  # type: ignore[call-overload]
    made = Hybrid.from_state(tensors, config | {"community": community | {"memory": 1.0}})
    ids = list(world.responses)[:2]
    judged = [Judgment("new", ids[0], ids[1], "a")]
    a, b = made.items(ids[:1]), made.items(ids[1:])
    with_memory, without = (
        model.margin(model.adapt(comparisons(model, judged)), a, b)[0][0] for model in (made, hybrid)
    )
    assert with_memory > without
    latent = made.adapt(comparisons(made, judged))
    assert latent.extra[f"{OWN}1"] > 0 > latent.extra[f"{OWN}2"]
    flipped = made.adapt(comparisons(made, [replace(judged[0], choice="b")]))
    assert flipped.extra[f"{OWN}1"] < 0


@pytest.mark.parametrize(
    ("better", "clear"),
    [
        ([0.1, 0.3], True),  # ± .1, but two are no sample
        ([0.5, -0.1], True),
        ([0.1, -0.3], False),
        ([0.1, 0.3] * 4, True),
        ([0.5, -0.45] * 4, False),  # .025 ± .18
    ],
)
def test_few_held_out_annotators_decide_by_their_mean(better: list[float], clear: bool) -> None:
    assert clearly(np.array(better, np.float32), 0.5) is clear
