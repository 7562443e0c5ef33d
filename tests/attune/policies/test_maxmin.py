"""MaxMin's weights, on numbers worked out by hand."""

from __future__ import annotations

from math import exp
from types import SimpleNamespace

import pytest
import torch

from attune.policies import maxmin
from attune.policies.batches import Row, Tokens
from attune.policies.examples import Example
from attune.policies.preference_trainer import PreferenceTrainer
from attune.policies.settings import PolicySettings

NOTHING = Tokens([], [], [])


def row(group: int, weight: float = 1.0) -> Row:
    example = Example(({"role": "user", "content": "How?"},), "a", "b", "u", group=group, weight=weight)
    return Row(NOTHING, NOTHING, None, example)


def test_shares_are_of_judgments_and_not_of_comparisons() -> None:
    rows = [row(0), row(0), row(0, weight=0.5), row(0, weight=0.5), row(2)]
    assert maxmin.shares_of(rows).tolist() == [0.75, 0.0, 0.25]
    assert maxmin.first_weights(maxmin.shares_of(rows)).tolist() == [1.5, 0.0, 1.5]


def test_the_group_with_the_larger_loss_gains() -> None:
    found = maxmin.grown(torch.ones(2), torch.tensor([0.6, 0.8]), torch.tensor([3.0, 1.0]), 0.5)
    one, other = exp(0.5 * 0.2), exp(0.5 * 0.8)
    assert found.tolist() == pytest.approx([2 * one / (one + other), 2 * other / (one + other)])


def test_a_group_that_a_batch_lacks_neither_gains_nor_loses() -> None:
    alone = maxmin.grown(torch.tensor([0.5, 1.5]), torch.tensor([4.0, 0.0]), torch.tensor([8.0, 0.0]), 0.5)
    assert alone.tolist() == pytest.approx([0.5, 1.5])
    weights = torch.tensor([0.6, 0.9, 1.5])
    found = maxmin.grown(weights, torch.tensor([0.2, 0.8, 0.0]), torch.tensor([1.0, 2.0, 0.0]), 0.5)
    assert found.sum().item() == pytest.approx(3.0)
    usual = (0.6 * 0.2 + 0.9 * 0.4) / 1.5
    assert (found[2] / found[0]).item() == pytest.approx(1.5 / 0.6 * exp(0.5 * (usual - 0.2)), rel=1e-5)


def test_a_batch_that_nobody_judged_moves_nothing() -> None:
    weights = torch.tensor([0.5, 1.5])
    assert maxmin.grown(weights, torch.zeros(2), torch.zeros(2), 0.5).tolist() == [0.5, 1.5]


def test_only_what_people_judged_moves_the_weights() -> None:
    """Group 1 is served badly in pairs that nobody judged, and as well as group 0 in the one that somebody did."""
    told: list[list[float]] = []

    class Alone(PreferenceTrainer):
        """One process, learning."""

        def __init__(self) -> None:
            self.settings, self.group_weights, self.shares = (
                PolicySettings(maxmin=0.5),
                torch.ones(2),
                torch.full((2,), 0.5),
            )
            self.model = torch.nn.Identity()
            self.accelerator = SimpleNamespace(reduce=lambda each: told.append(each.tolist()) or each)

    losses = torch.tensor([0.5, 0.5, 9.0])
    batch = {"group": torch.tensor([0, 1, 1]), "judged": torch.tensor([1.0, 1.0, 0.0])}
    found = Alone()._weights(batch, losses)
    assert told == [[0.5, 0.5], [1.0, 1.0]]
    assert found.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_groups_of_equal_weight_count_the_same_whatever_their_size() -> None:
    group = torch.tensor([0, 0, 0, 1])
    each = maxmin.of_pairs(torch.ones(2), torch.tensor([0.75, 0.25]), group)
    assert each[:3].sum().item() == pytest.approx(each[3].item())
    assert each.mean().item() == pytest.approx(1.0)
