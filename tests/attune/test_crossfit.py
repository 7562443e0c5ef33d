"""Fits that have seen nothing of what they guess: a taste of its own is guessed, a coin is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attune.crossfit import FOLDS, LEAST, cross_fitted
from attune.data import Judgment, Response, Snapshot
from attune.encoders import encode_cached, get_encoder


@pytest.fixture(scope="module")
def world() -> tuple[Snapshot, dict[str, np.ndarray]]:
    """Twelve people who like long answers, one who likes short ones, one who tosses a coin, one who said little."""
    rng = np.random.default_rng(5)
    responses = {}
    for prompt in range(60):
        for side in "ab":
            words = int(rng.integers(3, 60))
            key = f"{prompt}{side}"
            responses[key] = Response(key, f"Question {prompt}?", "word " * words, "")
    judgments = []
    for name in [*(f"long-{n}" for n in range(12)), "short", "coin", "few"]:
        for prompt in rng.permutation(60)[: 8 if name == "few" else 50]:
            a, b = f"{prompt}a", f"{prompt}b"
            longer = "a" if len(responses[a].text) > len(responses[b].text) else "b"
            shorter = "b" if longer == "a" else "a"
            choice = {"short": shorter, "coin": "ab"[rng.integers(2)]}.get(name, longer)
            judgments.append(Judgment(name, a, b, choice))  # type: ignore[arg-type]
    texts = {key: (each.prompt, each.text) for key, each in responses.items()}
    return Snapshot(responses, judgments), encode_cached("style", texts)


def test_a_minority_is_guessed_and_a_coin_is_not(world: tuple[Snapshot, dict[str, np.ndarray]]) -> None:
    found = cross_fitted(*world, encoder="style")
    assert "few" not in found
    assert {each.of for each in found.values()} == {50}
    assert all(found[f"long-{n}"].right >= 45 for n in range(12))
    assert found["short"].right >= 38
    assert found["short"].pooled <= 10
    assert 14 <= found["coin"].right <= 36  # 25 ± 3 standard deviations


def test_each_preference_is_guessed_once_by_fits_that_have_not_seen_it(
    world: tuple[Snapshot, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from attune.rewards.hybrid import Hybrid

    seen: list[list[Judgment]] = []
    fit = Hybrid.fit

    def watched(self: Hybrid, snapshot: Snapshot, *args: object, **options: object) -> object:
        seen.append(list(snapshot.judgments))
        return fit(self, snapshot, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Hybrid, "fit", watched)
    snapshot, features = world
    repeated = replace(snapshot.judgments[0], repeat=True, choice="tie")
    cross_fitted(replace(snapshot, judgments=[*snapshot.judgments, repeated]), features, encoder="style")
    assert len(seen) == FOLDS
    assert sum(len(each) for each in seen) == (FOLDS - 1) * len(snapshot.judgments)
    assert all(repeated not in each for each in seen)


def test_too_little_to_learn_from(world: tuple[Snapshot, dict[str, np.ndarray]]) -> None:
    snapshot, features = world
    little = replace(snapshot, judgments=list(snapshot.judgments[: LEAST - 1]))
    assert cross_fitted(little, features, encoder="style") == {}
    ties = [replace(each, choice="tie") for each in snapshot.judgments]
    assert cross_fitted(replace(snapshot, judgments=ties), features, encoder="style") == {}
    assert get_encoder("style").dim > 0
