"""Preference losses as pure functions of log-probabilities, and the registry by name.

Symbols: c chosen, r rejected, ρ(y) = log π(y|x) − log π_ref(y|x) summed over tokens, Δ = ρ(c) − ρ(r), |y| tokens, σ logistic.
A loss takes ``Pairs`` and its ``Options`` and gives one value a row; the caller takes the mean. A method is its function
with ``@pairwise("name")`` above it and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import logsigmoid, relu

from attune.errors import BadData
from attune.policies.settings import USUAL_ANCHOR, USUAL_BETA


@dataclass(frozen=True, slots=True)
class Ranked:
    """B rankings of at most K responses, best first, a pair being one of two.

    ``ratios`` (B, K) holds ρ; ``tiers`` (B, K) which place each was put on, 0 the best, equal for responses tied with each other, −1
    on padding, which comes last.
    """

    ratios: Tensor
    tiers: Tensor


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch of B pairs. All (B,): summed log-probabilities, lengths in tokens, what is known of each judgment.

    ``target`` is P(c ≻ r) as the annotator meant it: 1 for a plain choice, less for a slight one, ½ for a tie.
    ``degree`` is the strength, 1 … ``Options.degrees``; 0 where it was not asked. ``both_bad`` (bool): neither was wanted.
    ``ranked`` holds the whole rankings of which chosen and rejected are the ends, for who learns from them. Of pairs that a
    preference model judged, ``wins`` (B, 2) holds both responses' estimated win rates against the policy's own samples.
    ``origin`` (B, 2) holds log-probabilities under the model where self-play began, unless it is the reference itself.
    """

    chosen: Tensor
    rejected: Tensor
    ref_chosen: Tensor
    ref_rejected: Tensor
    chosen_length: Tensor
    rejected_length: Tensor
    target: Tensor
    degree: Tensor
    both_bad: Tensor
    ranked: Ranked | None = None
    wins: Tensor | None = None
    origin: Tensor | None = None

    @property
    def gain(self) -> Tensor:
        """ρ(c), (B,)."""
        return self.chosen - self.ref_chosen

    @property
    def drop(self) -> Tensor:
        """ρ(r), (B,)."""
        return self.rejected - self.ref_rejected

    @property
    def delta(self) -> Tensor:
        """Δ, (B,)."""
        return self.gain - self.drop

    @property
    def lead(self) -> Tensor:
        """How much more often c wins against the policy's own samples than r, (B,): a difference of win rates, −1 to 1.

        Where no preference model estimated them, c and r are the only samples: with P(y ≻ y) = ½ it is p − ½.
        """
        return self.target - 0.5 if self.wins is None else self.wins[:, 0] - self.wins[:, 1]


@dataclass(frozen=True, slots=True)
class Options:
    """What losses can be told. Each names in its docstring those that it reads.

    Raises ``BadData`` for a value outside its range.
    """

    beta: float = field(default=USUAL_BETA, metadata={"above": 0.0})  # nearness to the reference; temperature
    noise: float = field(default=0.1, metadata={"from": 0.0, "below": 0.5})  # ε, share of flipped labels
    anchor: float = field(default=USUAL_ANCHOR, metadata={"from": 0.0, "to": 1.0})  # τ/η of INPO
    gamma: float = field(default=0.5, metadata={"from": 0.0})  # SimPO's margin
    value: float = field(default=0.1, metadata={"from": 0.0})  # α of VPO
    value_sign: int = field(default=-1, metadata={"one_of": (-1, 1)})  # −1 stays near (offline), +1 explores (online)
    odds: float = field(default=0.1, metadata={"from": 0.0})  # λ of ORPO
    conservative: float = field(default=0.5, metadata={"above": 0.0, "to": 1.0})  # λ of CPL
    discount: float = field(default=1.0, metadata={"above": 0.0, "to": 1.0})  # per turn: the weight of its tokens
    degree_weight: float = field(default=0.5, metadata={"from": 0.0})  # η of the strength loss
    degrees: int = field(default=3, metadata={"from": 2})  # how many strengths there are
    degree_step: float = field(default=1.0, metadata={"above": 0.0})  # margin between two strengths
    good_weight: float = field(default=1.0, metadata={"from": 0.0})  # λ_D of KTO
    bad_weight: float = field(default=1.0, metadata={"from": 0.0})  # λ_U of KTO

    def __post_init__(self) -> None:
        for each in fields(self):
            if wrong := _outside(getattr(self, each.name), each.metadata):
                raise BadData(f"{each.name} is {getattr(self, each.name)!r}; expected {wrong}")


