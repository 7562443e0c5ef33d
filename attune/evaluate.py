"""Do personal models beat the pooled one, on people that nobody has fitted on? Protocol, figures and a readable table.

Models are fitted on the training snapshot. Each annotator of the evaluation snapshot then shows their first n context
judgments (0, 4, 8, 16 … or all), in order, and their decided test judgments are predicted. Ties are not scored. An
annotator counts in a slice with at least four such judgments there. ``coverage_90`` is how often the number of their test
judgments that come out as predicted lies in the model's central 90 % interval for it (``attune.metrics.interval_coverage``).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.data import Choice, Judgment, Snapshot
from attune.errors import BadData
from attune.metrics import Summary, interval_coverage, standard_error, summarise
from attune.rewards import create
from attune.rewards.base import Array, Comparison, Latent, Progress, RewardModel
from attune.rewards.reasons import spoken_in
from attune.simulate import Simulation

ALL = "all"
DEFAULT_SHOTS: tuple[int | None, ...] = (0, 4, 8, 16, None)
"""Numbers of context judgments; None is all of them."""
SWAP_SHOTS = 16
FLIPPED: Mapping[Choice, Choice] = {
    "a": "b",
    "b": "a",
    "tie": "tie",
    "both_good": "both_good",
    "both_bad": "both_bad",
}

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One evaluation annotator: context judgments in order, and the decided test judgments."""

    name: str
    context: tuple[Judgment, ...]
    test: tuple[Judgment, ...]


