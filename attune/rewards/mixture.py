"""A mixture of groups, each with a reward of its own, by EM; and who is served worst (MaxMin).

Group g has the pooled model's form with its own weights, r_g(x) = ⟨β_g, φ(x)⟩ + γ_gx. Annotators belong to groups softly,
P(g | u) ∝ π_g Π P_g(judgment), or hard, to the likeliest. The latent is those shares: the one-hot group z has mean π_u and
covariance diag(π_u) − π_uπ_uᵀ, so that a reward has mean ⟨π_u, r(x)⟩ and the doubt of not knowing the group.

Somebody unknown is given the groups' sizes as shares; or, with ``everybody="maxmin"``, the shares under which the group that is
served worst is served best (Chakraborty et al. 2024), found by multiplicative weights on the groups' log-losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from attune.rewards.base import Array, Latent, Scores
from attune.rewards.indexing import Comparisons
from attune.rewards.item_model import ItemModel, Task
from attune.rewards.items import ItemTable
from attune.rewards.linear import Floats
from attune.rewards.networks import sigmoid, softmax
from attune.rewards.pooled import Penalties, PooledFit, fit_pooled
from attune.rewards.settings import setting

FAIR_ROUNDS = 200
FAIR_RATE = 2.0
LEAST_SHARE = 1e-3
KMEANS_ROUNDS = 20
REAL_SHARE = 0.02
"""Groups with less of the people than this are left-overs, and not counted as the worst."""


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """Options of ``mixture``."""

    groups: int = setting(3, "groups of people", least=1, most=16)
    rounds: int = setting(6, "EM rounds in each of the two passes", least=1, most=200)
    assignment: str = setting("soft", "people belong to several groups, or to the likeliest", choices=("soft", "hard"))
    everybody: str = setting("size", "how a stranger is served", choices=("size", "maxmin"))


class Mixture(ItemModel):
    """Items: the response's reward in each group. Weights: ``shares`` (G,), ``fair`` (G,), ``power`` (1,), ``position`` (G,)."""

    name: ClassVar[str] = "mixture"
    Settings: ClassVar[type] = MixtureSettings

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return int(self.settings.rounds)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``. Groups begin where people differ most from the pooled model."""
        said, mapped = task.comparisons, task.data.mapped
        belongs = self._belonging(task) if task.again else _start(task, self.settings.groups)
        fits: list[PooledFit] = []
        for step in range(1, task.steps + 1):
            fits = [fit_pooled(_weighted(said, belongs[:, g]), mapped, Penalties()) for g in range(belongs.shape[1])]
            self._install(task, fits, belongs)
            evidence = self._evidence(said)
            belongs = self._assign(np.log(self.weights["shares"].astype(np.float64)) + evidence)
            task.report(step, {"loss": float(-_log_mean(evidence, self.weights["shares"]).sum() / len(said))})
        self._install(task, fits, belongs)
        return self._report(task, belongs)

    def _install(self, task: Task, fits: Sequence[PooledFit], belongs: Floats) -> None:
        table = np.stack([fit.rewards(task.data.mapped) for fit in fits], axis=1)
        text = np.stack([fit.text for fit in fits], axis=1)
        items = ItemTable(task.data.ids, table.astype(np.float32), task.data.feature_map, text.astype(np.float32))
        seen = np.unique(task.comparisons.annotator)
        shares = np.maximum(belongs[seen].mean(axis=0), LEAST_SHARE)
        power = self.weights["power"] if self._fitted else np.ones(1, np.float32)
        own = {
            "shares": (shares / shares.sum()).astype(np.float32),
            "position": np.array([fit.position for fit in fits], np.float32),
            "power": power,
        }
        own["fair"] = own["shares"]
        self.install(items, own, task.data.encoder)
        fair = fair_shares(table[task.comparisons.a] - table[task.comparisons.b], task.comparisons, belongs)
        self.install(items, own | {"fair": fair.astype(np.float32)}, task.data.encoder)

    def _evidence(self, said: Comparisons) -> Floats:
        """log Π P_g(judgments) of each annotator, (annotators, G)."""
        table, position = self.parts.table, self.weights["position"]
        per_row = _log_likelihood(table[said.a] - table[said.b] + np.outer(said.side, position), said.outcome)
        rows = per_row * said.weight[:, None]
        columns = [np.bincount(said.annotator, rows[:, g], said.annotators) for g in range(rows.shape[1])]
        return np.stack(columns, axis=1)

    def _assign(self, log_shares: Floats) -> Floats:
        shares = softmax(log_shares)
        if self.settings.assignment == "hard":
            return np.asarray(np.eye(shares.shape[1])[shares.argmax(axis=1)], np.float64)
        return np.asarray(shares, np.float64)

    def _belonging(self, task: Task) -> Floats:
        return self._assign(np.log(self.weights["shares"].astype(np.float64)) + self._evidence(task.comparisons))

    def _report(self, task: Task, belongs: Floats) -> dict[str, float]:
        """Sizes of the groups, how well each is served by the mixture and by the pooled model, and the worst of them."""
        said = task.comparisons
        table, pooled = self.parts.table, task.pooled.rewards(task.data.mapped)
        own = table[said.a] - table[said.b]
        for_all = pooled[said.a] - pooled[said.b]
        fair = _mixed(own, self.weights["fair"])
        metrics: dict[str, float] = {"groups": float(table.shape[1])}
        worst: dict[str, float] = {}
        for place, group in enumerate(np.argsort(-self.weights["shares"]), 1):
            weight = belongs[said.annotator, group] * (said.outcome != 0)
            margins = {"": own[:, group], "pooled_": for_all, "maxmin_": fair - 0.5}
            metrics[f"group_{place}_share"] = float(self.weights["shares"][group])
            for kind, margin in margins.items():
                right = _share_right(margin, said.outcome, weight)
                metrics[f"group_{place}_{kind}accuracy"] = right
                if self.weights["shares"][group] >= REAL_SHARE:
                    worst[f"worst_group_{kind}accuracy"] = min(right, worst.get(f"worst_group_{kind}accuracy", 1.0))
        return metrics | worst

    def bolder(self, factor: float) -> None:
        """See ``ItemModel.bolder``: the power of the likelihood."""
        self.install(self.parts, {**self.weights, "power": np.array([factor], np.float32)}, self.encoder)

    # Serving

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        return _latent(self.weights["fair" if self.settings.everybody == "maxmin" else "shares"], 0)

    def adapt_arrays(
        self, items_a: Array, items_b: Array, outcome: NDArray[Any], side: NDArray[Any], weight: NDArray[Any]
    ) -> Latent:
        """See ``Rehearsed.adapt_arrays``: the groups' posterior."""
        if not len(outcome):
            return self.prior()
        margins = items_a - items_b + np.outer(side, self.weights["position"])
        evidence = weight @ _log_likelihood(margins, outcome)
        shares = softmax(np.log(self.weights["shares"].astype(np.float64)) + self.weights["power"][0] * evidence)
        return _latent(shares.astype(np.float32), len(outcome))

    def prototypes(self) -> Sequence[Latent]:
        """The pure groups (``HasPrototypes``)."""
        return [_latent(one, 0) for one in np.eye(len(self.weights["shares"]), dtype=np.float32)]

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``."""
        return Scores(items @ latent.mean, np.sqrt(_variance(items, latent.mean)))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``."""
        difference = items_a - items_b
        return np.asarray(difference @ latent.mean, np.float32), _variance(difference, latent.mean)

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``: exactly Σ_g π_g σ(margin of group g), then tempered."""
        p = np.clip(_mixed(items_a - items_b, latent.mean), 1e-7, 1 - 1e-7)
        return np.asarray(sigmoid(self.temperature(latent.n) * np.log(p / (1 - p))), np.float32)


def fair_shares(margins: Array, said: Comparisons, belongs: Floats) -> Floats:
    """Shares (G,) that make the largest of the groups' log-losses small: min over shares of max over groups, by
    multiplicative weights. margins (N, G) of judgments whose annotators belong to groups by ``belongs`` (annotators, G)."""
    decided = said.outcome != 0
    margins, outcome = margins[decided].astype(np.float64), said.outcome[decided]
    weight = belongs[said.annotator[decided]]
    weight = weight / np.maximum(weight.sum(axis=0), 1e-9)
    right = sigmoid(margins * outcome[:, None])
    shares = best = np.full(margins.shape[1], 1 / margins.shape[1])
    least = np.inf
    for _ in range(FAIR_ROUNDS):
        losses = -weight.T @ np.log(np.maximum(right @ shares, 1e-9))
        if losses.max() < least:
            least, best = float(losses.max()), shares
        shares = shares * np.exp(FAIR_RATE * (losses - losses.mean()))
        shares = np.maximum(shares / shares.sum(), LEAST_SHARE)
        shares = shares / shares.sum()
    return best


def _start(task: Task, groups: int) -> Floats:
    """Soft groups by k-means on what the pooled model leaves unexplained, annotators × responses, reduced by SVD."""
    said = task.comparisons
    rewards = task.pooled.rewards(task.data.mapped)
    left = 0.5 * said.outcome - (sigmoid(rewards[said.a] - rewards[said.b]) - 0.5)
    where = (np.concatenate([said.annotator] * 2), np.concatenate([said.a, said.b]))
    size = (said.annotators, len(rewards))
    table = sparse.coo_array((np.concatenate([left, -left]), where), shape=size).tocsr()
    kept = min(max(groups - 1, 1), min(table.shape) - 1)
    if groups == 1 or kept < 1:
        return np.ones((said.annotators, groups)) / groups
    places, sizes, _ = svds(table, k=kept, v0=task.rng.standard_normal(min(table.shape)))
    seen = np.unique(said.annotator)
    coordinates: Floats = np.asarray(places[seen] * sizes, np.float64)
    labels = _nearest(coordinates, groups, task.rng)
    belongs = np.full((said.annotators, groups), 0.2 / groups)
    belongs[seen, labels] += 0.8
    return belongs


def _nearest(points: Floats, groups: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The cluster of each point, (N,), by k-means from far-apart starts; a cluster that loses all its points stays."""
    centres = points[rng.integers(len(points))][None]
    while len(centres) < groups:
        far = ((points[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        centres = np.concatenate(
            [centres, points[rng.choice(len(points), p=far / far.sum())][None]] if far.sum() else [centres, points[:1]]
        )
    for _ in range(KMEANS_ROUNDS):
        labels = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.stack(
            [points[labels == g].mean(axis=0) if (labels == g).any() else centres[g] for g in range(groups)]
        )
    return np.asarray(labels, np.int64)


def _weighted(said: Comparisons, share: Floats) -> Comparisons:
    return replace(said, weight=(said.weight * share[said.annotator]).astype(np.float32))


def _log_likelihood(margins: Array | Floats, outcome: NDArray[Any]) -> Floats:
    """(N, G), a tie as half a win for each side."""
    wide = margins.astype(np.float64)
    return np.asarray((0.5 + 0.5 * outcome)[:, None] * wide - np.logaddexp(0, wide), np.float64)


def _log_mean(evidence: Floats, shares: Array) -> Floats:
    top = evidence.max(axis=1)
    return np.asarray(top + np.log(np.exp(evidence - top[:, None]) @ shares), np.float64)


def _latent(shares: Array, judged: int) -> Latent:
    cov = np.diag(shares) - np.outer(shares, shares)
    names: Mapping[str, float] = {f"group_{g + 1}": float(share) for g, share in enumerate(shares)}
    return Latent(np.asarray(shares, np.float32), cov.astype(np.float32), judged, names)


def _variance(rows: Array, shares: Array) -> Array:
    return np.maximum(rows**2 @ shares - (rows @ shares) ** 2, 0).astype(np.float32)


def _mixed(margins: Array, shares: Array) -> Floats:
    return np.asarray(sigmoid(margins.astype(np.float64)) @ shares.astype(np.float64))


def _share_right(margin: Array | Floats, outcome: NDArray[Any], weight: Floats) -> float:
    return float(((margin > 0) == (outcome > 0)) @ weight / max(float(weight.sum()), 1e-9))