def _outside(value: object, bounds: Mapping[str, Any]) -> str:
    """What was expected of a value that does not fit, or nothing."""
    tests: dict[str, Callable[[float, Any], bool]] = {
        "above": lambda number, bound: number > bound,
        "from": lambda number, bound: number >= bound,
        "below": lambda number, bound: number < bound,
        "to": lambda number, bound: number <= bound,
        "one_of": lambda number, bound: number in bound,
    }
    words = " and ".join(f"{name.replace('_', ' ')} {bound}" for name, bound in bounds.items())
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return f"a number {words}"
    return "" if all(tests[name](value, bound) for name, bound in bounds.items()) else f"a number {words}"


Loss = Callable[[Pairs, Options], Tensor]


@dataclass(frozen=True, slots=True)
class Method:
    """A registered loss. Without ``reference`` no reference model is run; ``ties`` says that it learns from them."""

    name: str
    loss: Loss
    reference: bool
    ties: bool
    about: str


METHODS: dict[str, Method] = {}


def pairwise(name: str, *, reference: bool = True, ties: bool = False) -> Callable[[Loss], Loss]:
    """Register a loss over pairs under its name; the first line of its docstring is shown to people."""

    def register(loss: Loss) -> Loss:
        about = (loss.__doc__ or "").strip().splitlines()[0]
        METHODS[name] = Method(name, loss, reference, ties, about)
        return loss

    return register


def method(name: str) -> Method:
    """A loss by name. Raises ``BadData`` for an unknown one."""
    if name not in METHODS:
        raise BadData(f"method {name!r} is not known; expected one of {', '.join(METHODS)}")
    return METHODS[name]


# Pairs, with a reference model


@pairwise("dpo")
def dpo(pairs: Pairs, options: Options) -> Tensor:
    """Direct preference optimisation: −log σ(βΔ).

    Rafailov et al. 2023, equation 7. Reads ``beta``.
    """
    return -logsigmoid(options.beta * pairs.delta)


@pairwise("ipo")
def ipo(pairs: Pairs, options: Options) -> Tensor:
    """Identity preference optimisation, per token: (ρ(c)/|c| − ρ(r)/|r| − 1/2β)².

    Azar et al. 2023, equation 17, log-ratios divided by length as in the authors' experiments. Reads ``beta``.
    """
    per_token = pairs.gain / pairs.chosen_length - pairs.drop / pairs.rejected_length
    return (per_token - 1 / (2 * options.beta)) ** 2


@pairwise("ipo_sum")
def ipo_sum(pairs: Pairs, options: Options) -> Tensor:
    """Identity preference optimisation, summed over tokens: (Δ − 1/2β)².

    Azar et al. 2023, equation 17; the form that FSPO trains (Singh et al. 2025). Reads ``beta``.
    """
    return (pairs.delta - 1 / (2 * options.beta)) ** 2


@pairwise("cdpo")
def cdpo(pairs: Pairs, options: Options) -> Tensor:
    """Conservative DPO, for labels that are wrong now and then: −(1−ε) log σ(βΔ) − ε log σ(−βΔ).

    Mitchell 2023. Bounded below: it stops at the margin that ε allows. Reads ``beta``, ``noise``.
    """
    margin = options.beta * pairs.delta
    return -(1 - options.noise) * logsigmoid(margin) - options.noise * logsigmoid(-margin)


@pairwise("rdpo")
def rdpo(pairs: Pairs, options: Options) -> Tensor:
    """Robust DPO, unbiased where a share ε of labels is flipped: [−(1−ε) log σ(βΔ) + ε log σ(−βΔ)] / (1−2ε).

    Chowdhury et al. 2024, equation 12. Reads ``beta``, ``noise``.
    """
    margin = options.beta * pairs.delta
    robust = -(1 - options.noise) * logsigmoid(margin) + options.noise * logsigmoid(-margin)
    return robust / (1 - 2 * options.noise)


@pairwise("hinge")
def hinge(pairs: Pairs, options: Options) -> Tensor:
    """A margin is enough: max(0, 1 − βΔ).

    SLiC (Zhao et al. 2023) as RSO normalises it (Liu et al. 2024, equation 11). Reads ``beta``.
    """
    return relu(1 - options.beta * pairs.delta)


@pairwise("sppo", ties=True)
def sppo(pairs: Pairs, options: Options) -> Tensor:
    """Self-play towards a Nash policy: (ρ(c) − (w(c)−½)/β)² + (ρ(r) − (w(r)−½)/β)², w the win rates, or p and 1−p.

    Wu et al. 2024, equation 4.7, with η = 1/β. Reads ``beta``; without ``wins``, ``target`` 1 is the paper's hard form.
    """
    won = torch.stack([pairs.target, 1 - pairs.target], 1) if pairs.wins is None else pairs.wins
    aim = (won - 0.5) / options.beta  # (B, 2)
    return (pairs.gain - aim[:, 0]) ** 2 + (pairs.drop - aim[:, 1]) ** 2


