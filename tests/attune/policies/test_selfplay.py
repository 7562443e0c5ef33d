"""Self-play: a game without a best answer, played with the losses themselves; win rates; and files of opinions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from attune.errors import BadData
from attune.policies.losses import METHODS, Options, Pairs
from attune.policies.pairing import furthest_apart
from attune.policies.selfplay import (
    Opinion,
    chances,
    examples_of_opinions,
    read_opinions,
    win_rates,
    write_opinions,
)
from attune.rewards.base import Latent, RewardModel

CIRCLE = torch.tensor([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]])
"""The first beats the second 9 to 1, the second the third 7 to 3, the third the first 8 to 2: no response is best."""
NASH = torch.tensor([2.0, 3.0, 4.0]) / 9
"""The only mix that nothing beats: 0.4 p₂ = 0.3 p₃, 0.4 p₁ = 0.2 p₃, 0.3 p₁ = 0.2 p₂ of the margins over ½."""
ROUNDS = 50
Chosen = Callable[[Tensor], list[tuple[int, int]]]


def every_pair(_wins: Tensor) -> list[tuple[int, int]]:
    return [(0, 1), (1, 2), (2, 0)]


def best_and_worst(wins: Tensor) -> list[tuple[int, int]]:
    return [(int(wins.argmax()), int(wins.argmin()))]


def play(method: str, options: Options, chosen: Chosen = every_pair) -> list[Tensor]:
    """ROUNDS iterations from a uniform policy over three responses, each the loss's minimum over the pairs that the last iterate
    would draw. Returns the policies."""
    origin = torch.zeros(3).log_softmax(0)
    policies = [origin.exp()]
    for _ in range(ROUNDS):
        last = policies[-1].log()
        wins = CIRCLE @ policies[-1]
        c, r = (torch.tensor(side) for side in zip(*chosen(wins), strict=True))
        weight = (last[c] + last[r]).exp()
        logits = last.clone().requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=0.05)
        for _step in range(60):
            now = logits.log_softmax(0)
            batch = Pairs(
                chosen=now[c],
                rejected=now[r],
                ref_chosen=last[c],
                ref_rejected=last[r],
                chosen_length=torch.ones(len(c)),
                rejected_length=torch.ones(len(c)),
                target=CIRCLE[c, r],
                degree=torch.zeros(len(c)),
                both_bad=torch.zeros(len(c), dtype=torch.bool),
                wins=torch.stack([wins[c], wins[r]], 1),
                origin=torch.stack([origin[c], origin[r]], 1),
            )
            optimizer.zero_grad()
            ((METHODS[method].loss(batch, options) * weight).sum() / weight.sum()).backward()
            optimizer.step()
        policies.append(logits.detach().softmax(0))
    return policies


def beaten_by(policy: Tensor) -> float:
    """How much more often than half the best answer to a policy wins against it; 0 for the Nash mix alone."""
    return float((CIRCLE @ policy).max() - 0.5)


def test_nothing_beats_the_nash_mix() -> None:
    assert beaten_by(NASH) == pytest.approx(0, abs=1e-6)
    assert beaten_by(torch.ones(3) / 3) > 0.03


def test_inpo_s_last_iterate_comes_to_rest_at_the_nash_policy_of_the_game_with_a_pull() -> None:
    """There log π(y)/π₀(y) = P(y ≻ π)/τ + const, with τ = anchor · β = 0.12."""
    *_, before, last = play("inpo", Options(beta=0.6, anchor=0.2))
    assert (last - before).abs().max() < 1e-3
    left = last.log() - CIRCLE @ last / 0.12
    assert float(left.max() - left.min()) < 0.02
    assert beaten_by(last) < 0.035


@pytest.mark.parametrize("method", ["dno", "sppo", "inpo"])
def test_the_mean_of_the_iterates_comes_to_the_nash_mix(method: str) -> None:
    mean = torch.stack(play(method, Options(beta=0.6, anchor=0.0))).mean(0)
    assert beaten_by(mean) < 0.02


def test_best_against_worst_with_dpo_runs_off() -> None:
    policies = play("dpo", Options(beta=0.6), best_and_worst)
    assert min(beaten_by(each) for each in policies[-10:]) > 0.15
    assert max(float(each.max()) for each in policies) > 0.95


class Circular:
    """Items are numbers of CIRCLE's responses; a latent's mean says how strongly it is believed."""

    def probability(self, latent: Latent, items_a: np.ndarray, items_b: np.ndarray) -> np.ndarray:
        believed = CIRCLE.numpy()[items_a[:, 0].astype(int), items_b[:, 0].astype(int)]
        return 0.5 + float(latent.mean[0]) * (believed - 0.5)


def test_win_rates_are_of_probabilities_and_a_circle_has_its_own() -> None:
    model: RewardModel = Circular()  # type: ignore[assignment]
    cov = np.zeros((0, 0), np.float32)
    latents = [Latent(np.array([1.0], np.float32), cov), Latent(np.array([0.5], np.float32), cov)]
    found = chances(model, latents, np.array([[0], [1], [2]], np.float32))
    assert found == pytest.approx(0.5 + 0.75 * (CIRCLE.numpy() - 0.5))
    assert win_rates(found) == pytest.approx([0.525, 0.45, 0.525])


def test_pairs_lie_furthest_apart_first() -> None:
    wins = np.array([0.4, 0.7, 0.5, 0.2, 0.6], np.float32)
    rng = np.random.default_rng(0)
    assert furthest_apart(wins, 1, rng) == [(1, 3)]
    assert furthest_apart(wins, 8, rng) == [(1, 3), (4, 0)]


def opinion(number: int, **changes: object) -> Opinion:
    values = {"prompt": f"Question {number}?", "one": "Yes.", "other": "No, it is long.", "chance": 0.8}
    return Opinion(**{**values, "one_wins": 0.7, "other_wins": 0.4, **changes})  # type: ignore[arg-type]


def test_opinions_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [opinion(1), opinion(2, one_wins=0.2)]
    digest = write_opinions(tmp_path / "opinions", rows)
    found = read_opinions(tmp_path / "opinions")
    assert (found.rows, found.digest) == (tuple(rows), digest)
    [first, second] = examples_of_opinions(found, held_out=0, seed=0).train
    assert (first.chosen, first.target, first.wins) == ("Yes.", 0.8, (0.7, 0.4))
    assert (second.chosen, second.target, second.wins) == ("No, it is long.", pytest.approx(0.2), (0.4, 0.2))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is no JSON"),
        ("[]", "line 1: expected an object with prompt, one, other"),
        ('{"prompt":"a","one":"b","other":"c","chance":1.2,"one_wins":0,"other_wins":0}', "chance is 1.2; expected"),
        ('{"prompt":"a","one":1,"other":"c","chance":1,"one_wins":0,"other_wins":0}', "one is 1; expected a text"),
    ],
)
def test_bad_lines_are_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "opinions.jsonl").write_text(line)
    with pytest.raises(BadData, match=message):
        read_opinions(tmp_path)


def test_what_tells_nothing_is_left_out(tmp_path: Path) -> None:
    write_opinions(tmp_path / "o", [opinion(1, other="Yes."), opinion(2, one_wins=0.4)])
    with pytest.raises(BadData, match="None of the 2 pairs"):
        examples_of_opinions(read_opinions(tmp_path / "o"), held_out=0, seed=0)
