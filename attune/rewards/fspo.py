"""Few-shot preference optimisation at the level of the language model (FSPO, Singh et al. 2025), served as a reward model.

A causal language model reads a few judgments of the annotator in its prompt (``attune.fspo.prompts``) and is meta-trained over
annotators to find their next judgment likelier: r_u(x, y) = β [log π(y|x, C_u) − log π_ref(y|x, C_u)], summed over tokens. Nothing is
fitted for a newcomer: the latent is the prompt itself. It holds several *readings*, the same judgments in different orders (other ones
where there are more than fit); the reward is their mean, and how far they differ is its doubt.

Learning needs torch; adapting and scoring are numpy only (``attune.fspo.reading``), and slow beside the other models: a new prompt is read
in about a second, a response in some ten milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.errors import ArtifactError, EncoderMismatch, NotFitted, UnknownResponse
from attune.fspo.describing import described, descriptions_in
from attune.fspo.episodes import Describing, draw_episodes
from attune.fspo.reading import OPENING, Reader, Shot, readings_of
from attune.fspo.tokens import NAME, WIDTH, Text, pieces, start_folder, text_of, words_of
from attune.rewards.base import Array, Comparison, FitReport, Latent, Progress, RewardModel, Scores
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.context import columns_of_context
from attune.rewards.feature_map import prepare
from attune.rewards.indexing import Comparisons, feature_matrix, index_snapshot
from attune.rewards.linear import PROBIT
from attune.rewards.networks import sigmoid
from attune.rewards.newcomers import Newcomer, hold_out, judge, paired_gain, report_metrics, split_newcomers
from attune.rewards.pooled import fit_pooled
from attune.rewards.settings import checked, setting
from attune.style_features import style_vector

SHOTS = (0, 4, 8)
MEASURED, MEASURED_TARGETS = 12, 8
"""Held-out annotators and judgments of each that a fit is measured on: reading is slow."""


@dataclass(frozen=True, slots=True)
class FSPOSettings:
    """Options of ``fspo``."""

    shots: int = setting(8, "judgments in a prompt at most", least=1, most=16)
    readings: int = setting(2, "prompts a person, with their judgments in different orders", least=1, most=8)
    steps: int = setting(
        200, "steps of meta-training; half as many more once everybody is taken in", least=2, most=100_000
    )
    episodes: int = setting(4, "annotators a step", least=1, most=256)
    targets: int = setting(4, "judgments predicted of each of them a step", least=1, most=16)
    rate: float = setting(3e-4, "learning rate", least=1e-7, most=1)
    beta: float = setting(0.1, "nearness to the model that it starts from", least=1e-3, most=10)
    loss: str = setting("dpo", "ipo is the published one, summed over tokens; dpo is steadier", choices=("ipo", "dpo"))
    likelihood: float = setting(0.1, "weight of the preferred text's own likelihood", least=0, most=10)
    describe: str = setting(
        "off",
        "a prompt says in words what its reader likes: given, as their judgments show it; written, as the model puts it",
        choices=("off", "given", "written"),
    )
    writing: float = setting(0.3, "weight of the description's likelihood, where it is written", least=0, most=10)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Known responses and the two language models."""

    ids: tuple[str, ...]
    table: Array
    row_of: Mapping[str, int]
    policy: Mapping[str, Array]
    reference: Mapping[str, Array]
    calibration: Array


