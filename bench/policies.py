"""Policies of simulated annotators on the tiny model: `python -m bench.policies people|strengths|foretold|rationales|profiles|noise|maxmin|ceiling [--seeds 1 2 3]`.

What each study fits is a list of cells. A cell's result is kept in a file under `var/bench/policies/`, named by all that it hangs
on, the trainer's code and the base's weights included, so that a run that was broken off goes on where it was and no study fits
what another one has fitted. Progress goes to standard error and tables with standard errors to standard output.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from attune.policies.settings import PolicySettings
from bench import policy_world as world
from bench.policy_cells import EPOCHS, FORETOLD, GRADED, PAIRS, SETTINGS, Cell, Texts, outcome
from bench.policy_world import EVERYBODY, OTHERS, PEOPLE, Figure

KEPT = Path(__file__).parent.parent / "var" / "bench" / "policies"
SEEDS = (1, 2, 3)
TOLD = replace(FORETOLD, rationales="told")


def people(kept: Path, seeds: Sequence[int], names: Sequence[str] = tuple(PEOPLE)) -> None:
    """One policy a person, as the page proposes it, and one for all the reported ones together, once through."""
    rows = []
    for name in names:
        right: list[int] = []
        found: dict[str, list[Any]] = {"base": [], "pooled": [], "cpu": [], "peak": []}
        before, after = Texts(), Texts()
        for seed in seeds:
            own = outcome(proposed(name, seed), kept)
            base = outcome(Cell({}, seed), kept).said
            pooled = outcome(Cell(dict.fromkeys(PEOPLE, PAIRS), seed, replace(FORETOLD, epochs=1)), kept).said
            right += own.right[name]
            before, after = before + base, after + own.said
            found["base"] += world.wins(EVERYBODY[name], own.said, base)
            found["pooled"] += world.wins(EVERYBODY[name], own.said, pooled)
            found["cpu"].append(own.cpu_s)
            found["peak"].append(own.peak_mb)
        traits = world.moved(EVERYBODY[name], before, after)
        rows.append(
            (
                name,
                Figure.of(right).percent(),
                ", ".join(f"{axis} {each.percent()}" for axis, each in traits.items()),
                Figure.of(found["base"]).percent(),
                Figure.of(found["pooled"]).percent(),
                f"{max(found['cpu']):.0f}",
                f"{max(found['peak']):,}",
            )
        )
    _table(("simulated annotator", "held-out pairs", "moved", "over base", "over pooled", "CPU s", "peak MB"), rows)


def proposed(name: str, seed: int, pairs: int = PAIRS, settings: PolicySettings = FORETOLD) -> Cell:
    """A person's policy as the page proposes it, in a project of all who are reported, or of all with whom settings are chosen."""
    people = PEOPLE if name in PEOPLE else OTHERS
    return Cell({name: pairs}, seed, settings, among=tuple(each for each in people if each != name))


def foretold(kept: Path, seeds: Sequence[int], names: Sequence[str] = tuple(PEOPLE)) -> None:
    """The same judgments with pairs beside them that a reward model foretells, and without."""
    arms = {"foretold": proposed, **_cells({"judged": (PAIRS, GRADED)})}
    _compared("learnt", kept, [(name, seed) for name in names for seed in seeds], arms, (("foretold", "judged"),))


def rationales(
    kept: Path, seeds: Sequence[int], names: Sequence[str] = ("short and casual", "careful and warm")
) -> None:
    """Half the judgments with reasons told, beside half of them and all of them without: as the page proposes it, then by plain `dpo`."""
    half = PAIRS // 2
    places = [(name, seed) for name in names for seed in seeds]
    differences = (("half, told", "all without"), ("half, told", "half without"))
    by_page = {
        "half, told": lambda name, seed: proposed(name, seed, half, TOLD),
        "half without": lambda name, seed: proposed(name, seed, half),
        "all without": proposed,
    }
    by_dpo = {
        "half, told": (half, replace(SETTINGS, rationales="told")),
        "half without": (half, SETTINGS),
        "all without": (PAIRS, SETTINGS),
    }
    for arms in (by_page, _cells(by_dpo)):
        _compared("rationales", kept, places, arms, differences)


def profiles(kept: Path, seeds: Sequence[int], names: Sequence[str] = tuple(PEOPLE)) -> None:
    """All judgments, without reasons: what they say of the annotator told in words, beside not."""
    arms = {"told": (PAIRS, replace(GRADED, profiles="told", told=0.5)), "not told": (PAIRS, GRADED)}
    places = [(name, seed) for name in names for seed in seeds]
    _compared("profile", kept, places, _cells(arms), (("told", "not told"),))


def _cells(arms: Mapping[str, tuple[int, PolicySettings]]) -> dict[str, Callable[[str, int], Cell]]:
    """Of each arm, so many judgments of a person learnt in that way."""
    return {
        arm: lambda name, seed, count=count, settings=settings: Cell({name: count}, seed, settings)  # type: ignore[misc]
        for arm, (count, settings) in arms.items()
    }


def noise(kept: Path, seeds: Sequence[int], names: Sequence[str] = ("short and casual",)) -> None:
    """30 % of labels flipped: DPO beside rDPO that is told of it."""
    told = {"dpo": SETTINGS.options, "rdpo": {**SETTINGS.options, "noise": 0.3}}
    _compared(
        "noise",
        kept,
        [(name, seed) for name in names for seed in seeds],
        {
            method: lambda name, seed, method=method, options=options: Cell(
                {name: PAIRS}, seed, replace(SETTINGS, method=method, options=options), flips=0.3, wavers=False
            )
            for method, options in told.items()
        },
        (("rdpo", "dpo"),),
    )