def evaluate(
    train: Snapshot,
    evaluation: Snapshot,
    features: Mapping[str, Array],
    *,
    encoder: str,
    models: Sequence[str] = ("bradley_terry", "hybrid"),
    shots: Sequence[int | None] = DEFAULT_SHOTS,
    seeds: Sequence[int] = (0, 1, 2),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Fit each model on ``train`` with each seed and measure it on the annotators of ``evaluation``; JSON-able.

    ``features`` holds a vector for every response of both. Raises ``BadData`` where nobody has anything to predict, or
    where an annotator is in both snapshots.
    """
    subjects = subjects_of(evaluation)
    _check_apart(train, subjects)
    report: Report = {"data": _describe(train, subjects, shots, seeds, encoder), "models": {}}
    for name in models:
        runs: list[Report] = []
        for seed in seeds:
            if progress:
                progress({"stage": f"{name}, seed {seed}", "step": len(runs), "steps": len(seeds)})
            model = create(name, **(options or {}).get(name, {}))
            fitted = model.fit(train, features, encoder=encoder, seed=seed)
            runs.append(measure(model, subjects, features, shots) | {"fit_seconds": fitted.seconds})
        report["models"][name] = _combined(runs)
    return report


def subjects_of(snapshot: Snapshot) -> list[Subject]:
    """Annotators with something to predict. Without a ``part`` anywhere, the first half of each one's judgments is
    context and the rest is test."""
    by_name: dict[str, list[Judgment]] = {}
    for judgment in snapshot.judgments:
        by_name.setdefault(judgment.annotator, []).append(judgment)
    parted = any(judgment.part for judgment in snapshot.judgments)
    subjects = []
    for name, said in by_name.items():
        half = len(said) // 2
        context = [each for each in said if each.part == "context"] if parted else said[:half]
        test = [each for each in said if each.part == "test"] if parted else said[half:]
        decided = tuple(each for each in test if each.choice in ("a", "b"))
        if decided:
            subjects.append(Subject(name, tuple(context), decided))
    if not subjects:
        raise BadData("no annotator of the evaluation data has a decided test judgment")
    return subjects


def measure(
    model: RewardModel,
    subjects: Sequence[Subject],
    features: Mapping[str, Array],
    shots: Sequence[int | None] = DEFAULT_SHOTS,
) -> Report:
    """All figures of one fitted model: by shots and slice, time to adapt, and the checks by swapping and flipping."""
    took: list[float] = []
    by_shots = {}
    for n in shots:
        latents = [_timed(took, model.adapt, comparisons(model, each.context[:n], features)) for each in subjects]
        predictions = [
            predict(model, latent, each.test, features) for latent, each in zip(latents, subjects, strict=True)
        ]
        by_shots[ALL if n is None else str(n)] = {
            "slices": _slices(predictions, subjects),
            "coverage_90": interval_coverage(predictions, _outcomes(subjects), spread=model.person_spread),
            "flip_moved": flip_moved(model, subjects, features, n),
        }
    return {
        "shots": by_shots,
        "peak_rss_mb": peak_rss_mb(),
        "adapt_ms": {"p50": float(np.percentile(took, 50)), "p95": float(np.percentile(took, 95))},
        "flip_moved": flip_moved(model, subjects, features),
        "swap_symmetric": swap_gap(model, subjects, features) < 1e-5,
    }


def comparisons(
    model: RewardModel, judgments: Sequence[Judgment], features: Mapping[str, Array] | None = None
) -> list[Comparison]:
    """Judgments as what ``adapt`` takes."""
    items_a, items_b = (model.items([getattr(each, side) for each in judgments], features) for side in ("a", "b"))
    return [
        Comparison(item_a, item_b, each.choice, each.strength, each.swapped, each.weight, spoken_in(each))
        for item_a, item_b, each in zip(items_a, items_b, judgments, strict=True)
    ]


def predict(
    model: RewardModel, latent: Latent, judgments: Sequence[Judgment], features: Mapping[str, Array] | None = None
) -> Array:
    """P(a ≻ b) of each judgment's pair, (N,)."""
    items_a, items_b = (model.items([getattr(each, side) for each in judgments], features) for side in ("a", "b"))
    return model.probability(latent, items_a, items_b)


def flip_moved(
    model: RewardModel, subjects: Sequence[Subject], features: Mapping[str, Array], shots: int | None = None
) -> float:
    """The share of contested test pairs (of all, if none is marked so) whose prediction turns round when so many judgments of the context
    (None: all) say the opposite, without reasons, which spoke for what was said. A model that does not listen to its context gives 0."""
    turned: list[NDArray[np.bool_]] = []
    marked = any("contested" in each.slices for subject in subjects for each in subject.test)
    for subject in subjects:
        test = [each for each in subject.test if not marked or "contested" in each.slices]
        context = subject.context[:shots]
        opposite = [replace(each, choice=FLIPPED[each.choice], tags=(), rationale="") for each in context]
        if test and context:
            p, flipped = (
                predict(model, model.adapt(comparisons(model, said, features)), test, features)
                for said in (context, opposite)
            )
            turned.append((p > 0.5) != (flipped > 0.5))
    return float(np.concatenate(turned).mean()) if turned else 0.0


def swap_gap(model: RewardModel, subjects: Sequence[Subject], features: Mapping[str, Array]) -> float:
    """The largest |P(a ≻ b) + P(b ≻ a) − 1| over the test pairs, which should be rounding."""
    worst = 0.0
    for subject in subjects:
        latent = model.adapt(comparisons(model, subject.context[:SWAP_SHOTS], features))
        swapped = [replace(each, a=each.b, b=each.a) for each in subject.test]
        both = predict(model, latent, subject.test, features) + predict(model, latent, swapped, features)
        worst = max(worst, float(np.abs(both - 1).max()))
    return worst


def recovery(model: RewardModel, world: Simulation, shots: Sequence[int] = (0, 4, 8, 16)) -> dict[str, float]:
    """Correlation, within prompts, of recovered with true reward after so many judgments, averaged over the simulated
    annotators of ``world`` (who should not be those that the model was fitted on)."""
    ids = list(world.responses)
    items = model.items(ids)
    prompts = np.unique([world.responses[key].prompt for key in ids], return_inverse=True)[1]
    found: dict[str, list[float]] = {str(n): [] for n in shots}
    for name in world.people:
        said = [each for each in world.judgments if each.annotator == name]
        truth = _within(np.array([world.true_reward(name, key) for key in ids]), prompts)
        for n in shots:
            latent = model.adapt(comparisons(model, said[:n]))
            rewards = _within(model.score(latent, items).mean.astype(np.float64), prompts)
            found[str(n)].append(float(np.corrcoef(rewards, truth)[0, 1]) if rewards.std() > 0 else 0.0)
    return {n: float(np.mean(values)) for n, values in found.items()}


def table(report: Report) -> str:
    """The report as text: a line for each model and slice, macro accuracy in % with its standard error by shots."""
    lines = []
    for name, figures in report["models"].items():
        shots = list(figures["shots"])
        for part in dict.fromkeys(part for n in shots for part in figures["shots"][n]["slices"]):
            cells = [_cell(figures["shots"][n]["slices"].get(part)) for n in shots]
            lines.append([name, part, *cells])
        lines.append([name, "log-loss", *(f"{figures['shots'][n]['slices'][ALL]['log_loss']:.3f}" for n in shots)])
        lines.append([name, "ECE", *(f"{figures['shots'][n]['slices'][ALL]['ece']:.3f}" for n in shots)])
        covered = (figures["shots"][n]["coverage_90"] for n in shots)
        lines.append([name, "90 % interval", *("–" if each is None else f"{100 * each:.1f} %" for each in covered)])
        lines.append([name, "flips turn", *(f"{100 * figures['shots'][n]['flip_moved']:.1f} %" for n in shots)])
        header = ["model", "slice", *(f"{n} shots" if n != ALL else "all shots" for n in shots)]
    widths = [max(len(row[column]) for row in [header, *lines]) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *lines]
    )