class FSPO(RewardModel):
    """Items are texts in tokens (``attune.fspo.tokens``). Latent: the readings' openings, without a covariance."""

    name: ClassVar[str] = "fspo"
    Settings: ClassVar[type] = FSPOSettings
    own_encoder: ClassVar[str] = NAME
    quick: ClassVar[bool] = False

    def __init__(self, **options: Any) -> None:
        self.settings: FSPOSettings = checked(FSPOSettings, options)
        self.encoder = ""
        self._fitted: _Fitted | None = None
        self._reader: Reader | None = None

    # Learning

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. Raises ``EncoderMismatch`` for another encoder than ``tokens``.

        Meta-trained first without some annotators, on whom it is measured and calibrated, then on everybody.
        """
        if encoder != NAME:
            raise EncoderMismatch(f"fspo reads texts themselves: expected the encoder {NAME!r}, not {encoder!r}")
        started = time.perf_counter()
        with threadpool_limits(limits=1):
            metrics = self._fit(snapshot, features, seed, progress)
        return FitReport(metrics, time.perf_counter() - started)

    def _fit(
        self, snapshot: Snapshot, features: Mapping[str, Array], seed: int, progress: Progress | None
    ) -> dict[str, float]:
        import torch

        from attune.fspo.learning import Recipe, language_model, meta_train, weights_of
        from attune.fspo.packing import pack

        ids, comparisons = index_snapshot(snapshot)
        table = feature_matrix(ids, features)
        texts = [text_of(row) for row in table]
        rng = np.random.default_rng(seed)
        held = hold_out(comparisons, rng)
        options, known = self.settings, {"cut": float(table[:, 2].mean())}
        first = options.steps if held.any() else 0
        steps = first + max(1, options.steps // 2 if first else options.steps)
        describing = Describing(texts, _given(snapshot)) if options.describe != "off" else None
        writing = options.writing if options.describe == "written" else 0.0
        folder = start_folder()
        reference, model = language_model(folder).eval(), language_model(folder)
        start = weights_of(reference)

        def train(said: Comparisons, count: int, done: int) -> dict[str, float]:
            def report(step: int, figures: Mapping[str, float]) -> None:
                if progress:
                    progress({"stage": "fitting", "step": done + step, "steps": steps, **known, **figures})

            recipe = Recipe(
                count, options.rate, options.beta, options.loss, options.likelihood, options.episodes, writing
            )
            episodes = draw_episodes(said, texts, options.shots, options.targets, rng, describing)
            drawn = (pack(each, pieces(), writes=writing > 0) for each in episodes)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return meta_train(model, reference, drawn, recipe, report)

        calibration = np.ones(len(SHOTS), np.float32)
        if first:
            train(comparisons.take(~held), first, 0)
            self._install(ids, table, weights_of(model), start, calibration)
            measured, calibration = self._measure(snapshot, comparisons, held, rng)
            known |= measured
        known |= train(comparisons, steps - first, first)
        self._install(ids, table, weights_of(model), start, calibration)
        return known

    def _measure(
        self, snapshot: Snapshot, comparisons: Comparisons, held: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[dict[str, float], Array]:
        """Figures beside a pooled Bradley–Terry on style features, and the temperature by shots, on held-out annotators."""
        style = {key: style_vector(each.text) for key, each in snapshot.responses.items()}
        data = prepare(snapshot, style, "style")
        pooled = pooled_model(fit_pooled(comparisons.take(~held), data.mapped), data)
        of_held = comparisons.take(held)
        newcomers = [
            Newcomer(each.context, each.target[:MEASURED_TARGETS])
            for each in split_newcomers(of_held, data.groups, rng)[:MEASURED]
        ]
        if not newcomers:
            return {}, np.ones(len(SHOTS), np.float32)
        baseline, _ = judge(pooled, of_held, pooled.parts.table, newcomers, (0,))
        personal, scale = judge(self, of_held, self.parts.table, newcomers, SHOTS)
        metrics = report_metrics("pooled", baseline[0]) if baseline else {}
        for shots, summary in personal.items():
            gain = paired_gain(self, pooled, of_held, newcomers, shots)
            metrics |= report_metrics(f"personal_{shots}", summary)
            metrics |= {f"personal_{shots}_{key}": value for key, value in gain.items()}
        return metrics, scale

    def _install(
        self,
        ids: Sequence[str],
        table: Array,
        policy: Mapping[str, Array],
        reference: Mapping[str, Array],
        calibration: Array,
    ) -> None:
        """Take on what was learnt, in the precision in which it is stored."""
        self.encoder = NAME
        policy, reference = _halved(policy), _halved(reference)
        row_of = {key: row for row, key in enumerate(ids)}
        self._fitted = _Fitted(tuple(ids), table, row_of, policy, reference, np.asarray(calibration, np.float32))
        self._reader = Reader(policy, reference, self.settings.beta)

    # Serving, numpy only

    @property
    def parts(self) -> _Fitted:
        """Known responses and weights. Raises ``NotFitted``."""
        if self._fitted is None:
            raise NotFitted("this fspo model has not been fitted or loaded")
        return self._fitted

    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """See ``RewardModel.items``."""
        parts, given = self.parts, features or {}
        if without := [key for key in ids if key not in parts.row_of and key not in given]:
            raise UnknownResponse(
                f"{len(without)} responses are unknown and have no features: {', '.join(without[:5])}"
            )
        rows = [parts.table[parts.row_of[key]] if key in parts.row_of else np.asarray(given[key]) for key in ids]
        for row in rows:
            text_of(row)
        return np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32)

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """See ``RewardModel.knows``."""
        return [key in self.parts.row_of for key in ids]

    def prior(self) -> Latent:
        """See ``RewardModel.prior``: a prompt without shots."""
        _ = self.parts
        mean = np.zeros(self.settings.readings * OPENING, np.float32)
        return Latent(mean, np.zeros((0, 0), np.float32), 0, {"shots": 0.0})

    def adapt(self, context: Sequence[Comparison]) -> Latent:
        """See ``RewardModel.adapt``. Ties go into no prompt."""
        if not context:
            return self.prior()
        return self.adapt_arrays(*columns_of_context(context))

    def adapt_arrays(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],  # noqa: ARG002 (a prompt does not say who stood where)
        weight: NDArray[Any],  # noqa: ARG002
    ) -> Latent:
        """See ``attune.rewards.base.Rehearsed``."""
        pairs = []
        for a, b, said in zip(items_a, items_b, outcome, strict=True):
            if said:
                preferred, other = (a, b) if said > 0 else (b, a)
                pairs.append((text_of(preferred), text_of(other)))
        shots = [tuple(pieces().shot(*each)) for each in pairs]
        readings, used = readings_of(shots, self.settings.readings, self.settings.shots, self._describer(pairs))
        return Latent(readings.ravel(), self.prior().cov, len(items_a), {"shots": float(used)})

    def _describer(self, pairs: Sequence[tuple[Text, Text]]) -> Callable[[Sequence[Shot]], list[int]] | None:
        """What a reading's shots are followed by: the reader in words, by all judgments, or as the model writes it after the shots."""
        if self.settings.describe == "off":
            return None
        if self.settings.describe == "written":
            reader = self._reader
            assert reader is not None
            return lambda shots: pieces().reader(reader.describe(shots))
        known = pieces().reader(described([(words_of(one.said), words_of(other.said)) for one, other in pairs]))
        return lambda _shots: known

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``."""
        each = self._readings(latent, items)
        return Scores(each.mean(axis=0), _spread(each))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``."""
        each = self._readings(latent, items_a) - self._readings(latent, items_b)
        return each.mean(axis=0), _spread(each) ** 2

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``."""
        return self._probability(latent, *self.margin(latent, items_a, items_b))

    def forecast(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array, Array]:
        """See ``RewardModel.forecast``."""
        mean, variance = self.margin(latent, items_a, items_b)
        return mean, variance, self._probability(latent, mean, variance)

    def _probability(self, latent: Latent, mean: Array, variance: Array) -> Array:
        shots = np.log1p(latent.extra.get("shots", 0.0))
        scale = float(np.interp(shots, np.log1p(SHOTS), self.parts.calibration))
        return np.asarray(sigmoid(scale * mean / np.sqrt(1 + PROBIT * variance)), np.float32)

    def _readings(self, latent: Latent, items: Array) -> Array:
        """The reward of each item under each different reading, (readings, N)."""
        _ = self.parts
        assert self._reader is not None
        return self._reader.rewards(latent.mean.reshape(-1, OPENING), [text_of(row) for row in items])

    # Files

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``. Weights are stored in half precision, in which they serve."""
        parts = self.parts
        tensors: dict[str, NDArray[np.generic]] = {"table": parts.table, "calibration": parts.calibration}
        for name, weights in (("policy", parts.policy), ("reference", parts.reference)):
            tensors |= {f"{name}.{key}": value.astype(np.float16) for key, value in weights.items()}
        return tensors, {"encoder": NAME, "ids": list(parts.ids), "settings": asdict(self.settings)}

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``. Raises ``ArtifactError`` where something is missing."""
        try:
            settings, ids = config["settings"], config["ids"]
            model = cls(**(settings if isinstance(settings, dict) else {}))
            table = np.asarray(tensors["table"], np.float32)
            policy, reference = (_named(tensors, f"{name}.") for name in ("policy", "reference"))
            model._install(
                ids if isinstance(ids, list) else [], table, policy, reference, np.asarray(tensors["calibration"])
            )
        except KeyError as missing:
            raise ArtifactError(f"the fspo artifact lacks {missing}") from None
        return model


def _given(snapshot: Snapshot) -> dict[int, str]:
    """The descriptions that the snapshot brings, by the number that ``index_snapshot`` gives to an annotator."""
    names = dict.fromkeys(each.annotator for each in snapshot.judgments if not each.repeat)
    told = descriptions_in(snapshot.about)
    return {number: told[name] for number, name in enumerate(names) if name in told}


def _spread(each: Array) -> Array:
    """The standard deviation over readings, (N,); nought where there is one."""
    return each.std(axis=0, ddof=1) if len(each) > 1 else np.zeros(each.shape[1], np.float32)


def _halved(weights: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(value, np.float16).astype(np.float32) for name, value in weights.items()}


def _named(tensors: Mapping[str, NDArray[np.generic]], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): np.asarray(value, np.float32)
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
