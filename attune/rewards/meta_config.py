"""What the fit by rehearsal is told and what it finds; apart from it, so that reading these needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from attune.rewards.base import Array


@dataclass(frozen=True, slots=True)
class MetaConfig:
    """rank: width of item vectors. The four precisions are ridge penalties (Gaussian priors) on single weights.

    drop: share of responses per step that are treated as unseen. window: judgments per annotator and step.
    """

    rank: int = 12
    steps: int = 500
    last_steps: int = 150
    batch: int = 128
    learning_rate: float = 0.02
    window: int = 64
    drop: float = 0.2
    item_precision: float = 1.0
    text_precision: float = 10.0
    delta_precision: float = 1.0
    direction_precision: float = 10.0


@dataclass(frozen=True, slots=True)
class MetaFit:
    """What a fit found: rewards (N,), vectors (N, rank) of known responses; text_reward (F,), text_vectors (F, rank).

    Under these, w ~ N(0, I); spread_reward is the prior deviation of the factor on the pooled reward, and so on.
    """

    rewards: Array
    vectors: Array
    text_reward: Array
    text_vectors: Array
    spread_reward: float
    position: tuple[float, float]
    log_nu: tuple[float, float]
