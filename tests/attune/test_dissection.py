"""Dissection: weights that are known are found, by person, community and machine; and statements about oneself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from attune.data import Judgment, Response, Snapshot
from attune.dissection import Dissection, dissect
from attune.errors import ArtifactError
from attune.evaluate import comparisons
from attune.logistic import Choices, Gaussian, person, population
from attune.rewards.base import Comparison, RewardModel
from attune.rewards.corrections import ASKED_WORTH, WORTH, Word, as_comparisons, trait_margins
from attune.rewards.trust import default_trust
from attune.simulate import Simulation
from attune.style_features import STYLE_FEATURES, TRAITS, style_vector
from tests.attune.conftest import small
from tests.attune.test_rewards import styled_as_text

SHORT = "Yes, on Mondays."
LONG = "Yes, on Mondays, unless the Monday is a holiday, in which case the next day counts as one, and so on and on."


def world(likes: dict[str, bool], each: int = 30) -> Snapshot:
    """Annotators who like long answers or short ones, nine times in ten."""
    responses = {}
    for number in range(40):
        for name, text in (("s", SHORT), ("l", LONG)):
            key = f"{name}{number}"
            responses[key] = Response(key, f"Question {number}?", f"{text} {number}")
    rng = np.random.default_rng(0)
    said = []
    for name, likes_long in likes.items():
        for number in rng.permutation(40)[:each]:
            long_wins = likes_long == (rng.random() < 0.9)
            said.append(Judgment(name, f"l{number}", f"s{number}", "a" if long_wins else "b"))
    return Snapshot(responses, tuple(said))


LIKES = {f"long-{n}": True for n in range(4)} | {f"short-{n}": False for n in range(8)}


def of(found: Dissection, snapshot: Snapshot, name: str) -> Gaussian:
    said = [each for each in snapshot.judgments if each.annotator == name]
    a, b = (np.stack([style_vector(snapshot.responses[getattr(j, side)].text) for j in said]) for side in ("a", "b"))
    return found.of(a, b, np.array([1 if j.choice == "a" else -1 for j in said]), np.ones(len(said)))


def test_one_weight_by_hand() -> None:
    # three wins of four against a difference of one: odds of three to one, drawn a little to nought by a wide prior
    said = Choices(np.ones((4, 1)), np.array([1, 1, 1, -1]), np.ones(4))
    found = person(said, Gaussian(np.zeros(1), 100 * np.eye(1)))
    assert found.mean[0] == pytest.approx(np.log(3), abs=0.02)
    assert found.cov[0, 0] == pytest.approx(1 / (4 * 0.75 * 0.25), rel=0.05)


def test_a_population_is_recovered() -> None:
    rng = np.random.default_rng(1)
    theta = np.array([1.0, -0.5]) + rng.standard_normal((300, 2)) * [0.8, 0.3]
    people = np.repeat(np.arange(300), 40)
    design = rng.standard_normal((len(people), 2))
    wins = rng.random(len(people)) < 1 / (1 + np.exp(-(design * theta[people]).sum(axis=1)))
    found = population(Choices(design, np.where(wins, 1, -1), np.ones(len(people))), people, rng)
    np.testing.assert_allclose(found.mean, [1.0, -0.5], atol=0.15)
    np.testing.assert_allclose(np.sqrt(np.diag(found.cov)), [0.8, 0.3], atol=0.15)


def test_who_likes_length_is_told_with_intervals() -> None:
    snapshot = world(LIKES)
    found = dissect(snapshot)
    assert found is not None
    length = list(TRAITS).index("concise–detailed")
    long, short = of(found, snapshot, "long-0"), of(found, snapshot, "short-0")
    assert long.mean[length] > found.people.mean[length] > short.mean[length]
    group = found.group()[length]
    assert group.low < group.estimate < group.high
    assert group.estimate < 0  # twice as many like it short
    unknown = found.of(
        np.zeros((0, len(STYLE_FEATURES)), np.float32), np.zeros((0, 37), np.float32), np.zeros(0), np.zeros(0)
    )
    assert unknown is found.people


def test_machines_are_looked_at_apart() -> None:
    snapshot = world(LIKES)
    machines = {name for name in LIKES if name.startswith("long")}
    found = dissect(snapshot, machines=machines)
    assert found is not None and found.machines is not None
    length = list(TRAITS).index("concise–detailed")
    assert found.machine_group()[length].estimate > 0 > found.group()[length].estimate
    only = dissect(snapshot, machines=set(LIKES))
    assert only is not None and only.machines is None and only.machine_group() == []


def test_too_little_says_nothing() -> None:
    assert dissect(world({"long-0": True}, each=5)) is None


def test_it_is_kept_as_json() -> None:
    snapshot = world(LIKES)
    found = dissect(snapshot, machines={"long-0", "long-1"})
    assert found is not None
    again = Dissection.from_json(json.loads(json.dumps(found.as_json())))
    np.testing.assert_allclose(of(again, snapshot, "short-1").mean, of(found, snapshot, "short-1").mean, atol=1e-4)
    assert [each.name for each in again.machine_group()] == list(TRAITS)
    with pytest.raises(ArtifactError, match="other traits"):
        Dissection.from_json({**found.as_json(), "traits": ["sweet–sour"]})


@pytest.fixture(scope="module", params=["hybrid", "pal_a", "mixture", "gpm", "vpl"])
def model(request: pytest.FixtureRequest, world: Simulation) -> RewardModel:
    made = small(request.param)
    made.fit(Snapshot(world.responses, world.judgments), styled_as_text(world), encoder="style")
    return made


def test_a_statement_moves_any_model_the_way_it_says(model: RewardModel, world: Simulation) -> None:
    length = list(TRAITS).index("concise–detailed")
    assert len(as_comparisons(model, {"concise–detailed": Word(1.0)})) == WORTH
    assert list(as_comparisons(model, {})) == []
    up, down = (items[length : length + 1] for items in model.trait_items())  # type: ignore[attr-defined]
    margins = [
        float(model.margin(model.adapt(as_comparisons(model, {"concise–detailed": Word(value)})), up, down)[0][0])
        for value in (-1.2, 1.2)
    ]
    assert margins[0] < margins[1]


def test_a_statement_counts_most_where_nothing_was_judged(world: Simulation) -> None:
    """Trust held equal: how far anything personal is believed grows with judgments, where held-out people bear it out."""
    model = small("hybrid")
    model.fit(Snapshot(world.responses, world.judgments), styled_as_text(world), encoder="style")
    name = max(world.people, key=lambda name: world.people[name].taste[0])
    said = comparisons(model, [each for each in world.judgments if each.annotator == name])
    against = as_comparisons(model, {"concise–detailed": Word(-1.5)})

    def length(context: list[Comparison]) -> float:
        return {row[0]: row[1] for row in model.traits(model.adapt(context))}["concise–detailed"]  # type: ignore[attr-defined]

    model._trust = default_trust()  # type: ignore[attr-defined]
    moved = [length(context) - length([*context, *against]) for context in ([], said)]
    assert 0 < moved[1] < moved[0]


def test_an_answer_to_a_question_moves_less_than_a_correction(world: Simulation) -> None:
    model = small("hybrid")
    model.fit(Snapshot(world.responses, world.judgments), styled_as_text(world), encoder="style")
    length = list(TRAITS).index("concise–detailed")
    moved = [
        float(
            trait_margins(model, model.adapt(as_comparisons(model, {"concise–detailed": Word(1.5, worth)})))[0][length]
        )
        for worth in (ASKED_WORTH, WORTH)
    ]
    assert float(trait_margins(model, model.prior())[0][length]) < moved[0] < moved[1]


def test_a_model_without_traits_takes_no_statement(hybrid: RewardModel) -> None:
    assert list(as_comparisons(hybrid, {"concise–detailed": Word(1.0)})) == []
    assert [len(each) for each in trait_margins(hybrid, hybrid.prior())] == [0, 0]
