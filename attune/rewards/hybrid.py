"""The default personal model: what everybody shares, and each person's taste under two priors of the community.

r_u(x) = (1 + w₀) b_x + ⟨w, y_x⟩ + ε_ux with pooled reward b_x and coordinates y_x of the response, partly from its text (all that an
unseen response has) and partly its own. The taste w is inferred twice, under a Gaussian prior and under one of groups
(``attune.rewards.tastes``), and followed as far as held-out annotators say that it should be (``attune.rewards.trust``). Without
judgments that is the pooled reward.

Factors of several ranks (``attune.rewards.factors``) and classes of several sizes (``attune.rewards.classes``) are fitted side by side
and averaged: steadier than any one of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.errors import ArtifactError
from attune.metrics import person_spread
from attune.rewards.base import Array, Comparison, FitReport, Latent, Progress, RewardModel, Scores
from attune.rewards.beginning import Beginning, Hashes, Kept, hashed
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.context import Context
from attune.rewards.contrarians import contrary_odds, learn_share, with_contrary
from attune.rewards.evidence import are_verdicts
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.hybrid_fit import Fits, HybridConfig, Steps, basis_of, community_of, learn
from attune.rewards.indexing import Ints
from attune.rewards.linear import LinearParts, LinearReward
from attune.rewards.newcomers import SHOTS, judge, paired_gain, report_metrics
from attune.rewards.reasons import Why
from attune.rewards.rehearsal import Rehearsal, Variances
from attune.rewards.settings import checked
from attune.rewards.strengths import grades
from attune.rewards.tastes import KNOWN, NUMBER, Community, Reader
from attune.rewards.told import Told
from attune.rewards.traits import Trait, Traits, fit_traits
from attune.rewards.trust import KNOTS, Trust, default_trust, learn_trust, told
from attune.rewards.tryout import Settled, Trier, settle, with_everybody

OWN = "response "
"""What is remembered of a response stands in a latent's ``extra`` under this and the response's number."""
ODDS = "odds"
"""And what ``attune.rewards.guard`` calls a person's odds."""
CONTRARY = "contrary"
"""And how probably they judge contrary to everybody (``attune.rewards.contrarians``), from 0 to 1, where it is worth a word."""
SMALLEST_CONTRARY = 0.01
SPREAD_SHOTS = (0, 8, 64)
HEARD = 64
"""Judgments by which held-out people are told from contrary ones."""


