"""Several models as one: their mean, their worst case (WCO), or their mean less their disagreement (UWO).

Coste et al. 2024, for rewards that a policy is optimised against: WCO takes the least of the members' rewards, UWO the mean
less λ times their variance. Every member leaves out its own share of the annotators, so that members of one kind differ
too. Rewards of a member are only known up to a constant; each is centred on a fixed sample of known responses first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

import attune.rewards as registry
from attune.data import Snapshot
from attune.errors import ArtifactError, BadData, NotFitted
from attune.rewards.aggregates import UWO_PENALTY, Aggregate, combined
from attune.rewards.base import Array, Comparison, FitReport, Latent, Progress, RewardModel, Scores
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.context import columns_of_context
from attune.rewards.feature_map import prepare
from attune.rewards.indexing import Ints
from attune.rewards.item_model import beside
from attune.rewards.networks import sigmoid
from attune.rewards.newcomers import ReadsStrengths, hold_out, split_newcomers
from attune.rewards.pooled import fit_pooled
from attune.rewards.settings import checked, setting
from attune.rewards.strengths import strengths_of

REFERENCES = 128
PARTS_OF_STEP = 1_000


@dataclass(frozen=True, slots=True)
class EnsembleSettings:
    """Options of ``ensemble``."""

    members: Sequence[str] = setting(
        ("hybrid", "hybrid", "hybrid"), "models, by name; the same one may come several times"
    )
    aggregate: str = setting("mean", "how their rewards are summed up", choices=get_args(Aggregate))
    penalty: float = setting(UWO_PENALTY, "λ of uwo: .5 suits best-of-n, .1 reinforcement learning", least=0, most=100)
    leave_out: float = setting(0.2, "share of the annotators that each member does without", least=0, most=0.9)


@dataclass(frozen=True, slots=True)
class _Items:
    """All members' items side by side, (N, ΣK)."""

    table: Array


