"""What all linear reward models share: items, adaptation by MAP and Laplace, scores. Numpy only, for the web process.

The taste of an annotator is θ = (w, position, log ν): weights of the item (K), pull of the left side, and log of the
tie parameter. A comparison of items x_a, x_b has margin m = ⟨w, x_a − x_b⟩ + position·side, and (Davidson 1970)

    P(a ≻ b) : P(b ≻ a) : P(tie)  =  e^{m/2} : e^{−m/2} : ν.

This is a multinomial logit in θ, hence concave; with the Gaussian prior N(μ, Σ) of the community the posterior has one
mode, found by a few Newton steps, and its curvature there gives the covariance (Laplace).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError, BadData, NotFitted
from attune.rewards.base import Array, Comparison, Latent, RewardModel, Scores
from attune.rewards.context import columns_of_context
from attune.rewards.feature_map import FeatureMap
from attune.rewards.items import ItemTable

Floats = NDArray[np.float64]

NEWTON_STEPS = 12
NEWTON_TOLERANCE = 1e-4
"""The last step's length; its square is about what is still missing."""
PROBIT = np.pi / 8
"""σ averaged over N(m, v) is close to σ(m / √(1 + πv/8)) (MacKay 1992)."""


@dataclass(frozen=True, slots=True)
class LinearParts:
    """Everything a fitted linear model consists of.

    ids and table (N, K): known responses and their items. text_weights (F, K): items of unseen responses from mapped
    features. prior_mean (K+2,), prior_cov (K+2, K+2) over θ. calibration: temperature of margins by judgments.
    """

    ids: tuple[str, ...]
    table: Array
    feature_map: FeatureMap
    text_weights: Array
    prior_mean: Array
    prior_cov: Array
    calibration_shots: Array
    calibration_scale: Array