def peak_rss_mb() -> float:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _cell(summary: Mapping[str, float] | None) -> str:
    return f"{100 * summary['macro']:.1f} ± {100 * summary['macro_se']:.1f}" if summary else "–"


def _check_apart(train: Snapshot, subjects: Sequence[Subject]) -> None:
    both = {each.annotator for each in train.judgments} & {subject.name for subject in subjects}
    if both:
        raise BadData(f"{len(both)} annotators are in both the training and the evaluation data, such as {min(both)!r}")


def _describe(
    train: Snapshot, subjects: Sequence[Subject], shots: Sequence[int | None], seeds: Sequence[int], encoder: str
) -> Report:
    return {
        "train_judgments": len(train.judgments),
        "train_annotators": len({each.annotator for each in train.judgments}),
        "train_responses": len(train.responses),
        "eval_annotators": len(subjects),
        "eval_test_judgments": sum(len(subject.test) for subject in subjects),
        "shots": [ALL if n is None else str(n) for n in shots],
        "seeds": list(seeds),
        "encoder": encoder,
    }


def _timed(took: list[float], adapt: Callable[[Sequence[Comparison]], Latent], context: Sequence[Comparison]) -> Latent:
    started = time.perf_counter()
    latent = adapt(context)
    took.append(1000 * (time.perf_counter() - started))
    return latent


def _outcomes(subjects: Sequence[Subject]) -> list[NDArray[np.int64]]:
    return [np.array([1 if each.choice == "a" else -1 for each in subject.test], np.int64) for subject in subjects]


def _slices(predictions: Sequence[Array], subjects: Sequence[Subject]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for subject in subjects for each in subject.test for name in each.slices)
    found: dict[str, Summary | None] = {}
    for name in [ALL, *sorted(names)]:
        inside = [np.array([name == ALL or name in each.slices for each in subject.test]) for subject in subjects]
        found[name] = summarise(
            [p[rows] for p, rows in zip(predictions, inside, strict=True)],
            [y[rows] for y, rows in zip(_outcomes(subjects), inside, strict=True)],
        )
    return {name: asdict(summary) for name, summary in found.items() if summary is not None}


def _combined(runs: Sequence[Report]) -> Report:
    """The mean over seeds. ``macro_se`` is over annotators (they are what the set is a sample of); ``seed_se`` over
    seeds."""
    first = runs[0]
    shots: Report = {}
    for n, figures in first["shots"].items():
        covered = [run["shots"][n]["coverage_90"] for run in runs]
        shots[n] = {
            "slices": {},
            "coverage_90": None if None in covered else float(np.mean(covered)),
            "flip_moved": float(np.mean([run["shots"][n]["flip_moved"] for run in runs])),
        }
        for name, summary in figures["slices"].items():
            of_seeds = [run["shots"][n]["slices"][name] for run in runs]
            mean = {key: float(np.mean([each[key] for each in of_seeds])) for key in summary}
            mean |= {key: summary[key] for key in ("n", "n_annotators")}
            shots[n]["slices"][name] = mean | {
                "seed_se": standard_error(np.array([each["macro"] for each in of_seeds]))
            }
    return {
        "shots": shots,
        "fit_seconds": float(np.mean([run["fit_seconds"] for run in runs])),
        "peak_rss_mb": max(run["peak_rss_mb"] for run in runs),
        "adapt_ms": {key: float(np.mean([run["adapt_ms"][key] for run in runs])) for key in ("p50", "p95")},
        "flip_moved": float(np.mean([run["flip_moved"] for run in runs])),
        "swap_symmetric": all(run["swap_symmetric"] for run in runs),
    }


def _within(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]
