"""The protocol: who is scored on what, and the checks that a model listens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Judgment, Snapshot
from attune.errors import BadData
from attune.evaluate import evaluate, flip_moved, measure, recovery, subjects_of, swap_gap, table
from attune.rewards import create
from attune.rewards.hybrid import Hybrid
from attune.simulate import Simulation, StyledPrompt, simulate
from tests.attune.conftest import style_features


@pytest.fixture(scope="module")
def people(world: Simulation, prompts: Sequence[StyledPrompt]) -> Snapshot:
    """Evaluation annotators: 32 judgments each, the last 16 to be predicted, every fourth pair marked contested."""
    other = simulate(prompts, annotators=20, judgments=640, seed=7, quality=world.quality)
    seen: dict[str, int] = {}
    judgments = []
    for number, each in enumerate(other.judgments):
        seen[each.annotator] = seen.get(each.annotator, 0) + 1
        part = "context" if seen[each.annotator] <= 16 else "test"
        slices = ("contested",) if number % 2 else ()
        judgments.append(replace(each, annotator=f"new-{each.annotator}", part=part, slices=slices))  # type: ignore[arg-type]
    return Snapshot(other.responses, judgments)


def test_the_report_has_every_figure_for_every_model(world: Simulation, people: Snapshot) -> None:
    train = Snapshot(world.responses, world.judgments)
    report = evaluate(train, people, style_features(world), encoder="truth", shots=(0, 8, None), seeds=(0, 1))
    assert json.loads(json.dumps(report)) == report
    assert list(report["models"]) == ["bradley_terry", "hybrid"]
    figures = report["models"]["hybrid"]
    assert list(figures["shots"]) == ["0", "8", "all"]
    summary = figures["shots"]["8"]["slices"]["all"]
    assert {"macro", "macro_se", "micro", "log_loss", "ece", "n_annotators", "n", "seed_se"} <= summary.keys()
    assert summary["n_annotators"] == 20
    assert figures["shots"]["8"]["slices"]["contested"]["n"] < summary["n"]
    assert figures["swap_symmetric"] is True
    assert figures["flip_moved"] > 0.4
    assert report["models"]["bradley_terry"]["flip_moved"] == 0
    assert figures["shots"]["0"]["flip_moved"] == 0
    assert 0.2 < figures["shots"]["8"]["flip_moved"] < figures["shots"]["all"]["flip_moved"]
    pooled = report["models"]["bradley_terry"]["shots"]
    assert pooled["0"]["slices"]["all"]["macro"] == pooled["all"]["slices"]["all"]["macro"]
    assert figures["shots"]["all"]["slices"]["all"]["macro"] > pooled["all"]["slices"]["all"]["macro"] + 0.1
    text = table(report)
    assert "hybrid" in text
    assert "all shots" in text.splitlines()[0]
    turned = next(line for line in text.splitlines() if line.startswith("hybrid") and "flips turn" in line)
    assert f"{100 * figures['shots']['8']['flip_moved']:.1f} %" in turned


def test_context_and_test_come_from_the_parts() -> None:
    said = [
        Judgment("u", "x", "y", "a", part="test"),
        Judgment("u", "x", "z", "b", part="context"),
        Judgment("u", "y", "z", "tie", part="test"),
        Judgment("v", "y", "z", "tie", part="test"),
    ]
    subjects = subjects_of(Snapshot({}, said))
    assert [(each.name, each.context, each.test) for each in subjects] == [("u", (said[1],), (said[0],))]


def test_without_parts_the_first_half_is_context() -> None:
    said = [Judgment("u", "x", "y", choice) for choice in ("a", "b", "tie", "b")]  # type: ignore[arg-type]
    (subject,) = subjects_of(Snapshot({}, said))
    assert (subject.context, subject.test) == (tuple(said[:2]), (said[3],))


def test_nothing_to_predict_is_an_error() -> None:
    with pytest.raises(BadData, match="no annotator"):
        subjects_of(Snapshot({}, [Judgment("u", "x", "y", "tie", part="test")]))


def test_an_annotator_in_both_sets_is_an_error(world: Simulation) -> None:
    train = Snapshot(world.responses, world.judgments)
    with pytest.raises(BadData, match="40 annotators are in both the training and the evaluation data"):
        evaluate(train, train, style_features(world), encoder="truth")


def test_a_personal_model_listens_and_mirrors(hybrid: Hybrid, people: Snapshot, world: Simulation) -> None:
    subjects = subjects_of(people)
    assert flip_moved(hybrid, subjects, style_features(world)) > 0.4
    assert swap_gap(hybrid, subjects, style_features(world)) < 1e-6
    figures = measure(hybrid, subjects, style_features(world), shots=(0, 16))
    assert 0 < figures["adapt_ms"]["p50"] <= figures["adapt_ms"]["p95"]
    assert figures["peak_rss_mb"] > 10


def test_recovery_of_a_pooled_model_does_not_grow(world: Simulation, prompts: Sequence[StyledPrompt]) -> None:
    pooled = create("bradley_terry")
    pooled.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth")
    others = simulate(prompts, annotators=6, judgments=96, seed=9, quality=world.quality)
    found = recovery(pooled, others, shots=(0, 16))
    assert found["0"] == pytest.approx(found["16"])
    assert np.isfinite(found["0"])
