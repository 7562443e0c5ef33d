"""The fitted models: what they learn from simulated annotators, and the contract that both keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Judgment, Response, Snapshot
from attune.errors import BadData, Cancelled, EncoderMismatch
from attune.evaluate import comparisons, recovery
from attune.rewards import create, names
from attune.rewards.base import RewardModel
from attune.rewards.bradley_terry import BradleyTerry
from attune.rewards.hybrid import Hybrid
from attune.simulate import AXES, Simulation, StyledPrompt, simulate
from attune.style_features import STYLE_FEATURES, TRAITS
from tests.attune.conftest import small, style_features

MODELS = [name for name in names() if name != "fspo"]
"""``fspo`` reads texts and no vectors: tests/attune/test_fspo.py."""


def snapshot_of(world: Simulation) -> Snapshot:
    return Snapshot(world.responses, world.judgments)


@pytest.fixture(scope="module")
def newcomers(world: Simulation, prompts: Sequence[StyledPrompt]) -> Simulation:
    """Other people, in the same world."""
    return simulate(prompts, annotators=24, judgments=24 * 32, seed=2, quality=world.quality)


def test_the_registry_names_its_models_and_refuses_others() -> None:
    assert names()[0] == "bradley_terry"
    assert isinstance(create("hybrid", ranks=[2]), Hybrid)
    with pytest.raises(BadData, match="model 'oracle' is not known"):
        create("oracle")
    with pytest.raises(BadData, match="does not take these options"):
        create("hybrid", size=3)


def test_a_few_judgments_by_hand() -> None:
    # x beats y three times out of four: the pooled odds lie between even and three to one, as the ridge has its say.
    responses = {key: Response(key, "p", key) for key in "xy"}
    judgments = [Judgment(f"u{n}", "x", "y", "a" if n < 3 else "b") for n in range(4)]
    model = BradleyTerry(item=0.01, text=1e6)
    model.fit(Snapshot(responses, judgments), {key: np.zeros(2, np.float32) for key in "xy"}, encoder="none")
    x, y = model.items(["x"]), model.items(["y"])
    assert model.probability(model.prior(), x, y)[0] == pytest.approx(0.75, abs=0.01)
    assert model.tie_probability(model.prior(), x, y)[0] < 0.15


def test_pooled_and_hybrid_agree_on_somebody_unknown(hybrid: Hybrid, world: Simulation) -> None:
    pooled = create("bradley_terry")
    pooled.fit(snapshot_of(world), style_features(world), encoder="truth")
    ids = list(world.responses)
    ours = hybrid.score(hybrid.prior(), hybrid.items(ids)).mean
    theirs = pooled.score(pooled.prior(), pooled.items(ids)).mean
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_tastes_are_recovered_from_few_judgments(hybrid: Hybrid, newcomers: Simulation) -> None:
    found = recovery(hybrid, newcomers, shots=(0, 8, 32))
    assert found["0"] < 0.5
    assert found["8"] > 0.8
    assert found["32"] > found["8"] + 0.05


def test_the_report_holds_the_pooled_baseline_beside_the_personal_figures(world: Simulation) -> None:
    report = create("hybrid").fit(snapshot_of(world), style_features(world), encoder="truth", seed=3)
    for shots in (0, 4, 8, 16):
        assert {
            f"personal_{shots}_{each}" for each in ("accuracy", "accuracy_se", "log_loss", "ece")
        } <= report.metrics.keys()
    assert report.metrics["personal_16_accuracy"] > report.metrics["pooled_accuracy"] + 0.02
    assert report.metrics["pooled_annotators"] == 8
    assert report.seconds > 0


def test_flipped_context_turns_the_prediction_round(hybrid: Hybrid, world: Simulation) -> None:
    name = next(iter(world.people))
    said = [each for each in world.judgments if each.annotator == name]
    other = {"a": "b", "b": "a"}
    flipped = [replace(each, choice=other.get(each.choice, each.choice)) for each in said]
    items = hybrid.items(list(world.responses))
    rewards = [hybrid.score(hybrid.adapt(comparisons(hybrid, each)), items).mean for each in (said, flipped)]
    assert np.corrcoef(rewards[0], rewards[1])[0, 1] < 0


def test_more_judgments_leave_less_doubt(hybrid: Hybrid, world: Simulation) -> None:
    items = hybrid.items(list(world.responses))
    doubts = [
        float(hybrid.score(hybrid.adapt(comparisons(hybrid, world.judgments[:n])), items).std.mean())
        for n in (0, 8, 64)
    ]
    assert doubts[0] > doubts[1] > doubts[2]


def test_unseen_responses_are_scored_by_their_features(hybrid: Hybrid, world: Simulation) -> None:
    features = style_features(world)
    renamed = {f"new-{key}": vector for key, vector in features.items()}
    name = next(iter(world.people))
    latent = hybrid.adapt(comparisons(hybrid, [each for each in world.judgments if each.annotator == name]))
    seen = hybrid.score(latent, hybrid.items(list(features))).mean
    unseen = hybrid.score(latent, hybrid.items(list(renamed), renamed)).mean
    assert np.corrcoef(seen, unseen)[0, 1] > 0.9


@pytest.mark.parametrize("name", MODELS)
def test_fits_repeat_with_the_seed(name: str, world: Simulation) -> None:
    models = [small(name), small(name)]
    for model in models:
        model.fit(snapshot_of(world), style_features(world), encoder="truth", seed=5)
    one, other = (model.state()[0] for model in models)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_reports_progress_and_can_be_stopped(name: str, world: Simulation) -> None:
    seen: list[Mapping[str, float | int | str]] = []

    def stop_soon(state: Mapping[str, float | int | str]) -> None:
        seen.append(state)
        if len(seen) == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        small(name).fit(snapshot_of(world), style_features(world), encoder="truth", progress=stop_soon)
    assert all(0 <= int(state["step"]) <= int(state["steps"]) for state in seen)
    assert seen[0] != seen[1]


def fit_error(model: RewardModel, snapshot: Snapshot, features: Mapping[str, np.ndarray]) -> str:
    with pytest.raises((BadData, EncoderMismatch)) as caught:
        model.fit(snapshot, features, encoder="truth")
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_teach_is_refused(name: str, world: Simulation) -> None:
    features = style_features(world)
    ids = list(world.responses)
    ties = [replace(each, choice="tie") for each in world.judgments]
    assert "0 decided judgments" in fit_error(small(name), Snapshot(world.responses, ties), features)
    assert "0 decided" in fit_error(small(name), Snapshot({}, []), {})
    stray = [*world.judgments, Judgment("u", "nowhere", ids[0], "a")]
    assert "names response 'nowhere'" in fit_error(small(name), Snapshot(world.responses, stray), features)
    assert "have no features" in fit_error(small(name), snapshot_of(world), {ids[0]: features[ids[0]]})
    broken = {**features, ids[3]: np.full(len(AXES), np.nan, np.float32)}
    assert f"{ids[3]!r} hold a value that is not finite" in fit_error(small(name), snapshot_of(world), broken)


@pytest.mark.parametrize("name", MODELS)
def test_a_tiny_project_can_be_fitted(name: str, world: Simulation) -> None:
    model = small(name)
    model.fit(Snapshot(world.responses, world.judgments[:3]), style_features(world), encoder="truth")
    items = model.items(list(world.responses))
    assert np.isfinite(model.score(model.adapt(comparisons(model, world.judgments[:3])), items).mean).all()


def test_hidden_repeats_teach_nothing(world: Simulation) -> None:
    repeated = [*world.judgments, *(replace(each, repeat=True, choice="b") for each in world.judgments)]
    models = [create("bradley_terry"), create("bradley_terry")]
    models[0].fit(snapshot_of(world), style_features(world), encoder="truth")
    models[1].fit(Snapshot(world.responses, repeated), style_features(world), encoder="truth")
    assert np.array_equal(models[0].state()[0]["table"], models[1].state()[0]["table"])


def styled_as_text(world: Simulation) -> dict[str, np.ndarray]:
    """Style features in which detail and bullets follow the true styles, and the rest is noise."""
    rng = np.random.default_rng(0)
    vectors = {}
    for key, style in world.styles.items():
        vector = 0.3 * rng.standard_normal(len(STYLE_FEATURES)).astype(np.float32)
        vector[STYLE_FEATURES.index("log_words")] = 3 + style[AXES.index("detailed")]
        vector[STYLE_FEATURES.index("bullets")] = 0.5 + 0.5 * style[AXES.index("bulleted")]
        vectors[key] = vector
    return vectors


def test_traits_tell_who_likes_detail_and_bullets(world: Simulation) -> None:
    model = create("hybrid")
    assert isinstance(model, Hybrid)
    model.fit(snapshot_of(world), styled_as_text(world), encoder="style")
    found: dict[str, list[float]] = {"concise–detailed": [], "prose–bulleted": []}
    for name in world.people:
        said = [each for each in world.judgments if each.annotator == name]
        for trait, estimate, low, high in model.traits(model.adapt(comparisons(model, said))):
            assert low < estimate < high
            if trait in found:
                found[trait].append(estimate)
    for trait, axis in (("concise–detailed", "detailed"), ("prose–bulleted", "bulleted")):
        truth = [person.taste[AXES.index(axis)] for person in world.people.values()]
        assert np.corrcoef(found[trait], truth)[0, 1] > 0.7
    assert [trait for trait, *_ in model.traits(model.prior())] == list(TRAITS)
    assert all(estimate == 0 for _, estimate, _, _ in model.traits(model.prior()))


def test_without_style_features_there_are_no_traits(hybrid: Hybrid) -> None:
    assert hybrid.traits(hybrid.prior()) == []


def test_a_pooled_reward_may_bend_with_the_text() -> None:
    """Everybody likes one thing or the other and not both: no linear reward can say so of a text it has not seen."""
    rng = np.random.default_rng(0)
    ids = [f"r{number}" for number in range(240)]
    responses = {key: Response(key, f"Question {number // 4}?", key) for number, key in enumerate(ids)}
    features = {key: rng.choice([-1.0, 1.0], 2).astype(np.float32) for key in ids}
    worth = {key: -2.0 * float(np.prod(features[key])) for key in ids}

    def said_about(keys: Sequence[str]) -> list[Judgment]:
        drawn = [rng.choice(len(keys), 2, replace=False) for _ in range(1500)]
        pairs = [(keys[a], keys[b]) for a, b in drawn]
        chances = [1 / (1 + np.exp(worth[b] - worth[a])) for a, b in pairs]
        return [
            Judgment(f"person-{number % 30}", a, b, "a" if rng.random() < chance else "b")
            for number, ((a, b), chance) in enumerate(zip(pairs, chances, strict=True))
        ]

    known = {key: responses[key] for key in ids[:160]}
    snapshot = Snapshot(known, tuple(said_about(ids[:160])))
    new = [each for each in said_about(ids[160:]) if worth[each.a] != worth[each.b]]
    right = {}
    for hidden in (0, 16):
        model = create("bradley_terry", hidden=hidden)
        model.fit(snapshot, features, encoder="truth", seed=0)
        a, b = (model.items([getattr(each, side) for each in new], features) for side in ("a", "b"))
        better = np.array([worth[each.a] > worth[each.b] for each in new])
        right[hidden] = float(((model.margin(model.prior(), a, b)[0] > 0) == better).mean())
        loaded = type(model).from_state(*model.state())
        np.testing.assert_allclose(loaded.items([new[0].a], features), model.items([new[0].a], features), atol=1e-6)
    assert right[0] < 0.7
    assert right[16] > 0.95