class LinearReward(RewardModel):
    """Base of the models whose reward is linear in the annotator's weights. Subclasses bring ``name`` and ``fit``."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.encoder = ""
        self._parts: LinearParts | None = None

    @property
    def parts(self) -> LinearParts:
        """The fitted parts. Raises ``NotFitted`` before ``fit`` or ``from_state``."""
        if self._parts is None:
            raise NotFitted(f"this {self.name} model has not been fitted or loaded")
        return self._parts

    def install(self, parts: LinearParts, encoder: str) -> None:
        """Take on fitted parts; the end of ``fit`` and ``from_state``."""
        self.encoder = encoder
        self._items = ItemTable(parts.ids, parts.table, parts.feature_map, parts.text_weights)
        self._factor = factor_of(parts.prior_cov)
        self._parts = parts

    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """See ``RewardModel.items``."""
        _ = self.parts
        return self._items.items(ids, features)

    def items_from_features(self, vectors: Array) -> Array:
        """Items of responses by their text alone, (N, D) to (N, K)."""
        _ = self.parts
        return self._items.of_features(vectors)

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """See ``RewardModel.knows``."""
        _ = self.parts
        return self._items.knows(ids)

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        return Latent(self.parts.prior_mean, self.parts.prior_cov, 0, self._extra(self.parts.prior_mean))

    def adapt(self, context: Sequence[Comparison], start: Latent | None = None) -> Latent:
        """See ``RewardModel.adapt``. ``start`` (an earlier latent of the same annotator) saves steps, not accuracy."""
        if not context:
            return self.prior()
        return self.adapt_arrays(*columns_of_context(context), start=start)

    def adapt_arrays(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],
        weight: NDArray[Any],
        *,
        start: Latent | None = None,
    ) -> Latent:
        """``adapt`` for columns: items (N, K), outcome (N,) in 1, 0, −1, side (N,) in ±1, weight (N,)."""
        parts = self.parts
        if not len(outcome) or not self._factor.shape[1]:
            return replace(self.prior(), n=len(outcome))
        design = np.concatenate([items_a - items_b, side[:, None], np.zeros((len(side), 1))], axis=1, dtype=np.float64)
        begin = None if start is None else np.linalg.lstsq(self._factor, start.mean - parts.prior_mean, rcond=None)[0]
        prior_mean = parts.prior_mean.astype(np.float64)
        projected = design @ self._factor, design @ prior_mean
        mode, curvature = newton_mode(*projected, outcome, weight, self._factor[-1], float(prior_mean[-1]), begin)
        mean = (parts.prior_mean + self._factor @ mode).astype(np.float32)
        cov = self._factor @ np.linalg.solve(curvature, self._factor.T)
        return Latent(mean, (0.5 * (cov + cov.T)).astype(np.float32), len(outcome), self._extra(mean))

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``."""
        width = self.parts.table.shape[1]
        return Scores(items @ latent.mean[:width], np.sqrt(_quadratic(items, latent.cov[:width, :width])))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``. The pull of the side is left out: it is about the page, not the responses."""
        width = self.parts.table.shape[1]
        difference = items_a - items_b
        mean = np.asarray(difference @ latent.mean[:width], np.float32)
        return mean, _quadratic(difference, latent.cov[:width, :width])

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``."""
        return self.forecast(latent, items_a, items_b)[2]

    def forecast(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array, Array]:
        """See ``RewardModel.forecast``."""
        mean, variance = self.margin(latent, items_a, items_b)
        return mean, variance, _sigmoid(self.temperature(latent.n) * mean / np.sqrt(1 + PROBIT * variance))

    def text_head(self, latent: Latent) -> Array:
        """h (D,) with reward = ⟨h, vector⟩ of a response that goes by its text alone.

        Raises ``BadData`` where the vectors are centered or clipped on the way, so that there is no such h.
        """
        feature_map = self.parts.feature_map
        if not feature_map.is_linear:
            raise BadData(f"rewards of {self.name} are not linear in the vectors of the encoder {self.encoder!r}")
        weights = latent.mean[: self.parts.table.shape[1]].astype(np.float64)
        return np.asarray(feature_map.projection @ (self.parts.text_weights @ weights), np.float32)

    def tie_probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """P(tie), (N,), at the latent's mean."""
        mean, _ = self.margin(latent, items_a, items_b)
        half = np.abs(mean) / 2
        log_rest = half + np.log1p(np.exp(-2 * half))
        return _sigmoid(latent.mean[-1] - log_rest)

    def temperature(self, judgments: int) -> float:
        """The factor on margins that made held-out annotators' probabilities honest after so many judgments."""
        parts = self.parts
        return float(np.interp(np.log1p(judgments), np.log1p(parts.calibration_shots), parts.calibration_scale))

    def _extra(self, mean: Array) -> dict[str, float]:
        """What else is personal, by readable names. ``tie_rate`` is for two equally good responses."""
        nu = float(np.exp(np.clip(mean[-1], -20, 20)))
        return {"position": float(mean[-2]), "tie_rate": nu / (2 + nu)}

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``."""
        parts = self.parts
        tensors: dict[str, NDArray[np.generic]] = {
            "table": parts.table,
            **parts.feature_map.tensors(),
            "text_weights": parts.text_weights,
            "prior_mean": parts.prior_mean,
            "prior_cov": parts.prior_cov,
            "calibration_shots": parts.calibration_shots,
            "calibration_scale": parts.calibration_scale,
        }
        return tensors, {"encoder": self.encoder, "ids": list(parts.ids), "person_spread": self.person_spread}

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``. Raises ``ArtifactError`` where the parts do not fit together."""
        model = cls()
        try:
            of = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
            ids = config["ids"]
            parts = LinearParts(
                ids=tuple(ids if isinstance(ids, list) else ()),
                table=of["table"],
                feature_map=FeatureMap.from_tensors(of),
                text_weights=of["text_weights"],
                prior_mean=of["prior_mean"],
                prior_cov=of["prior_cov"],
                calibration_shots=of["calibration_shots"],
                calibration_scale=of["calibration_scale"],
            )
        except KeyError as missing:
            raise ArtifactError(f"the {cls.name} artifact lacks {missing}") from None
        size = parts.table.shape[1] + 2
        if (
            len(parts.table) != len(parts.ids)
            or parts.prior_mean.shape != (size,)
            or parts.prior_cov.shape != (size, size)
        ):
            raise ArtifactError(
                f"the {cls.name} artifact does not fit together: {len(parts.ids)} ids, table {parts.table.shape}, "
                f"prior {parts.prior_mean.shape} and {parts.prior_cov.shape}"
            )
        model.install(parts, str(config["encoder"]))
        spread = config.get("person_spread", 0.0)
        model.person_spread = float(spread) if isinstance(spread, int | float) else 0.0
        return model


