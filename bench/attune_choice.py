"""How many judgments an annotator must give until they are predicted well: pairs chosen by what they teach, against random ones.

**Simulated annotators** (starter project, true tastes known): others in the same world than those fitted on. Each is asked pair by pair
among all of the starter project's, answers as simulated, and the model adapts; the figure is the correlation of recovered with
true reward within prompts, averaged over annotators and worlds: by choices alone, with how much better the one is to them, with the reasons
that they give for some, and with both. Without strengths the model counts the community's as weights, as it did before it could grade them.

**Replay** (polis, train only): people that nothing was fitted on are asked in another order what they answered; the figure is
accuracy on their test judgments, averaged over people. All that they answered is the same set in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Choice, Snapshot, read_judgments
from attune.encoders import DEFAULT_ENCODER, encode_cached
from attune.evaluate import Subject, comparisons, predict, subjects_of
from attune.metrics import correct
from attune.rewards import create
from attune.rewards.base import Comparison, RewardModel
from attune.rewards.reasons import spoken
from attune.select import gain, margins_of_pairs
from attune.simulate import Simulation, load_starter, reason_for, simulate, strength_of

REAL = Path(__file__).parents[2] / "shared" / "data" / "polis" / "train.jsonl.gz"
ASKED = 48
POLICIES = ("random", "information")
MARKS = (4, 8, 16, 32, 48)
TRUE_STYLES = "true styles"
WORLDS = (0, *range(11, 26))
"""Worlds to report on; 1 to 3 served to develop. Of four of them alone the judgments saved are uncertain by 2 to 8 in a hundred."""
REPLAYED = 24
REPLAY_MARKS = (4, 8, 12, 16)
RANDOM_ORDERS = 4


@dataclass(frozen=True, slots=True)
class Says:
    """What annotators say beside their choice."""

    strengths: bool
    reasons: bool

    def __str__(self) -> str:
        said = [name for name in ("strengths", "reasons") if getattr(self, name)]
        return "".join(f" with {each}" for each in said)


SAYS = [Says(strengths, reasons) for strengths in (False, True) for reasons in (False, True)]


def run(quick: bool) -> dict[str, Any]:
    """Correlation by policy and number of judgments, and the judgments that chosen ones need where random need n."""
    people, worlds = (8, WORLDS[:1]) if quick else (24, WORLDS)
    with threadpool_limits(limits=1):
        figures = _simulated(TRUE_STYLES, worlds, people)
        if not quick:
            figures |= _simulated(DEFAULT_ENCODER, worlds, people)
        return figures | _replayed(quick)


def _simulated(encoder: str, worlds: Sequence[int], people: int) -> dict[str, Any]:
    kinds = [(policy, says) for says in SAYS for policy in POLICIES]
    curves: dict[tuple[str, Says], list[np.ndarray]] = {kind: [] for kind in kinds}
    for seed in worlds:
        world = simulate(load_starter(), seed=seed)
        if encoder == TRUE_STYLES:
            features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
        else:
            features = encode_cached(encoder, {key: (each.prompt, each.text) for key, each in world.responses.items()})
        models = {}
        for strengths in (False, True):
            models[strengths] = create("hybrid", strengths="learnt" if strengths else "weights")
            models[strengths].fit(Snapshot(world.responses, world.judgments), features, encoder=encoder)
        others = simulate(load_starter(), annotators=people, judgments=people, seed=seed + 99, quality=world.quality)
        for policy, says in kinds:
            curves[policy, says].append(_curve(models[says.strengths], others, policy, says))
    figures: dict[str, Any] = {
        f"{encoder}: {policy}{says}, after {n}": round(float(np.mean(of_worlds, axis=0)[n]), 3)
        for (policy, says), of_worlds in curves.items()
        for n in MARKS
    }
    for n in (8, 16, 32, 48):
        for says in SAYS:
            worth = _worth_of_worlds(curves["information", says], curves["random", says], n)
            figures[f"{encoder}: chosen{says} that are worth {n} random{says}"] = worth
            if says != SAYS[0]:
                worth = _worth_of_worlds(curves["random", says], curves["random", SAYS[0]], n)
                figures[f"{encoder}: random{says} that are worth {n} of choices alone"] = worth
    return figures


def _worth_of_worlds(of_worlds: Sequence[np.ndarray], others: Sequence[np.ndarray], n: int) -> list[float] | None:
    """``_worth`` of the mean over worlds, then the standard error of where the line is, each world left out in turn (jackknife)."""
    all_of_them = _worth(np.mean(of_worlds, axis=0), float(np.mean(others, axis=0)[n]))
    count = len(of_worlds)
    if all_of_them is None or count < 2:
        return all_of_them
    rest = [np.arange(count) != left for left in range(count)]
    found = [
        _worth(np.array(of_worlds)[rows].mean(axis=0), float(np.array(others)[rows].mean(axis=0)[n])) for rows in rest
    ]
    at = np.array([np.nan if each is None else each[1] for each in found])
    return [*all_of_them, round(float(np.sqrt((count - 1) * at.var())), 1)]


def _worth(curve: np.ndarray, reached: float) -> list[float] | None:
    """The first number of judgments at which a curve is as high, and where a line between it and the one before is."""
    first = np.flatnonzero(curve >= reached)
    if not len(first):
        return None
    at = int(first[0])
    between = (curve[at] - reached) / (curve[at] - curve[at - 1]) if at else 0.0
    return [at, round(float(at - between), 2)]


def _replayed(quick: bool) -> dict[str, Any]:
    if not REAL.exists():
        return {"replay skipped": f"the real judgments are not there: {REAL}"}
    snapshot = read_judgments(REAL)
    people = sorted({each.annotator for each in snapshot.judgments})
    out = {people[index] for index in np.random.default_rng(0).permutation(len(people))[: len(people) // 3]}
    encoder = "style" if quick else DEFAULT_ENCODER
    features = encode_cached(encoder, {key: (each.prompt, each.text) for key, each in snapshot.responses.items()})
    model = create("hybrid", **({"rounds": 2, "last_rounds": 1} if quick else {}))
    fitted_on = replace(snapshot, judgments=[each for each in snapshot.judgments if each.annotator not in out])
    model.fit(fitted_on, features, encoder=encoder)
    rest = replace(snapshot, judgments=[each for each in snapshot.judgments if each.annotator in out])
    subjects = [each for each in subjects_of(rest) if len(each.context) >= REPLAYED and len(each.test) >= 4]
    curves = {policy: _replay(model, subjects[: 20 if quick else None], policy) for policy in POLICIES}
    figures: dict[str, Any] = {"replay: people": len(subjects)}
    figures |= {
        f"replay: {policy}, accuracy after {n}": round(float(curve[n]), 4)
        for policy, curve in curves.items()
        for n in (0, *REPLAY_MARKS, REPLAYED)
    }
    for n in REPLAY_MARKS:
        figures[f"replay: chosen that are worth {n} random"] = _worth(curves["information"], curves["random"][n])
    return figures


def _replay(model: RewardModel, subjects: Sequence[Subject], policy: str) -> np.ndarray:
    """Mean accuracy after 0 … REPLAYED of the context, (REPLAYED + 1,); random orders are averaged over."""
    orders = RANDOM_ORDERS if policy == "random" else 1
    found = np.zeros(REPLAYED + 1)
    for number, subject in enumerate(subjects):
        for order in range(orders):
            rng = np.random.default_rng([number, order])
            found += _asked_again(model, subject, policy, rng) / (len(subjects) * orders)
    return found


def _asked_again(model: RewardModel, subject: Subject, policy: str, rng: np.random.Generator) -> np.ndarray:
    said = comparisons(model, subject.context)
    outcome = np.array([1 if each.choice == "a" else -1 for each in subject.test])
    left, context, found = list(rng.permutation(len(said))), [], np.zeros(REPLAYED + 1)
    for step in range(REPLAYED + 1):
        latent = model.adapt(context)
        found[step] = correct(predict(model, latent, subject.test), outcome).mean()
        if step < REPLAYED:
            place = 0
            if policy == "information":
                sides = [np.stack([getattr(said[row], side) for row in left]) for side in ("item_a", "item_b")]
                place = int(np.argmax(gain(*model.margin(latent, *sides))))
            context.append(said[left.pop(place)])
    return found


def _curve(model: RewardModel, world: Simulation, policy: str, says: Says) -> np.ndarray:
    """Mean correlation after 0 … ASKED judgments, (ASKED + 1,)."""
    ids = list(world.responses)
    items = model.items(ids)
    prompts = np.unique([world.responses[key].prompt for key in ids], return_inverse=True)[1]
    pairs = np.array(
        [pair for prompt in range(prompts.max() + 1) for pair in combinations(np.flatnonzero(prompts == prompt), 2)]
    )
    found = np.zeros(ASKED + 1)
    for number, name in enumerate(world.people):
        rng = np.random.default_rng(1000 + number)
        why = np.random.default_rng(5000 + number) if says.reasons else None
        felt = np.random.default_rng(9000 + number) if says.strengths else None
        truth = np.array([world.true_reward(name, key) for key in ids])
        left = np.ones(len(pairs), bool)
        context: list[Comparison] = []
        for step in range(ASKED + 1):
            latent = model.adapt(context)
            found[step] += correlation(model.score(latent, items).mean, truth, prompts) / len(world.people)
            rows = np.flatnonzero(left)
            if policy == "random":
                row = int(rng.choice(rows))
            else:
                row = int(rows[np.argmax(gain(*margins_of_pairs(latent, items, *pairs[rows].T)))])
            left[row] = False
            context.append(answered(world, name, items, pairs[row], truth, rng, why, felt))
    return found


def answered(
    world: Simulation,
    name: str,
    items: np.ndarray,
    pair: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    why: np.random.Generator | None = None,
    felt: np.random.Generator | None = None,
) -> Comparison:
    """As ``attune.simulate`` answers, without the pull of the side; with ``why`` also with its reasons, with ``felt`` with strengths."""
    person = world.people[name]
    a, b = int(pair[0]), int(pair[1])
    margin = (truth[a] - truth[b]) / person.temperature
    odds = np.array([np.exp(margin / 2), np.exp(-margin / 2), person.tie])
    choice: Choice = ("a", "b", "tie")[int(rng.choice(3, p=odds / odds.sum()))]
    strength = None if felt is None or choice == "tie" else strength_of(margin if choice == "a" else -margin, felt)
    if why is None or choice == "tie":
        return Comparison(items[a], items[b], choice, strength)
    ids = list(world.responses)
    tags, rationale = reason_for(world, person, ids[a], ids[b], choice, why)
    return Comparison(items[a], items[b], choice, strength, reason=spoken(choice, tags, rationale))


def correlation(rewards: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> float:
    def within(values: np.ndarray) -> np.ndarray:
        return values - (np.bincount(groups, values) / np.bincount(groups))[groups]

    one, other = within(rewards.astype(np.float64)), within(truth)
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 else 0.0
