"""The estimator contract that every personal reward model keeps, and the registry by name.

A model turns a response into an *item* (a row of numbers the model itself understands), an annotator's judgments into
a *latent* with its uncertainty, and the two into a *reward*. Fitting learns what is shared and may need torch; adapting
and scoring of linear models are numpy only, so that a web process can do both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from attune.data import Choice, Snapshot

Array = NDArray[np.float32]
Progress = Callable[[Mapping[str, float | int | str]], None]
"""Called with at least ``step`` and ``steps`` (ints) and any metrics; raises ``Cancelled`` to stop a fit."""


@dataclass(frozen=True, slots=True)
class Latent:
    """An annotator's taste under one model version: N(mean, cov). ``n`` judgments went into it; 0 is the prior.

    mean (Z,), cov (Z, Z), or (0, 0) for a model that keeps its doubt elsewhere. ``extra`` holds what else is personal
    (temperature, tie rate …), by name.
    """

    mean: Array
    cov: Array
    n: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judgment ready for ``adapt``: the items of both responses, each (K,), and what was said."""

    item_a: Array
    item_b: Array
    choice: Choice
    strength: int | None = None
    swapped: bool = False
    weight: float = 1.0
    reason: Mapping[str, float] = field(default_factory=dict)
    """Why, as ``attune.rewards.reasons.spoken`` reads tags and words; models that make nothing of it leave it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Rewards of N responses for one annotator: mean (N,), std (N,). Comparable within one prompt and model version."""

    mean: Array
    std: Array


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a fit found: held-out metrics by name (accuracy, log_loss, ece, the pooled baseline's …) and seconds."""

    metrics: Mapping[str, float]
    seconds: float


class Items(Protocol):
    """Items of known responses, (N, K)."""

    @property
    def table(self) -> Array: ...


class Rehearsed(Protocol):
    """What a model must do to be tried on held-out annotators in columns, without a ``Comparison`` for every judgment."""

    @property
    def parts(self) -> Items: ...

    def adapt_arrays(
        self, items_a: Array, items_b: Array, outcome: NDArray[Any], side: NDArray[Any], weight: NDArray[Any]
    ) -> Latent:
        """``adapt`` for columns: items (N, K), outcome (N,) in 1, 0, −1, side (N,) in ±1, weight (N,)."""

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``."""


class RewardModel(ABC):
    """fit / adapt / score / save / load. Immutable after ``fit`` or ``load`` and safe to share by threads."""

    name: ClassVar[str]
    Settings: ClassVar[type]
    """The dataclass of the options that the model takes (``attune.rewards.settings``)."""
    own_encoder: ClassVar[str] = ""
    """The encoder that the model brings along; empty for models that take what the project has."""
    quick: ClassVar[bool] = True
    """Whether hundreds of responses can be scored while a person waits."""
    aims_at_margins: ClassVar[bool] = False
    """Whether fits heed ``Judgment.margin``."""
    encoder: str
    """Name of the encoder whose features the model was fitted on."""
    person_spread: float = 0.0
    """How far people differ in how predictable they are, see ``attune.metrics.hits_distribution``; 0 where it was not learnt."""

    @abstractmethod
    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """Learn the shared weights from all judgments. ``features`` maps every response id to its (D,) vector.

        Raises ``BadData`` where the snapshot cannot teach anything (no decided judgment, one response only).
        """

    began: bool = False
    """Whether the last ``fit`` began from an earlier one."""

    def begin_from(self, earlier: RewardModel, left: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 (most begin from nothing)
        """Let the next ``fit`` begin from what an earlier fit of the same kind found, where it may: the same within what two fits
        differ by, and sooner. ``left`` is what that one's ``left`` gave. Does nothing in models that always begin from nothing.

        Raises ``ArtifactError`` where ``left`` lacks something.
        """

    def left(self) -> dict[str, NDArray[Any]]:
        """After a ``fit``: what a later one may begin from; empty in models that always begin from nothing."""
        return {}

    @abstractmethod
    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """Items of N responses, (N, K). Known ids need no features; raises ``UnknownResponse`` naming those that do."""

    @abstractmethod
    def knows(self, ids: Sequence[str]) -> list[bool]:
        """Which of the ids have an item of their own in the model."""

    @abstractmethod
    def prior(self) -> Latent:
        """The latent of somebody who has judged nothing. Scoring with it is the pooled model."""

    @abstractmethod
    def adapt(self, context: Sequence[Comparison]) -> Latent:
        """Infer one annotator's latent, weights frozen. Order of the context does not matter; empty gives the prior."""

    @abstractmethod
    def score(self, latent: Latent, items: Array) -> Scores:
        """Rewards of items (N, K) for one latent."""

    @abstractmethod
    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """Mean and variance, each (N,), of how much a is preferred to b, in logits; both (N, K).

        It is reward(a) − reward(b) for every model whose preferences have no cycles.
        """

    @abstractmethod
    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """Calibrated P(a ≻ b | not a tie), (N,), with the latent's uncertainty averaged over. Mirrors under a swap."""

    def forecast(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array, Array]:
        """``margin`` and ``probability`` together, for whoever needs both: (mean, variance, P(a ≻ b)), each (N,)."""
        return *self.margin(latent, items_a, items_b), self.probability(latent, items_a, items_b)

    @abstractmethod
    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """Tensors and JSON-able configuration; ``attune.artifact`` writes and hashes them."""

    @classmethod
    @abstractmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> RewardModel:
        """The inverse of ``state``."""
