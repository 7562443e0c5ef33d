"""Several named aspects per response, and one direction among them per person (DPA, Wang et al. 2024).

The multi-objective head g(x) ∈ R^A holds: the pooled reward ("overall"); the readable traits of style, where the encoder has
them; and one head for every aspect that the project asks about, and for every reason tag, that is used often enough: a pooled
Bradley–Terry fit on "better in this respect". Each
aspect has unit spread within prompts and is freed of what length explains (ArmoRM, Wang et al. 2024). A person is a
direction on the unit sphere,

    r_u(x) = τ ⟨θ_u / ‖θ_u‖, g(x)⟩,    θ_u ~ N(μ, Σ),

so that turning it towards an aspect trades that one against the others at a constant strength of preference (``steer``).
With ``importance``, a ranking of aspects adds weak pairs to what the community says (``attune.heron``): something to begin
with where there are few judgments. For small data: the features are few and mean something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from attune.data import Snapshot
from attune.encoders import style_columns
from attune.errors import BadData
from attune.heron import Ranked, induce
from attune.logistic import Choices, population
from attune.rewards.base import Array, FitReport, Latent, Progress
from attune.rewards.curved import CurvedReward
from attune.rewards.feature_map import Prepared
from attune.rewards.indexing import Comparisons, index_snapshot
from attune.rewards.item_model import Task
from attune.rewards.items import ItemTable
from attune.rewards.linear import Floats
from attune.rewards.pooled import Penalties, fit_pooled
from attune.rewards.settings import setting
from attune.style_features import STYLE_FEATURES, TRAITS, trait_weights

OVERALL = "overall"
RATED = "aspect:"
"""Begins a mark that is about an aspect that the project asks about, not about a reason given."""
LENGTH = "concise–detailed"
LEAST_TAGGED = 30
"""Judgments that name a tag before it becomes an aspect."""
TAG_PENALTIES = Penalties(item=4.0, text=50.0)
TEXT_RIDGE = 1.0
WEAK = 0.2
"""What an induced pair counts beside a judgment."""


@dataclass(frozen=True, slots=True)
class AspectsSettings:
    """Options of ``aspects``."""

    importance: Sequence[str] = setting(
        (), "aspects that matter, the most important first; “-” before a name wants less of it"
    )
    importance_weight: float = setting(WEAK, "what a pair induced from them counts beside a judgment", least=0, most=10)
    least_tagged: int = setting(
        LEAST_TAGGED, "judgments that name a tag before it becomes an aspect", least=1, most=1_000_000
    )


@dataclass(frozen=True, slots=True)
class Head:
    """Aspects by name: of known responses (N, A) and of mapped features (F, A)."""

    names: tuple[str, ...]
    table: Array
    text: Array


class Aspects(CurvedReward):
    """Items: the aspects. Latent: θ, before it is put on the sphere."""

    name: ClassVar[str] = "aspects"
    Settings: ClassVar[type] = AspectsSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.aspects: tuple[str, ...] = ()
        self._tagged: Mapping[str, Comparisons] = {}

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return 3

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``."""
        self._tagged = tagged(snapshot, self.settings.least_tagged)
        return super().fit(snapshot, features, encoder=encoder, seed=seed, progress=progress)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``."""
        head = self._head(task)
        self.aspects = head.names
        task.report(1, {})
        said = self._with_importance(task, head)
        choices = Choices((head.table[said.a] - head.table[said.b]).astype(np.float64), said.outcome, said.weight)
        spread = population(choices, said.annotator, task.rng)
        task.report(2, {})
        tau = float(np.sqrt(spread.mean @ spread.mean + np.trace(spread.cov)))
        items = ItemTable(task.data.ids, head.table, task.data.feature_map, head.text)
        own = {
            "tau": np.array([tau], np.float32),
            "position": np.array([task.pooled.position], np.float32),
            "prior_mean": (spread.mean / tau).astype(np.float32),
            "prior_cov": (spread.cov / tau**2).astype(np.float32),
        }
        self.install(items, own, task.data.encoder)
        task.report(3, {})
        direction = own["prior_mean"] / max(float(np.linalg.norm(own["prior_mean"])), 1e-9)
        return {f"aspect_{name}": float(value) for name, value in zip(head.names, direction, strict=True)}

    def _head(self, task: Task) -> Head:
        data, said = task.data, task.comparisons
        columns = {OVERALL: task.pooled.rewards(data.mapped)} | _traits(data)
        seen = np.unique(said.annotator)
        for tag, comparisons in self._tagged.items():
            rows = np.isin(comparisons.annotator, seen)
            if rows.sum() >= self.settings.least_tagged:
                fit = fit_pooled(comparisons.take(rows), data.mapped, TAG_PENALTIES)
                columns[tag.removeprefix(RATED) if tag.startswith(RATED) else f"tag: {tag}"] = fit.rewards(data.mapped)
        if len(columns) == 1:
            columns |= {f"direction {n + 1}": data.mapped[:, n] for n in range(min(6, data.mapped.shape[1]))}
        table = _decorrelated(columns, data)
        gram = data.mapped.T @ data.mapped + TEXT_RIDGE * np.eye(data.mapped.shape[1])
        text = np.linalg.solve(gram, data.mapped.T @ table)
        return Head(tuple(columns), table.astype(np.float32), text.astype(np.float32))

    def _with_importance(self, task: Task, head: Head) -> Comparisons:
        """The task's judgments, and the weak pairs of the ranking by somebody who is nobody."""
        said = task.comparisons
        if not self.settings.importance or not self.settings.importance_weight:
            return said
        induced = induce(head.table, task.data.groups, [_ranked(name, head.names) for name in self.settings.importance])
        count = len(induced.better)
        return replace(
            said,
            annotator=np.concatenate([said.annotator, np.full(count, said.annotators)]),
            a=np.concatenate([said.a, induced.better]),
            b=np.concatenate([said.b, induced.other]),
            outcome=np.concatenate([said.outcome, np.ones(count, np.int64)]),
            side=np.concatenate([said.side, np.zeros(count, np.float32)]),
            weight=np.concatenate([said.weight, np.full(count, self.settings.importance_weight, np.float32)]),
            test=np.concatenate([said.test, np.zeros(count, np.bool_)]),
            annotators=said.annotators + 1,
        )

    def reward(self, theta: Floats, items: Array) -> tuple[Floats, Floats]:
        """See ``CurvedReward.reward``: τ ⟨v, g⟩ with v = θ/‖θ‖, and slopes τ (g − v ⟨v, g⟩) / ‖θ‖."""
        size = max(float(np.linalg.norm(theta)), 1e-6)
        direction, tau = theta / size, float(self.weights["tau"][0])
        along = items.astype(np.float64) @ direction
        return tau * along, tau * (items - along[:, None] * direction) / size

    def direction(self, latent: Latent) -> dict[str, float]:
        """The person's direction on the unit sphere by aspect."""
        size = max(float(np.linalg.norm(latent.mean)), 1e-9)
        return {name: float(value) / size for name, value in zip(self.aspects, latent.mean, strict=True)}

    def steer(self, latent: Latent, aspect: str, degrees: float) -> Latent:
        """The latent turned towards an aspect (away from it, for negative degrees), never past it; the length of θ stays.

        Raises ``BadData`` for an aspect that the model does not have.
        """
        if aspect not in self.aspects:
            raise BadData(f"aspect {aspect!r} is not known; expected one of {', '.join(self.aspects)}")
        size = float(np.linalg.norm(latent.mean))
        start = latent.mean / max(size, 1e-9)
        goal = np.zeros(len(start))
        goal[self.aspects.index(aspect)] = 1.0
        goal = goal if degrees >= 0 else -goal
        between = float(np.arccos(np.clip(start @ goal, -1, 1)))
        sideways = goal - (start @ goal) * start
        length = float(np.linalg.norm(sideways))
        if length < 1e-9:
            return latent
        angle = min(np.radians(abs(degrees)), between)
        turned = np.cos(angle) * start + np.sin(angle) * sideways / length
        return replace(latent, mean=(size * turned).astype(np.float32))

    def state(self) -> tuple[dict[str, Any], dict[str, object]]:
        """See ``RewardModel.state``."""
        tensors, config = super().state()
        return tensors, config | {"aspects": list(self.aspects)}

    @classmethod
    def from_state(cls, tensors: Mapping[str, Any], config: Mapping[str, object]) -> Aspects:
        """See ``RewardModel.from_state``."""
        model = super().from_state(tensors, config)
        names = config.get("aspects")
        model.aspects = tuple(names) if isinstance(names, list) else ()
        return model