@pairwise("inpo", ties=True)
def inpo(pairs: Pairs, options: Options) -> Tensor:
    """Self-play by mirror descent, drawn to where it began: (h − lead/β)², h = Δ − (τ/β) Δ₀, lead the difference of win rates.

    Zhang et al. 2024, *Iterative Nash policy optimization*, the loss L_t of section 3 with η = β: h is log π(c)/π(r) less τ/η of the
    origin's and 1 − τ/η of the last iterate's, Δ₀ what the origin puts c above r by beyond the last iterate. A single pair, of which
    one response won, has lead ½ and with it their 1/2η. Reads ``beta``, ``anchor``.
    """
    if pairs.origin is None:
        return (pairs.delta - pairs.lead / options.beta) ** 2
    beyond = (pairs.origin[:, 0] - pairs.origin[:, 1]) - (pairs.ref_chosen - pairs.ref_rejected)
    return (pairs.delta - options.anchor * beyond - pairs.lead / options.beta) ** 2


@pairwise("dno", ties=True)
def dno(pairs: Pairs, options: Options) -> Tensor:
    """Self-play by regression to win rates: −q log σ(βΔ) − (1−q) log σ(−βΔ), q = σ(lead).

    Rosset et al. 2024, *Direct Nash optimization*, algorithm 1, with η = β: the reward of a response is how often it wins against the
    last iterate's samples. Reads ``beta``.
    """
    return bce(options.beta * pairs.delta, torch.sigmoid(pairs.lead), reduction="none")


@pairwise("soft", ties=True)
def soft(pairs: Pairs, options: Options) -> Tensor:
    """Preference strength as a soft label p: −p log σ(βΔ) − (1−p) log σ(−βΔ).

    Furuta et al. 2024, equation 8. A tie has p = ½ and pulls both together. Reads ``beta``.
    """
    return bce(options.beta * pairs.delta, pairs.target, reduction="none")


@pairwise("degree")
def degree(pairs: Pairs, options: Options) -> Tensor:
    """DPO with the strength as a second thing to predict: −log σ(βΔ) − η log P(strength | βΔ).

    P(strength > j) = σ(|βΔ| − j·step), a cumulative link (McCullagh 1980) for j = 1 … degrees − 1, after SPO's auxiliary
    strength loss. Rows without a strength keep the first term only. Reads ``beta``, ``degree_weight``, ``degrees``, ``degree_step``.
    """
    margin = options.beta * pairs.delta
    cuts = torch.arange(1, options.degrees, device=margin.device) * options.degree_step  # (degrees − 1,)
    above = torch.sigmoid(margin.abs()[:, None] - cuts)  # (B, degrees − 1)
    ends = torch.ones_like(above[:, :1])
    each = torch.cat([ends, above], 1) - torch.cat([above, torch.zeros_like(ends)], 1)  # (B, degrees)
    known = pairs.degree > 0
    said = each.gather(1, (pairs.degree.long() - 1).clamp(min=0)[:, None]).squeeze(1)
    strength = torch.where(known, -torch.log(said.clamp(min=1e-9)), torch.zeros_like(said))
    return -logsigmoid(margin) + options.degree_weight * strength


@pairwise("vpo")
def vpo(pairs: Pairs, options: Options) -> Tensor:
    """DPO with the value as a bonus: −log σ(βΔ) + sign·αβ·ρ(c), − to stay near the data, + to explore.

    Cen et al. 2024, equations 12 (online, +) and 16 (offline, −), calibrated on the chosen responses.
    Reads ``beta``, ``value``, ``value_sign``.
    """
    bonus = options.value_sign * options.value * options.beta * pairs.gain
    return -logsigmoid(options.beta * pairs.delta) + bonus


# Pairs, without a reference model


@pairwise("simpo", reference=False)
def simpo(pairs: Pairs, options: Options) -> Tensor:
    """Simple preference optimisation, no reference: −log σ(β (log π(c)/|c| − log π(r)/|r|) − γ).

    Meng et al. 2024, equation 6. Reads ``beta`` (2 … 10 here), ``gamma``.
    """
    per_token = pairs.chosen / pairs.chosen_length - pairs.rejected / pairs.rejected_length
    return -logsigmoid(options.beta * per_token - options.gamma)


