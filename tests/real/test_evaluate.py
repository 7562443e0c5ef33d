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


def measured(name: str) -> dict[str, Any]:
    train, people = (read_judgments(DATA / name / f"{part}.jsonl.gz") for part in ("train", "eval"))
    responses = {**train.responses, **people.responses}
    features = encode_cached(ENCODER, {key: (each.prompt, each.text) for key, each in responses.items()})
    train = Snapshot(responses, train.judgments)
    return evaluate(train, people, features, encoder=ENCODER, shots=(0, 4, 16), seeds=(0,))["models"]


def accuracy(figures: dict[str, Any], shots: str, part: str = "all") -> float:
    return float(figures["shots"][shots]["slices"][part]["macro"])


def test_opinions_become_personal_within_four_judgments() -> None:
    models = measured("polis")
    pooled, hybrid = models["bradley_terry"], models["hybrid"]
    assert accuracy(pooled, "0") > 0.74
    assert accuracy(hybrid, "0") == pytest.approx(accuracy(pooled, "0"), abs=0.005)
    assert accuracy(hybrid, "4") > accuracy(pooled, "4") + 0.025
    assert accuracy(hybrid, "16") > accuracy(pooled, "16") + 0.035
    assert accuracy(hybrid, "4", "contested") > accuracy(pooled, "4", "contested") + 0.07
    assert accuracy(hybrid, "16", "contested") > accuracy(pooled, "16", "contested") + 0.09
    losses = [each["shots"]["16"]["slices"]["all"]["log_loss"] for each in (pooled, hybrid)]
    assert losses[1] < losses[0] - 0.03
    assert hybrid["swap_symmetric"]
    assert hybrid["flip_moved"] > 0.5
    assert all(figures["slices"]["all"]["ece"] < 0.06 for figures in hybrid["shots"].values())


def test_where_people_agree_being_personal_costs_nothing() -> None:
    models = measured("ukp_convarg")
    pooled, hybrid = models["bradley_terry"], models["hybrid"]
    assert accuracy(pooled, "0") > 0.78
    for shots in ("0", "4", "16"):
        assert accuracy(hybrid, shots) > accuracy(pooled, "0") - 0.01
    assert accuracy(hybrid, "16", "contested") > accuracy(pooled, "16", "contested") - 0.01
