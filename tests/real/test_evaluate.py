"""Real people: the hybrid beats the pooled model on those it has never seen, and says how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attune.data import Snapshot, read_judgments
from attune.encoders import encode_cached
from attune.evaluate import evaluate

DATA = Path(__file__).parents[3] / "shared" / "data"
ENCODER = "style"  # the sentence encoder would take most of the test's minute

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not DATA.exists(), reason=f"the real judgments are not there: {DATA}"),
]


SMALL = {"hybrid": {"rehearsals": 1, "class_sizes": [4, 8], "ranks": [8]}}
"""A third of the hybrid's usual work; the floors below are those of the whole, less what that costs and noise."""


def measured(name: str) -> dict[str, Any]:
    train, people = (read_judgments(DATA / name / f"{part}.jsonl.gz") for part in ("train", "eval"))
    responses = {**train.responses, **people.responses}
    features = encode_cached(ENCODER, {key: (each.prompt, each.text) for key, each in responses.items()})
    train = Snapshot(responses, train.judgments)
    return evaluate(train, people, features, encoder=ENCODER, shots=(0, 4, 16, None), seeds=(0,), options=SMALL)[
        "models"
    ]


def accuracy(figures: dict[str, Any], shots: str, part: str = "all", kind: str = "macro") -> float:
    return float(figures["shots"][shots]["slices"][part][kind])


def test_opinions_become_personal_within_four_judgments() -> None:
    models = measured("polis")
    pooled, hybrid = models["bradley_terry"], models["hybrid"]
    assert accuracy(pooled, "0") > 0.74
    assert accuracy(hybrid, "0") == pytest.approx(accuracy(pooled, "0"), abs=0.01)
    assert accuracy(hybrid, "4") > accuracy(pooled, "4") + 0.035
    assert accuracy(hybrid, "16") > accuracy(pooled, "16") + 0.045
    assert accuracy(hybrid, "4", "contested") > accuracy(pooled, "4", "contested") + 0.09
    assert accuracy(hybrid, "16", "contested") > accuracy(pooled, "16", "contested") + 0.12
    losses = [each["shots"]["16"]["slices"]["all"]["log_loss"] for each in (pooled, hybrid)]
    assert losses[1] < losses[0] - 0.07
    assert hybrid["swap_symmetric"]
    assert hybrid["flip_moved"] > 0.5
    assert all(figures["slices"]["all"]["ece"] < 0.03 for figures in hybrid["shots"].values())
    assert all(0.86 < figures["coverage_90"] < 0.94 for figures in hybrid["shots"].values())


def test_where_people_agree_being_personal_costs_nothing() -> None:
    models = measured("ukp_convarg")
    pooled, hybrid = models["bradley_terry"], models["hybrid"]
    assert accuracy(pooled, "0") > 0.78
    for shots in ("4", "16"):
        assert accuracy(hybrid, shots) > accuracy(hybrid, "0") - 0.005
    assert accuracy(hybrid, "all", "heavy_rater", "micro") > accuracy(pooled, "all", "heavy_rater", "micro") + 0.015
    assert all(figures["slices"]["all"]["ece"] < 0.035 for figures in hybrid["shots"].values())