class Ensemble(RewardModel):
    """Items and latents are the members', one after the other."""

    name: ClassVar[str] = "ensemble"
    Settings: ClassVar[type] = EnsembleSettings

    def __init__(self, **options: Any) -> None:
        self.settings = checked(EnsembleSettings, options)
        if not self.settings.members:
            raise BadData("option 'members' is empty; expected one model or more")
        for member in self.settings.members:
            if member not in registry.MODELS or member == self.name:
                known = ", ".join(name for name in registry.names() if name != self.name)
                raise BadData(f"option 'members' names {member!r}; expected some of {known}")
        self.encoder = ""
        self._members: tuple[RewardModel, ...] = ()

    @property
    def members(self) -> tuple[RewardModel, ...]:
        """Raises ``NotFitted`` before ``fit`` or ``from_state``."""
        if not self._members:
            raise NotFitted("this ensemble has not been fitted or loaded")
        return self._members

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. Measured with members that have not seen the held-out annotators, then fitted anew."""
        started = time.perf_counter()
        data, rng = prepare(snapshot, features, encoder), np.random.default_rng(seed)
        said = data.comparisons
        held = hold_out(said, rng)
        newcomers = split_newcomers(said.take(held), data.groups, rng)
        metrics: dict[str, float] = {}
        judgments = [each for each in snapshot.judgments if not each.repeat]
        rounds = [~held, np.ones(len(said), bool)] if newcomers else [np.ones(len(said), bool)]
        for number, rows in enumerate(rounds):
            kept = [judgment for judgment, keep in zip(judgments, rows, strict=True) if keep]
            told = _Told(
                progress, number * len(self.settings.members), len(rounds) * len(self.settings.members), metrics
            )
            self._install(
                [
                    self._fit_member(n, replace(snapshot, judgments=kept), features, encoder, seed, told)
                    for n in range(len(self.settings.members))
                ],
                encoder,
            )
            if newcomers and number == 0:
                pooled = pooled_model(fit_pooled(said.take(rows), data.mapped), data)
                metrics |= beside(self, pooled, said.take(held), newcomers)[0]
        metrics["members"] = float(len(self._members))
        metrics["disagreement"] = self._disagreement()
        return FitReport(metrics, time.perf_counter() - started)

    def _fit_member(
        self,
        number: int,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        encoder: str,
        seed: int,
        told: _Told,
    ) -> RewardModel:
        rng = np.random.default_rng([seed, number])
        people = sorted({each.annotator for each in snapshot.judgments})
        out = {people[i] for i in rng.permutation(len(people))[: round(self.settings.leave_out * len(people))]}
        said = [each for each in snapshot.judgments if each.annotator not in out]
        enough = any(each.choice in ("a", "b") for each in said)
        member = registry.create(self.settings.members[number])
        given = replace(snapshot, judgments=said if enough else snapshot.judgments)
        member.fit(given, features, encoder=encoder, seed=seed + 1_000 * number, progress=told.of(number))
        return member

    def _install(self, members: Sequence[RewardModel], encoder: str) -> None:
        self._members, self.encoder = tuple(members), encoder
        ids = list(getattr(members[0], "parts").ids)  # noqa: B009 (all models keep their items there)
        tables = [member.items(ids) for member in members]
        self._widths = [table.shape[1] for table in tables]
        self._table = np.concatenate(tables, axis=1)
        self._ids = ids
        chosen = np.random.default_rng(0).permutation(len(ids))[:REFERENCES]
        self._references = self._table[chosen]
        priors = [member.prior() for member in members]
        self._sizes = [(len(prior.mean), len(prior.cov)) for prior in priors]

    @property
    def parts(self) -> _Items:
        """The items of known responses."""
        _ = self.members
        return _Items(self._table)

    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """See ``RewardModel.items``."""
        return np.concatenate([member.items(ids, features) for member in self.members], axis=1)

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """See ``RewardModel.knows``."""
        return self.members[0].knows(ids)

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        return _joined([member.prior() for member in self.members])

    def adapt(self, context: Sequence[Comparison]) -> Latent:
        """See ``RewardModel.adapt``."""
        if any(each.reason for each in context):  # each member reads reasons in its own way, or not at all
            return self._adapted_with_reasons(context)
        strength = strengths_of(context)
        return self.adapt_arrays(*columns_of_context(context), strength=strength) if context else self.prior()

    def _adapted_with_reasons(self, context: Sequence[Comparison]) -> Latent:
        columns = columns_of_context(context)
        sides = zip(self.members, self._split(columns.items_a), self._split(columns.items_b), strict=True)
        return _joined(
            [
                member.adapt([replace(said, item_a=a, item_b=b) for said, a, b in zip(context, *own, strict=True)])
                for member, *own in sides
            ]
        )

    @property
    def reads_strengths(self) -> bool:
        """See ``attune.rewards.newcomers.ReadsStrengths``: whether a member does."""
        return any(map(_reads_strengths, self.members))

    def adapt_arrays(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],
        weight: NDArray[Any],
        *,
        strength: Ints | None = None,
    ) -> Latent:
        """See ``Rehearsed.adapt_arrays``; strength (N,) is for members that read it."""
        if not len(outcome):
            return self.prior()
        pairs = zip(self.members, self._split(items_a), self._split(items_b), strict=True)
        return _joined([_adapted(member, a, b, outcome, side, weight, strength) for member, a, b in pairs])

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``, summed up as the settings say (``attune.rewards.aggregates``)."""
        how = cast(Aggregate, self.settings.aggregate)
        return combined(self.member_scores(latent, items), how, penalty=self.settings.penalty)

    def member_scores(self, latent: Latent, items: Array) -> Scores:
        """See ``HasMembers.member_scores``: centred on the references, so that members can be compared."""
        found = []
        latents, references = self._latents(latent), self._split(self._references)
        for member, own, rows, known in zip(self.members, latents, self._split(items), references, strict=True):
            scores = member.score(own, rows)
            found.append((scores.mean - member.score(own, known).mean.mean(), scores.std))
        return Scores(np.stack([mean for mean, _ in found]), np.stack([std for _, std in found]))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``: the members' mean; doubt is theirs and their disagreement."""
        margins = [
            member.margin(own, a, b)
            for member, own, a, b in zip(
                self.members, self._latents(latent), self._split(items_a), self._split(items_b), strict=True
            )
        ]
        means, variances = (np.stack([each[part] for each in margins]) for part in (0, 1))
        return means.mean(axis=0), variances.mean(axis=0) + means.var(axis=0)

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``: the mean of the members' calibrated log-odds."""
        logits = []
        for member, own, a, b in zip(
            self.members, self._latents(latent), self._split(items_a), self._split(items_b), strict=True
        ):
            p = np.clip(member.probability(own, a, b).astype(np.float64), 1e-7, 1 - 1e-7)
            logits.append(np.log(p / (1 - p)))
        return np.asarray(sigmoid(np.mean(logits, axis=0)), np.float32)

    def _disagreement(self) -> float:
        """How far the members lie apart about known responses, for everybody, as a share of the rewards' own spread."""
        means = self.member_scores(self.prior(), self._table).mean
        return float(means.std(axis=0).mean() / max(float(means.mean(axis=0).std()), 1e-9))

    def _split(self, items: Array) -> list[Array]:
        return np.split(items, np.cumsum(self._widths)[:-1], axis=1)

    def _latents(self, latent: Latent) -> list[Latent]:
        found, at, at_cov = [], 0, 0
        for size, cov in self._sizes:
            block = slice(at_cov, at_cov + cov)
            found.append(Latent(latent.mean[at : at + size], latent.cov[block, block], latent.n, {}))
            at, at_cov = at + size, at_cov + cov
        return found

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``."""
        tensors: dict[str, NDArray[np.generic]] = {}
        configs: list[dict[str, object]] = []
        for number, member in enumerate(self.members):
            own, config = member.state()
            tensors |= {f"{number}.{name}": tensor for name, tensor in own.items()}
            configs.append({"model": member.name, "config": config})
        return tensors, {"encoder": self.encoder, "settings": asdict(self.settings), "members": configs}

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``."""
        settings, configs = config.get("settings"), config.get("members")
        if not isinstance(settings, dict) or not isinstance(configs, list) or not configs:
            raise ArtifactError("the ensemble artifact lacks its settings or its members")
        model = cls(**settings)
        members = []
        for number, each in enumerate(configs):
            own = {
                name.removeprefix(f"{number}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{number}.")
            }
            members.append(registry.model_class(str(each["model"])).from_state(own, each["config"]))
        model._install(members, str(config["encoder"]))
        return model


