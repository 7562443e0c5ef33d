"""Refits begin from what an earlier fit left: sooner, with the same people held out, and never where somebody is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attune import artifact
from attune.data import Snapshot
from attune.errors import ArtifactError
from attune.evaluate import comparisons
from attune.rewards.base import RewardModel
from attune.rewards.beginning import hashed
from attune.rewards.hybrid import Hybrid
from attune.simulate import Simulation
from tests.attune.conftest import small
from tests.attune.test_rewards import styled_as_text


@pytest.fixture(scope="module")
def snapshot(world: Simulation) -> Snapshot:
    return Snapshot(world.responses, world.judgments)


@pytest.fixture(scope="module")
def before(world: Simulation, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``_fit_of_some``."""
    return _fit_of_some(world, snapshot, tmp_path_factory.mktemp("begin") / "m")


def _fit_of_some(world: Simulation, snapshot: Snapshot, folder: Path) -> Path:
    """A fit of all but the last four people and the last two responses, stored."""
    people, responses = list(world.people), list(world.responses)
    kept = [
        each
        for each in snapshot.judgments
        if each.annotator not in people[-4:] and not {each.a, each.b} & set(responses[-2:])
    ]
    known = {key: snapshot.responses[key] for key in responses[:-2]}
    model = small("hybrid")
    model.fit(Snapshot(known, kept), styled_as_text(world), encoder="style")
    artifact.save(model, folder, {})
    return folder


def refit(snapshot: Snapshot, world: Simulation, before: Path, **options: Any) -> tuple[RewardModel, list[str]]:
    """The model and the stages that it told."""
    steps: list[str] = []
    model = small("hybrid", **options)
    model.begin_from(artifact.load(before), artifact.load_left(before))
    model.fit(
        snapshot,
        styled_as_text(world),
        encoder="style",
        progress=lambda said: steps.append(f"{said['step']} of {said['steps']}"),
    )
    return model, steps


def test_a_refit_takes_fewer_rounds_and_finds_the_same(world: Simulation, snapshot: Snapshot, tmp_path: Path) -> None:
    # Without reasons: how much these count is chosen by every fit on those whom it holds out, who are not the same in both.
    snapshot = replace(snapshot, judgments=[replace(each, tags=(), rationale="") for each in snapshot.judgments])
    before = _fit_of_some(world, snapshot, tmp_path / "begin")
    cold_steps: list[str] = []
    cold = small("hybrid")
    cold.fit(
        snapshot,
        styled_as_text(world),
        encoder="style",
        progress=lambda said: cold_steps.append(f"{said['step']} of {said['steps']}"),
    )
    warm, steps = refit(snapshot, world, before)
    assert warm.began and not cold.began and len(steps) < len(cold_steps)
    assert steps[-1] == f"{len(steps)} of {len(steps)}"
    name = next(iter(world.people))
    said = [each for each in world.judgments if each.annotator == name]
    items = [model.items(list(world.responses)) for model in (cold, warm)]
    one, other = (
        model.score(model.adapt(comparisons(model, said)), rows).mean
        for model, rows in zip((cold, warm), items, strict=True)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.95


def test_who_was_held_out_is_held_out_again(world: Simulation, snapshot: Snapshot, before: Path) -> None:
    model, _ = refit(snapshot, world, before)
    then, now = artifact.load_left(before), model.left()
    for number in range(int(then["about"][2])):
        assert np.isin(then[f"{number}.held"], now[f"{number}.held"]).all()
        known = np.isin(now[f"{number}.held"], then["people"])
        assert np.isin(now[f"{number}.held"][known], then[f"{number}.held"]).all(), "nobody whom it had seen"


def test_it_begins_from_nothing_where_somebody_is_gone_or_much_is_new(
    world: Simulation, snapshot: Snapshot, before: Path
) -> None:
    gone = next(iter(world.people))
    fewer = replace(snapshot, judgments=[each for each in snapshot.judgments if each.annotator != gone])
    assert not refit(fewer, world, before)[0].began
    left = artifact.load_left(before)
    left["about"][1] = len(snapshot.judgments) // 3
    model = small("hybrid")
    model.begin_from(artifact.load(before), left)
    model.fit(snapshot, styled_as_text(world), encoder="style")
    assert not model.began
    assert int(model.left()["about"][1]) == len(snapshot.judgments)


def test_other_options_begin_from_nothing(world: Simulation, snapshot: Snapshot, before: Path) -> None:
    assert not refit(snapshot, world, before, ranks=[2])[0].began


def test_what_is_left_is_checked(world: Simulation, before: Path, tmp_path: Path) -> None:
    left = artifact.load_left(before)
    assert np.isin(left["people"], hashed(world.people)).all()
    with pytest.raises(ArtifactError, match=r"lacks '0\.held'"):
        small("hybrid").begin_from(
            artifact.load(before), {name: each for name, each in left.items() if name != "0.held"}
        )
    copy = tmp_path / "m"
    copy.mkdir()
    for each in before.iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    (copy / artifact.LEFT_FILE).write_bytes(b"other")
    assert isinstance(artifact.load(copy), Hybrid)
    with pytest.raises(ArtifactError, match="has changed"):
        artifact.load_left(copy)
