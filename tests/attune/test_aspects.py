"""Aspects, their heads and directions; pairs induced from a ranking (HERON)."""

from __future__ import annotations

import numpy as np
import pytest

from attune.data import Snapshot
from attune.errors import BadData
from attune.evaluate import comparisons
from attune.heron import Ranked, induce, pairs_within
from attune.rewards import create
from attune.rewards.aspects import OVERALL, Aspects, tagged
from attune.simulate import Simulation
from tests.attune.test_rewards import styled_as_text


def fitted(world: Simulation, **options: object) -> Aspects:
    model = create("aspects", **options)
    assert isinstance(model, Aspects)
    model.fit(Snapshot(world.responses, world.judgments), styled_as_text(world), encoder="style", seed=0)
    return model


def test_pairs_of_a_group() -> None:
    a, b = pairs_within(np.array([0, 1, 0, 0]))
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 2), (0, 3), (2, 3)]
    assert len(pairs_within(np.zeros(0, np.int64))[0]) == 0


def test_the_first_aspect_that_differs_decides() -> None:
    # rows: helpful, short. Helpful matters most; where it is level, less length is better.
    scores = np.array([[1.0, 0.0], [-1.0, -1.0], [1.1, 2.0], [1.0, 0.1]])
    found = induce(scores, np.zeros(4, np.int64), [Ranked(0), Ranked(1, -1)])
    said = {
        (int(better), int(other)): int(level)
        for better, other, level in zip(found.better, found.other, found.level, strict=True)
    }
    assert said == {(0, 1): 0, (2, 1): 0, (3, 1): 0, (0, 2): 1, (3, 2): 1}  # 0 and 3 differ in nothing


def test_heads_come_from_style_and_from_tags(world: Simulation) -> None:
    model = fitted(world, least_tagged=10)
    assert model.aspects[0] == OVERALL and "concise–detailed" in model.aspects
    assert any(name.startswith("tag: ") for name in model.aspects)
    counted = tagged(Snapshot(world.responses, world.judgments), 10)
    assert {f"tag: {name}" for name in counted} >= {name for name in model.aspects if name.startswith("tag: ")}


def test_a_direction_has_length_one_and_turns_by_degrees(world: Simulation) -> None:
    model = fitted(world)
    name = next(iter(world.people))
    latent = model.adapt(comparisons(model, [each for each in world.judgments if each.annotator == name]))
    direction = model.direction(latent)
    assert sum(value**2 for value in direction.values()) == pytest.approx(1, abs=1e-5)
    turned = model.direction(model.steer(latent, "dry–warm", 20))
    angle = np.degrees(np.arccos(sum(direction[key] * turned[key] for key in direction)))
    assert angle == pytest.approx(20, abs=0.1)
    assert turned["dry–warm"] > direction["dry–warm"]
    assert model.direction(model.steer(latent, "dry–warm", 360))["dry–warm"] == pytest.approx(1, abs=1e-5)
    assert model.direction(model.steer(latent, "dry–warm", -360))["dry–warm"] == pytest.approx(-1, abs=1e-5)
    with pytest.raises(BadData, match="aspect 'sweet–sour' is not known; expected one of overall"):
        model.steer(latent, "sweet–sour", 10)


def test_a_ranking_helps_where_there_is_little_to_go_on(world: Simulation) -> None:
    few = Simulation(world.responses, world.judgments[:30], (), world.people, world.styles, world.quality)
    plain = fitted(few)
    told = fitted(few, importance=["-concise–detailed"], importance_weight=1.0)
    assert told.direction(told.prior())["concise–detailed"] < plain.direction(plain.prior())["concise–detailed"]
    with pytest.raises(BadData, match="option 'importance' names 'colour'"):
        fitted(few, importance=["colour"])