@dataclass(frozen=True, slots=True)
class _Told:
    """A member's progress as a part of the whole."""

    progress: Progress | None
    done: int
    members: int
    known: Mapping[str, float]

    def of(self, number: int) -> Progress | None:
        progress = self.progress
        if progress is None:
            return None

        def tell(report: Mapping[str, float | int | str]) -> None:
            step, steps = int(report["step"]), max(int(report["steps"]), 1)
            at = (self.done + number) * PARTS_OF_STEP + PARTS_OF_STEP * step // steps
            loss = {"loss": report["loss"]} if "loss" in report else {}
            progress({"stage": "fitting", "step": at, "steps": self.members * PARTS_OF_STEP, **self.known, **loss})

        return tell


def _joined(latents: Sequence[Latent]) -> Latent:
    cov = block_diag(*[each.cov for each in latents]).astype(np.float32)
    extra = {f"{number}.{name}": value for number, each in enumerate(latents) for name, value in each.extra.items()}
    return Latent(np.concatenate([each.mean for each in latents]), cov, latents[0].n, extra)


def _reads_strengths(member: RewardModel) -> bool:
    return isinstance(member, ReadsStrengths) and member.reads_strengths


def _adapted(
    member: RewardModel,
    a: Array,
    b: Array,
    outcome: NDArray[Any],
    side: NDArray[Any],
    weight: NDArray[Any],
    strength: Ints | None,
) -> Latent:
    adapt: Any = getattr(member, "adapt_arrays")  # noqa: B009 (``Rehearsed``, which every registered model is)
    more = {"strength": strength} if _reads_strengths(member) else {}
    latent: Latent = adapt(a, b, outcome, side, weight, **more)
    return latent