def tagged(snapshot: Snapshot, least: int) -> dict[str, Comparisons]:
    """For every tag that is named often enough: who found which response better in that respect.

    A tag on a judgment reads ``a+tone``: response a is good in its tone; ``b-tone``: b is bad.
    """
    _, everything = index_snapshot(snapshot)
    judgments = [each for each in snapshot.judgments if not each.repeat]
    rows: dict[str, list[tuple[int, int]]] = {}
    for row, judgment in enumerate(judgments):
        for tag in judgment.tags:
            side, sign, name = tag[:1], tag[1:2], tag[2:]
            if side in ("a", "b") and sign in ("+", "-", "−") and name:
                better = 1 if (side == "a") == (sign == "+") else -1
                rows.setdefault(name, []).append((row, better))
    found = {}
    for name, marks in sorted(rows.items()):
        if len(marks) >= least:
            taken = everything.take(np.array([row for row, _ in marks], np.int64))
            found[name] = replace(taken, outcome=np.array([better for _, better in marks], np.int64))
    return found


def _ranked(name: str, aspects: Sequence[str]) -> Ranked:
    wanted = name.removeprefix("-")
    if wanted not in aspects:
        raise BadData(f"option 'importance' names {wanted!r}; expected some of {', '.join(aspects)}")
    return Ranked(aspects.index(wanted), -1 if name.startswith("-") else 1)


def _traits(data: Prepared) -> dict[str, Array]:
    """The readable traits, (N,) each; none where the encoder has no style features."""
    columns = style_columns(data.encoder)
    if columns is None or data.vectors[:, columns].shape[1] != len(STYLE_FEATURES):
        return {}
    style = data.vectors[:, columns]
    values = ((style - style.mean(axis=0)) / (style.std(axis=0) + 0.02)) @ trait_weights().T
    return dict(zip(TRAITS, values.T, strict=True))


def _decorrelated(columns: Mapping[str, Array], data: Prepared) -> Floats:
    """Unit spread within prompts, and without what length explains (length itself and the pooled reward stay)."""
    counts = np.bincount(data.groups)
    table = np.stack([np.asarray(each, np.float64) for each in columns.values()], axis=1)
    sums = np.zeros((len(counts), table.shape[1]))
    np.add.at(sums, data.groups, table)
    within = table - (sums / counts[:, None])[data.groups]
    if LENGTH in columns:
        length = list(columns).index(LENGTH)
        slope = within.T @ within[:, length] / max(float(within[:, length] @ within[:, length]), 1e-9)
        slope[[length, list(columns).index(OVERALL)]] = 0
        table = table - np.outer(table[:, length], slope)
        within = within - np.outer(within[:, length], slope)
    scaled: Floats = (table - table.mean(axis=0)) / np.maximum(within.std(axis=0), 1e-3)
    return scaled