@pairwise("orpo", reference=False)
def orpo(pairs: Pairs, options: Options) -> Tensor:
    """Odds ratio with likelihood, no reference: −log π(c)/|c| − λ log σ(log odds(c) − log odds(r)).

    Hong et al. 2024, equations 6 and 7; odds(y) = p/(1−p) of the mean-token likelihood p. Reads ``odds``.
    """
    chosen, rejected = pairs.chosen / pairs.chosen_length, pairs.rejected / pairs.rejected_length
    log_odds = (chosen - _log1mexp(chosen)) - (rejected - _log1mexp(rejected))
    return -chosen - options.odds * logsigmoid(log_odds)


def _log1mexp(log_p: Tensor) -> Tensor:
    """log(1 − e^x) for x < 0, without loss near 0 (Mächler 2012)."""
    log_p = log_p.clamp(max=-1e-7)
    near = log_p > -0.6931
    return torch.where(
        near,
        torch.log(-torch.expm1(torch.where(near, log_p, log_p.new_tensor(-0.5)))),
        torch.log1p(-torch.exp(torch.where(near, log_p.new_tensor(-1.0), log_p))),
    )


@pairwise("cpl", reference=False)
def cpl(pairs: Pairs, options: Options) -> Tensor:
    """Contrastive, on conversations, no reference: −log [e^{A(c)} / (e^{A(c)} + e^{λA(r)})], A = β Σ_t discount^t log π(turn t).

    Hejna et al. 2023, equations 5 and 6; λ < 1 is the conservative form. The discount is in the token weights that
    ``chosen`` and ``rejected`` were summed with (``attune.policies.batches``). Reads ``beta``, ``conservative``.
    """
    return -logsigmoid(options.beta * (pairs.chosen - options.conservative * pairs.rejected))


# Responses that are not compared


@pairwise("kto", ties=True)
def kto(pairs: Pairs, options: Options) -> Tensor:
    """Each response for itself, wanted or not: λ_D [1 − σ(β(ρ − z))] or λ_U [1 − σ(β(z − ρ))], z = max(0, KL); of two the mean.

    Ethayarajh et al. 2024, equation 8. Both are unwanted where ``both_bad``, both wanted in a tie (``target`` ½). KL(π‖π_ref)
    is estimated on the batch's own responses, without a further pass over mismatched ones. Reads ``beta``, ``good_weight``, ``bad_weight``.
    """
    anchor = torch.cat([pairs.gain, pairs.drop]).mean().detach().clamp(min=0)
    tie = (pairs.target == 0.5) & ~pairs.both_bad
    chosen = kto_single(pairs.gain, ~pairs.both_bad, anchor, options)
    rejected = kto_single(pairs.drop, tie, anchor, options)
    return (chosen + rejected) / 2


def kto_single(ratio: Tensor, wanted: Tensor, anchor: Tensor, options: Options) -> Tensor:
    """Equation 8 for N single responses: ratio (N,) is ρ, wanted (N,) bool, anchor () is z."""
    good = options.good_weight * (1 - torch.sigmoid(options.beta * (ratio - anchor)))
    bad = options.bad_weight * (1 - torch.sigmoid(options.beta * (anchor - ratio)))
    return torch.where(wanted, good, bad)


# Rankings


@pairwise("listwise")
def listwise(pairs: Pairs, options: Options) -> Tensor:
    """Whole rankings: −Σ_k log [e^{βρ_k} / (e^{βρ_k} + Σ_{j below k} e^{βρ_j})], the Plackett–Luce likelihood of the order.

    Rafailov et al. 2023, appendix A.3; TPO (Liao et al. 2024). Responses tied with each other do not compete. A pair is a ranking
    of two, and its loss is DPO's. Reads ``beta``.
    """
    if pairs.ranked is None:
        return dpo(pairs, options)
    tiers = pairs.ranked.tiers
    scores = options.beta * pairs.ranked.ratios  # (B, K)
    itself = torch.eye(tiers.shape[1], dtype=torch.bool, device=tiers.device)
    against = (
        tiers[:, None, :] > tiers[:, :, None]
    ) | itself  # (B, K, K): j is k or below it; padding is below nothing
    rest = scores[:, None, :].expand_as(against).masked_fill(~against, -torch.inf).logsumexp(2)
    return torch.where(tiers >= 0, rest - scores, torch.zeros_like(scores)).sum(1)


# Rationales


def rationale_nll(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Mean-token NLL of the reason given prompt, both responses and the choice: −log p / |reason|, (B,)."""
    return -log_probs / lengths


def rationale_published(log_probs: Tensor, gamma: float) -> Tensor:
    """The published form: −log σ(γ · log p(reason)), (B,). Just et al. 2024, as their code computes it."""
    return -logsigmoid(gamma * log_probs)
