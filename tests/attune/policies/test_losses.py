"""Every loss by numbers worked out by hand, and beside TRL's own where TRL has it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from attune.errors import BadData
from attune.policies import losses
from attune.policies.losses import METHODS, Options, Pairs

LN2 = math.log(2)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def pairs(**changes: Tensor) -> Pairs:
    """One pair: ρ(c) = 2, ρ(r) = −1, so Δ = 3; lengths 4 and 5."""
    one = Pairs(
        chosen=torch.tensor([-8.0]),
        rejected=torch.tensor([-15.0]),
        ref_chosen=torch.tensor([-10.0]),
        ref_rejected=torch.tensor([-14.0]),
        chosen_length=torch.tensor([4.0]),
        rejected_length=torch.tensor([5.0]),
        target=torch.tensor([1.0]),
        degree=torch.tensor([0]),
        both_bad=torch.tensor([False]),
    )
    return replace(one, **changes)


def value(name: str, batch: Pairs, **options: float) -> float:
    (found,) = METHODS[name].loss(batch, Options(**options)).tolist()
    return float(found)


def test_the_pair_is_what_the_numbers_below_take_it_for() -> None:
    batch = pairs()
    assert (batch.gain.item(), batch.drop.item(), batch.delta.item()) == (2.0, -1.0, 3.0)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("dpo", {"beta": 0.5}, math.log(1 + math.exp(-1.5))),
        # 2/4 + 1/5 = 0.7; 1/(2·0.5) = 1; (−0.3)²
        ("ipo", {"beta": 0.5}, 0.09),
        ("ipo_sum", {"beta": 0.5}, 4.0),
        ("cdpo", {"beta": 0.5, "noise": 0.2}, 0.8 * math.log(1 + math.exp(-1.5)) + 0.2 * math.log(1 + math.exp(1.5))),
        # (0.8 L − 0.2 (L + 1.5)) / 0.6 = L − 0.5, as −log σ(−x) = −log σ(x) + x
        ("rdpo", {"beta": 0.5, "noise": 0.2}, math.log(1 + math.exp(-1.5)) - 0.5),
        ("hinge", {"beta": 0.1}, 0.7),
        ("hinge", {"beta": 0.5}, 0.0),
        # aim 0.5/0.5 = 1: (2 − 1)² + (−1 + 1)²
        ("sppo", {"beta": 0.5}, 1.0),
        # one pair: lead ½, and so 1/2η = 1 with η = ½: (3 − 1)²
        ("inpo", {"beta": 0.5}, 4.0),
        # q = σ(½): (1 − q)·βΔ more than −log σ(βΔ)
        ("dno", {"beta": 0.5}, math.log(1 + math.exp(-1.5)) + (1 - sigmoid(0.5)) * 1.5),
        ("soft", {"beta": 0.5}, math.log(1 + math.exp(-1.5))),
        # βρ(c) = 1, minus 0.1 of it
        ("vpo", {"beta": 0.5, "value": 0.1}, math.log(1 + math.exp(-1.5)) - 0.1),
        ("vpo", {"beta": 0.5, "value": 0.1, "value_sign": 1}, math.log(1 + math.exp(-1.5)) + 0.1),
        # per token −2 and −3: 2·1 − 0.5
        ("simpo", {"beta": 2.0, "gamma": 0.5}, math.log(1 + math.exp(-1.5))),
        # 0.5 (−8 + 0.5·15) = −0.25
        ("cpl", {"beta": 0.5, "conservative": 0.5}, math.log(1 + math.exp(0.25))),
        # z = (2 − 1)/2; wanted: 1 − σ(0.75); unwanted: 1 − σ(0.5·1.5)
        ("kto", {"beta": 0.5}, 1 - sigmoid(0.75)),
    ],
)
def test_hand_worked(name: str, options: dict[str, float], expected: float) -> None:
    assert value(name, pairs(), **options) == pytest.approx(expected, abs=1e-6)


def test_win_rates_by_hand() -> None:
    """c wins 60 % and r 35 % against the policy's samples; the origin has c above r by 1, the last iterate by −10 + 14 = 4."""
    batch = pairs(wins=torch.tensor([[0.6, 0.35]]), origin=torch.tensor([[-9.0, -10.0]]))
    assert batch.lead.item() == pytest.approx(0.25)
    # aims 0.1/0.05 and −0.15/0.05: (2 − 2)² + (−1 + 3)²
    assert value("sppo", batch, beta=0.05) == pytest.approx(4.0, abs=1e-4)
    # h = 3 − 0.5 (1 − 4) = 4.5, and 0.25/0.1 = 2.5
    assert value("inpo", batch, beta=0.1, anchor=0.5) == pytest.approx(4.0, abs=1e-4)
    assert value("inpo", batch, beta=0.1, anchor=0.0) == pytest.approx(0.25, abs=1e-4)
    assert value("dno", batch, beta=0.5) == pytest.approx(
        math.log(1 + math.exp(-1.5)) + (1 - sigmoid(0.25)) * 1.5, abs=1e-6
    )


def test_orpo_by_hand() -> None:
    """Mean-token likelihoods ½ and ¼: odds 1 and ⅓, log odds ratio ln 3, σ(ln 3) = ¾."""
    batch = pairs(chosen=torch.tensor([-4 * LN2]), rejected=torch.tensor([-5 * 2 * LN2]))
    assert value("orpo", batch, odds=0.1) == pytest.approx(LN2 - 0.1 * math.log(0.75), abs=1e-6)