def newton_mode(
    along_margin: Floats,
    fixed_margin: Floats,
    outcome: NDArray[Any],
    weight: NDArray[Any],
    along_tie: Floats,
    fixed_tie: float,
    begin: Floats | None = None,
) -> tuple[Floats, Floats]:
    """The posterior mode and curvature in whitened coordinates z, where θ = μ + Fz and z ~ N(0, I).

    A margin is fixed_margin (N,) + ⟨along_margin, z⟩, (N, R): a design, whose column for log ν is zero, times μ and F.
    log ν is fixed_tie + ⟨along_tie, z⟩, (R,). outcome (N,) in 1, 0, −1. Gives z (R,) and the negative Hessian (R, R).
    Statistics of the multinomial logit: T₁ = ½(1[a] − 1[b]) for m, T₂ = 1[tie] for log ν.
    """
    decided, tied = 0.5 * outcome, (outcome == 0).astype(np.float64)
    identity, tie_by_tie = np.eye(len(along_tie)), np.outer(along_tie, along_tie)
    z = np.zeros(len(along_tie)) if begin is None else begin
    curvature = identity
    for _ in range(NEWTON_STEPS):
        margin, log_nu = fixed_margin + along_margin @ z, fixed_tie + along_tie @ z
        p_a, p_b, p_tie = davidson(margin, log_nu)
        lean = 0.5 * (p_a - p_b)
        gradient = along_margin.T @ (weight * (decided - lean)) + along_tie * (weight @ (tied - p_tie)) - z
        curve = weight * (0.25 * (p_a + p_b) - lean**2)
        cross = np.outer(along_margin.T @ (weight * -lean * p_tie), along_tie)
        curvature = identity + (along_margin * curve[:, None]).T @ along_margin + cross + cross.T
        curvature += tie_by_tie * (weight @ (p_tie * (1 - p_tie)))
        step = np.linalg.solve(curvature, gradient)
        z = z + step / max(1.0, float(np.linalg.norm(step)) / 5.0)
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    return z, curvature


def davidson(margin: Floats, log_nu: float | Floats) -> tuple[Floats, Floats, Floats]:
    """P(a ≻ b), P(b ≻ a), P(tie), each (N,), without overflow."""
    top = np.maximum(np.abs(margin) / 2, log_nu)
    a, b, tie = np.exp(margin / 2 - top), np.exp(-margin / 2 - top), np.exp(log_nu - top)
    total = a + b + tie
    return a / total, b / total, tie / total


def factor_of(cov: Array) -> Floats:
    """F (Z, R) with F Fᵀ = Σ; directions without variance are left out, so that they stay at the prior."""
    values, vectors = np.linalg.eigh(cov.astype(np.float64))
    kept = values > 1e-10 * max(float(values[-1]), 1e-12)
    factor: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return factor


def _quadratic(rows: Array, matrix: Array) -> Array:
    return np.asarray(np.maximum(np.einsum("nk,nk->n", rows @ matrix, rows), 0), np.float32)


def _sigmoid(x: NDArray[Any]) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x) / 2)), np.float32)