def _compared(
    kind: str,
    kept: Path,
    places: Sequence[tuple[str, int]],
    arms: Mapping[str, Any],
    differences: Sequence[tuple[str, str]],
) -> None:
    """Each arm at each (person, seed): held-out pairs and wins over the base, then differences of arms, pair by pair."""
    results: dict[tuple[str, str, int], tuple[list[int], list[float]]] = {}
    rows = []
    for arm, cell_of in arms.items():
        for name, seed in places:
            base = outcome(Cell({}, seed), kept).said
            done = outcome(cell_of(name, seed), kept)
            won = world.wins(EVERYBODY[name], done.said, base)
            results[arm, name, seed] = list(done.right[name]), won
            rows.append((name, str(seed), arm, Figure.of(done.right[name]).percent(), Figure.of(won).percent()))
    _table(("simulated annotator", "seed", kind, "held-out pairs", "over base"), rows)
    rows = []
    for one, other in differences:
        for place, measure in enumerate(("held-out pairs", "over base")):
            each = [fmean(results[one, *where][place]) - fmean(results[other, *where][place]) for where in places]
            within = [
                a - b
                for where in places
                for a, b in zip(results[one, *where][place], results[other, *where][place], strict=True)
            ]
            rows.append((f"{one} − {other}", measure, Figure.of(within).percent(), _over_fits(each)))
    _table(("difference", "of", "mean, error over pairs", "mean, error over fits; higher in"), rows)


def _over_fits(each: Sequence[float]) -> str:
    error = f"{100 * stdev(each) / sqrt(len(each)):.1f}" if len(each) > 1 else "?"
    return f"{100 * fmean(each):.1f} ± {error}; {sum(one > 0 for one in each)} of {len(each)}"


def maxmin(kept: Path, seeds: Sequence[int], names: Sequence[str] = ("short and casual", "careful and warm")) -> None:
    """A group of three quarters and one of a quarter with another taste: the worse-served one's win rate over the base."""
    counts = dict(zip(names, (150, 50), strict=True))
    rows, gains = [], []
    for seed in seeds:
        base = outcome(Cell({}, seed), kept).said
        worst = {}
        for step in (0.0, 0.5):
            done = outcome(Cell(counts, seed, replace(SETTINGS, maxmin=step), grouped=True), kept)
            rates = {name: Figure.of(world.wins(EVERYBODY[name], done.said, base)) for name in names}
            right = [Figure.of(done.right[name]).percent() for name in names]
            worst[step] = min(each.mean for each in rates.values())
            rows.append((str(seed), str(step), *(rates[name].percent() for name in names), *right))
        gains.append(worst[0.5] - worst[0.0])
    large, small = names
    _table(("seed", "step", f"{large} over base", f"{small} over base", f"{large}: pairs", f"{small}: pairs"), rows)
    _table(("difference", "mean, error over fits; higher in"), [("worst group's wins", _over_fits(gains))])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [head, ["---"] * len(head), *rows]
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n")
    sys.stdout.flush()


def ceiling(kept: Path, seeds: Sequence[int], names: Sequence[str] = tuple(PEOPLE)) -> None:  # noqa: ARG001 (nothing is fitted)
    """What held-out pairs allow to whoever sees the texts only."""
    from bench.policy_ceiling import table

    head = ("simulated annotator", "ceiling", "200 judgments, a sentence", "200 judgments, summed")
    _table(head, table(names))


def strengths(kept: Path, seeds: Sequence[int], names: Sequence[str] = tuple(PEOPLE)) -> None:
    """The same judgments with strengths read as soft labels, and left aside."""
    places = [(name, seed) for name in names for seed in seeds]
    arms = {"soft": (PAIRS, GRADED), "dpo": (PAIRS, SETTINGS)}
    _compared("strengths", kept, places, _cells(arms), (("soft", "dpo"),))


STUDIES = {
    "foretold": foretold,
    "strengths": strengths,
    "people": people,
    "rationales": rationales,
    "profiles": profiles,
    "noise": noise,
    "maxmin": maxmin,
    "ceiling": ceiling,
}


def run(quick: bool) -> dict[str, Any]:
    """Seconds for 200 pairs three times through beside TRL's DPOTrainer on the same pairs, model and adapter; and what one person's
    policy reached. The studies are run by their names."""
    from bench.policy_trl import trl_seconds

    torch.set_num_threads(1)
    name, pairs = "short and casual", 24 if quick else PAIRS
    with tempfile.TemporaryDirectory(prefix="bench-policies-") as folder:
        kept = Path(folder)
        done = outcome(Cell({name: pairs}, SEEDS[0]), kept)
        base = outcome(Cell({}, SEEDS[0]), kept).said
    snapshot = world.judged({name: pairs}, world.learnt_topics(), SEEDS[0])
    baseline = trl_seconds(snapshot, SETTINGS)
    return {
        "pairs": pairs,
        "epochs": EPOCHS,
        "seconds": done.wall_s,
        "CPU seconds": done.cpu_s,
        "peak_mb": done.peak_mb,
        "baseline_trl_seconds": round(baseline, 1),
        "speed_over_trl": round(baseline / done.wall_s, 2),
        "held-out pairs": Figure.of(done.right[name]).percent(),
        "wins over base": Figure.of(world.wins(EVERYBODY[name], done.said, base)).percent(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--names", nargs="+", choices=EVERYBODY, help="other simulated annotators than the study's own")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where results of cells are kept")
    told = parser.parse_args()
    torch.set_num_threads(1)
    STUDIES[told.study](told.kept, told.seeds, *([told.names] if told.names else []))


if __name__ == "__main__":
    main()