def test_orpo_is_finite_where_a_response_is_certain() -> None:
    sure = torch.tensor([0.0], requires_grad=True)
    loss = METHODS["orpo"].loss(pairs(chosen=sure), Options())
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(sure.grad).all()


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (0, 0.0),
        (1, -math.log(1 - sigmoid(0.5))),
        (2, -math.log(sigmoid(0.5) - sigmoid(-0.5))),
        (3, -math.log(sigmoid(-0.5))),
    ],
)
def test_degree_by_hand(strength: int, expected: float) -> None:
    """βΔ = 1.5 with cuts at 1 and 2: P(> 1) = σ(½), P(> 2) = σ(−½)."""
    found = value("degree", pairs(degree=torch.tensor([strength])), beta=0.5, degree_weight=0.5)
    assert found == pytest.approx(math.log(1 + math.exp(-1.5)) + 0.5 * expected, abs=1e-6)


def test_soft_labels() -> None:
    half, three_quarters = pairs(target=torch.tensor([0.5])), pairs(target=torch.tensor([0.75]))
    wins, loses = math.log(1 + math.exp(-1.5)), math.log(1 + math.exp(1.5))
    assert value("soft", half, beta=0.5) == pytest.approx((wins + loses) / 2, abs=1e-6)
    assert value("soft", three_quarters, beta=0.5) == pytest.approx(0.75 * wins + 0.25 * loses, abs=1e-6)
    assert value("sppo", half, beta=0.5) == pytest.approx(2**2 + 1**2)


def test_kto_on_both_bad_and_on_a_tie() -> None:
    """z = ½, β = ½: unwanted 2 → 1 − σ(−¾), unwanted −1 → 1 − σ(¾); wanted −1 → 1 − σ(−¾)."""
    both = pairs(both_bad=torch.tensor([True]))
    assert value("kto", both, beta=0.5) == pytest.approx((sigmoid(0.75) + 1 - sigmoid(0.75)) / 2)
    tie = pairs(target=torch.tensor([0.5]))
    assert value("kto", tie, beta=0.5) == pytest.approx((1 - sigmoid(0.75) + sigmoid(0.75)) / 2)
    weighted = value("kto", pairs(), beta=0.5, good_weight=2.0, bad_weight=0.0)
    assert weighted == pytest.approx(1 - sigmoid(0.75), abs=1e-6)


def ranked(ratios: list[list[float]], tiers: list[list[int]]) -> Pairs:
    """Rankings; of pairs only what ``listwise`` does not read."""
    return replace(pairs(), ranked=losses.Ranked(torch.tensor(ratios), torch.tensor(tiers)))


def test_listwise_by_hand() -> None:
    """Scores ln 4, ln 2, 0: the order has probability 4/7 · 2/3; with the last one padding, 4/6; with the last two
    tied the first beats both, 4/7, and they do not compete; with the first two tied each beats the last: 4/5 · 2/3."""
    scores = [2 * LN2, LN2, 0.0]
    batch = ranked([scores, [2 * LN2, LN2, 99.0], scores, scores], [[0, 1, 2], [0, 1, -1], [0, 1, 1], [0, 0, 1]])
    found = losses.listwise(batch, Options(beta=1.0))
    expected = [4 / 7 * 2 / 3, 4 / 6, 4 / 7, 4 / 5 * 2 / 3]
    assert found.tolist() == pytest.approx([-math.log(each) for each in expected], abs=1e-6)


def test_listwise_of_two_is_dpo() -> None:
    batch = pairs()
    both = replace(batch, ranked=losses.Ranked(torch.stack([batch.gain, batch.drop], 1), torch.tensor([[0, 1]])))
    dpo = pytest.approx(value("dpo", batch, beta=0.5), abs=1e-6)
    assert value("listwise", both, beta=0.5) == dpo
    assert value("listwise", batch, beta=0.5) == dpo


def test_rationales_by_hand() -> None:
    log_probs, lengths = torch.tensor([-6.0]), torch.tensor([3.0])
    assert losses.rationale_nll(log_probs, lengths).item() == 2.0
    assert losses.rationale_published(log_probs, 0.5).item() == pytest.approx(math.log(1 + math.exp(3.0)), abs=1e-6)


def test_rdpo_undoes_flips_on_average() -> None:
    """The mean over flips of the robust loss is DPO's on clean labels (lemma 3.1)."""
    batch, options = pairs(), Options(beta=0.5, noise=0.3)
    swapped = pairs(
        chosen=batch.rejected, rejected=batch.chosen, ref_chosen=batch.ref_rejected, ref_rejected=batch.ref_chosen
    )
    mean = 0.7 * losses.rdpo(batch, options) + 0.3 * losses.rdpo(swapped, options)
    assert mean.item() == pytest.approx(value("dpo", batch, beta=0.5), abs=1e-6)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_each_loss_moves_the_responses_the_right_way(name: str) -> None:
    chosen, rejected = torch.tensor([-10.0], requires_grad=True), torch.tensor([-14.0], requires_grad=True)
    METHODS[name].loss(pairs(chosen=chosen, rejected=rejected), Options()).sum().backward()
    assert chosen.grad.item() < 0 < rejected.grad.item()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 0.0}, "beta is 0.0; expected a number above 0.0"),
        ({"noise": 0.5}, "noise is 0.5; expected a number from 0.0 and below 0.5"),
        ({"beta": math.nan}, "beta is nan"),
        ({"value_sign": 0}, "value_sign is 0"),
        ({"degrees": 1}, "degrees is 1"),
    ],
)
def test_options_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(BadData, match=message):
        Options(**options)


def test_an_unknown_method_is_named_with_those_that_are_known() -> None:
    with pytest.raises(BadData, match="method 'ppo' is not known; expected one of dpo, ipo"):
        losses.method("ppo")