class Hybrid(LinearReward):
    """Items (b, a, y, number), see ``attune.rewards.tastes``. Options are those of ``HybridConfig``."""

    name: ClassVar[str] = "hybrid"
    aims_at_margins: ClassVar[bool] = True
    Settings: ClassVar[type] = HybridConfig

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.config = checked(HybridConfig, options)
        self.style_traits: Traits | None = None
        self._reader: Reader | None = None
        self._trust = default_trust()
        self._begin: Beginning | None = None
        self._found: Beginning | None = None

    def begin_from(self, earlier: RewardModel, left: Mapping[str, NDArray[Any]]) -> None:
        """See ``RewardModel.begin_from``."""
        self._begin = Beginning.from_tensors(earlier.parts.ids, left) if isinstance(earlier, Hybrid) and left else None

    def left(self) -> dict[str, NDArray[Any]]:
        """See ``RewardModel.left``."""
        return self._found.tensors() if self._found else {}

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. A first fit leaves some annotators out, who then serve as newcomers to measure,
        calibrate and scale the model; a second one starts from the first and takes everybody in."""
        started = time.perf_counter()
        people = hashed(dict.fromkeys(each.annotator for each in snapshot.judgments if not each.repeat))
        with threadpool_limits(limits=1):  # the matrices are small: threads would only wait for each other
            data = prepare(snapshot, features, encoder)
            metrics = self.fit_prepared(data, people, np.random.default_rng(seed), progress)
        return FitReport(metrics, time.perf_counter() - started)

    def fit_prepared(
        self, data: Prepared, people: Hashes, rng: np.random.Generator, progress: Progress | None = None
    ) -> dict[str, float]:
        """``fit`` on indexed data, people (annotators,) in its order; the held-out metrics."""
        verdicts = are_verdicts(data.comparisons, len(data.ids))
        begin = self._begin
        if begin and not begin.suits(self.config, people, data.comparisons, verdicts):
            begin = None
        self.began = begin is not None
        report = Steps(self.config, progress, begun=begin is not None)
        tryout = Trier(self.config, data, verdicts, people, report, begin).chosen(rng)
        data, settled = tryout.data, settle(self.config, tryout)
        fits, trust, why, contrarians = tryout.fits, default_trust(), None, 0.0
        if settled.rehearsals:
            trust, contrarians, report.metrics = self._measure(data, settled)
            fits = learn(self.config, data, data.comparisons, verdicts, tryout.rng, report, settled.apart[0].fits)
            fits, why = with_everybody(self.config, data, fits, settled)
        self._take_on(data, fits, settled.variances, trust, contrarians, why)
        self.style_traits = fit_traits(data, self.parts.table)
        who = data.comparisons.annotator
        self._found = Beginning(
            data.ids,
            data.groups,
            verdicts,
            people,
            begin.cold_judgments if begin else len(data.comparisons),
            settled.variances,
            [Kept(each.fits, people[np.unique(who[each.held])]) for each in settled.apart],
            tryout.graded if data.comparisons.strength is not None else None,
        )
        return report.metrics

    def _measure(self, data: Prepared, settled: Settled) -> tuple[Trust, float, dict[str, float]]:
        """How far to trust what is personal, how many are contrary, and what the model is then worth to people that it has not seen; it
        is left as they find it."""
        first, variances = settled.rehearsals[0], settled.variances
        views = [[view for each in settled.rehearsals for view in each.views(variances, shots)] for shots in KNOTS]
        trust = learn_trust(views)
        self.person_spread = person_spread(*told(trust, views, SPREAD_SHOTS))
        heard = (each for rehearsal in settled.rehearsals for each in rehearsal.heard(variances, HEARD))
        contrarians = learn_share([contrary_odds(reader, trust, said, count) for reader, said, count in heard])
        fits = settled.apart[0].fits
        self._take_on(data, fits, variances, trust, contrarians, first.why)
        metrics = self._judge(first, pooled_model(fits.pooled, data))
        chosen = {
            "reason_weight": settled.reason_weight,
            "reading_spread": variances.reading,
            "contrarians": contrarians,
        }
        if data.comparisons.strength is not None and self.config.strengths == "learnt" and fits.accepted is None:
            chosen["strengths_graded"] = float(data.comparisons.graded)
        return trust, contrarians, metrics | chosen

    def _take_on(
        self,
        data: Prepared,
        fits: Fits,
        variances: Variances,
        trust: Trust,
        contrarians: float,
        why: Why | None = None,
    ) -> None:
        """Install what was fitted. The prior that a latent starts from is that of its first few judgments."""
        basis = basis_of(self.config, data, fits, variances)
        community = replace(community_of(data, fits, basis, variances), contrarians=contrarians)
        self.install_with(
            LinearParts(
                ids=data.ids,
                table=basis.table,
                feature_map=data.feature_map,
                text_weights=basis.text_weights,
                prior_mean=np.zeros(0, np.float32),
                prior_cov=np.zeros((0, 0), np.float32),
                calibration_shots=trust.shots,
                calibration_scale=trust.temperature,
            ),
            community,
            trust,
            data.encoder,
            why,
        )

    def install_with(
        self, parts: LinearParts, community: Community, trust: Trust, encoder: str, why: Why | None = None
    ) -> None:
        """``install`` with the community that adapting needs; the parts' prior is made here."""
        self._reader, self._trust = Reader(community, why), trust
        none = np.zeros(0)
        told = self._reader.told(parts.table[:0], parts.table[:0], none, none, none)
        prior, _ = self._inferred(self._reader, told, 0)
        self.install(replace(parts, prior_mean=prior.mean, prior_cov=prior.cov), encoder)

    def adapt(self, context: Sequence[Comparison], start: Latent | None = None) -> Latent:
        """See ``RewardModel.adapt``. A ``Context`` that has grown since the last time is quicker than one made anew;
        ``start`` is of no use here."""
        if self._reader is None or not context:
            return super().adapt(context, start)
        told = self._reader.read(context)
        latent, told = self._inferred(self._reader, told, len(context))
        if isinstance(context, Context):
            context.note(self._reader, told)
        return latent

    def adapt_arrays(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],
        weight: NDArray[Any],
        *,
        start: Latent | None = None,
        reasons: sparse.csr_array | None = None,
        strength: Ints | None = None,
    ) -> Latent:
        """See ``LinearReward.adapt_arrays``; ``start`` is of no use here. reasons (N, P), as the model's own fit numbered them. strength
        (N,), where it is not in outcome and weight yet (``attune.rewards.strengths``)."""
        if self._reader is None:
            return super().adapt_arrays(items_a, items_b, outcome, side, weight, start=start)
        if not len(outcome):
            return self.prior()
        if strength is not None and self.reads_strengths:
            outcome, weight = grades(outcome, weight, strength)
        told = self._reader.told(items_a, items_b, outcome, side, weight, reasons=reasons)
        return self._inferred(self._reader, told, len(outcome))[0]

    def _inferred(self, reader: Reader, told: Told, judgments: int) -> tuple[Latent, Told]:
        """What the latent is after so many judgments; and these with the modes that were found."""
        found, contrary, told = with_contrary(reader, self._trust, told, judgments)
        remembered = {f"{OWN}{number}": value for number, value in found.remembered.items()}
        mean = found.mean.astype(np.float32)
        extra = self._extra(mean) | {ODDS: found.odds} | remembered
        if contrary >= SMALLEST_CONTRARY:
            extra[CONTRARY] = contrary
        return Latent(mean, (0.5 * (found.cov + found.cov.T)).astype(np.float32), judgments, extra), told

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``. Adds what is remembered of the responses, and the doubt about them."""
        scores = super().score(latent, items)
        if self._reader is None:
            return scores
        std = np.sqrt(scores.std**2 + self._doubts(latent, items))
        return Scores(scores.mean + self._remembered(latent, items), np.asarray(std, np.float32))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``. Adds what is remembered of the responses, and the doubt about them."""
        mean, variance = super().margin(latent, items_a, items_b)
        if self._reader is None:
            return mean, variance
        mean = mean + (self._remembered(latent, items_a) - self._remembered(latent, items_b))
        return mean, variance + self._doubts(latent, items_a) + self._doubts(latent, items_b)

    @property
    def reads_reasons(self) -> bool:
        """See ``attune.rewards.newcomers.ReadsReasons``."""
        return self._reader is not None and self._reader.why is not None

    @property
    def reads_strengths(self) -> bool:
        """See ``attune.rewards.newcomers.ReadsStrengths``."""
        return self._reader is not None and self._reader.community.graded

    def doubts(self, items: Array) -> Array:
        """The variance of each item's reward for want of judgments about the response, (N,), for somebody typical."""
        return self._doubts(self.prior(), items)

    def _doubts(self, latent: Latent, items: Array) -> Array:
        if self._reader is None:
            return np.zeros(len(items), np.float32)
        trust, _ = self._trust.at(latent.n, latent.extra.get(ODDS, 0.0))
        return np.asarray(trust**2 * self._reader.community.doubts(items), np.float32)

    def _remembered(self, latent: Latent, items: Array) -> Array:
        """ε of each item, (N,); 0 for responses that the person has not judged."""
        if self._reader is None or not self._reader.community.memory:
            return np.zeros(len(items), np.float32)
        own = np.zeros(len(self.parts.ids) + 1, np.float32)
        for name, value in latent.extra.items():
            if name.startswith(OWN):
                own[int(name[len(OWN) :])] = value
        remembered: Array = own[items[:, NUMBER].astype(np.int64)]
        return remembered

    def _judge(self, rehearsal: Rehearsal, pooled: LinearReward) -> dict[str, float]:
        """Metrics of this model and of the pooled one on the held-out annotators."""
        comparisons, newcomers = rehearsal.comparisons, rehearsal.newcomers
        baseline, _ = judge(pooled, comparisons, pooled.parts.table, newcomers, (0,))
        personal, _ = judge(self, comparisons, self.parts.table, newcomers, SHOTS)
        metrics = report_metrics("pooled", baseline[0]) if baseline else {}
        for shots, summary in personal.items():
            gain = paired_gain(self, pooled, comparisons, newcomers, shots)
            metrics |= report_metrics(f"personal_{shots}", summary)
            metrics |= {f"personal_{shots}_{key}": value for key, value in gain.items()}
        return metrics

    def trait_items(self) -> tuple[Array, Array]:
        """See ``attune.rewards.corrections.HasTraitItems``: nobody's own responses, and known for what they are."""
        slopes = self.style_traits.slopes if self.style_traits is not None else np.zeros((0, 2), np.float32)
        up = np.asarray(slopes / 2, np.float32)
        down = -up
        for items in (up, down):
            items[:, NUMBER] = 0
            items[:, KNOWN] = self._reader.community.doubt if self._reader is not None else 0
        return up, down

    def traits(self, latent: Latent) -> list[Trait]:
        """How named properties of style move this person's reward: (trait, estimate, low, high), 80 % intervals.

        Relative to the community; +1 is a strong taste for the second pole of the name, −1 for the first. Empty where
        the encoder has no style features.
        """
        prior = self.prior()
        return self.style_traits.of(latent, prior) if self.style_traits is not None else []

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``."""
        tensors, config = super().state()
        width = self.parts.table.shape[1]
        slopes = self.style_traits.slopes if self.style_traits is not None else np.zeros((0, width), np.float32)
        tensors = tensors | {"trait_slopes": slopes}
        if self._reader is None:
            return tensors, config
        community = self._reader.community
        arrays = {name: getattr(community, name) for name in COMMUNITY_TENSORS}
        scalars = {name: getattr(community, name) for name in (*COMMUNITY_SCALARS, "graded", "contrarians")}
        why = self._reader.why
        if why is not None:
            tensors, config = tensors | why.tensors(), config | {"words_of_reasons": list(why.words)}
        return tensors | arrays | self._trust.tensors(), config | {"community": scalars}

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``. An artifact without a community is of the time before there were two priors, and
        adapts as ``LinearReward`` does."""
        model = super().from_state(tensors, config)
        if "trait_slopes" not in tensors:
            raise ArtifactError("the hybrid artifact lacks 'trait_slopes'")
        model.style_traits = Traits(np.asarray(tensors["trait_slopes"], np.float32))
        if isinstance(config.get("community"), Mapping):
            community, trust = _community_from(tensors, config)
            why = Why.from_state(tensors, config.get("words_of_reasons"))
            model.install_with(model.parts, community, trust, model.encoder, why)
        return model


COMMUNITY_TENSORS = ("cov", "class_weights", "class_center", "class_log_prior", "class_model")
COMMUNITY_SCALARS = (
    "verdicts",
    "base",
    "base_spread",
    "position",
    "position_spread",
    "threshold_spread",
    "log_nu",
    "tie_spread",
    "memory",
    "doubt",
)


def _community_from(
    tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]
) -> tuple[Community, Trust]:
    """Raises ``ArtifactError`` where something is missing."""
    stored: Any = config["community"]
    try:
        arrays: dict[str, Any] = {name: np.asarray(tensors[name], np.float32) for name in COMMUNITY_TENSORS}
        arrays["class_model"] = np.asarray(tensors["class_model"], np.int64)
        scalars: dict[str, Any] = {name: stored[name] for name in COMMUNITY_SCALARS}
        scalars["graded"] = bool(stored.get("graded", False))  # artifacts of before have neither
        scalars["contrarians"] = float(stored.get("contrarians", 0.0))
        trust = Trust.from_tensors(tensors, tensors["calibration_scale"])
    except KeyError as missing:
        raise ArtifactError(f"the hybrid artifact lacks {missing}") from None
    return Community(**arrays, **scalars), trust
