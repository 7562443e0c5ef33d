"""Which of a round's candidates become pairs, and what the round measured before anybody has judged them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from attune.policies.pairing import NASH, PAIRINGS, distinct, win_share
from attune.quality.intervals import mean_interval
from personalization.models import PolicyRound, RoundCandidate, RoundPair
from personalization.rounds.rewarding import Verdict


def pair_candidates(
    row: PolicyRound, candidates: Sequence[RoundCandidate], verdict: Verdict | None = None
) -> list[RoundPair]:
    """Pairs of the policy's own responses by the round's method, then of one of its own with one of the opponent's.

    Those that were cut off or say nothing are left out; equal texts are never paired. The same round gives the same pairs.
    """
    pairs: list[RoundPair] = []
    for prompt_id, all_of_prompt in _by_prompt(candidates).items():
        rng = np.random.default_rng([row.seed, prompt_id])
        usable = [each for each in all_of_prompt if each.finished]
        usable = [usable[place] for place in distinct([each.text for each in usable])]
        mine = [each for each in usable if each.mine]
        values = [each.win if row.method == NASH else each.reward for each in mine]
        rewards = None if None in values else np.array(values, np.float32)
        if row.pairs_each and len(mine) > 1:
            places = PAIRINGS[row.method](rewards, len(mine), row.pairs_each, rng, row.beta)
            pairs += [RoundPair(round=row, one=mine[a], other=mine[b]) for a, b in places]
        theirs = [each for each in usable if not each.mine]
        couples = zip(rng.permutation(len(mine)), rng.permutation(len(theirs)), strict=False)
        drawn = [RoundPair(round=row, one=mine[a], other=theirs[b], versus=True) for a, b in couples]
        pairs += drawn[: row.versus_each]
    for each in pairs:
        each.chance = verdict.chance(each.one, each.other) if verdict else None
    return pairs


def measured(
    row: PolicyRound,
    candidates: Sequence[RoundCandidate],
    pairs: Sequence[RoundPair],
    *,
    verdict: Verdict,
    too_long: int,
) -> dict[str, Any]:
    """Counts, mean rewards and lengths, and the share of couples that the policy wins against its opponent by reward."""
    mine, theirs = ([each for each in candidates if each.mine == own] for own in (True, False))
    found: dict[str, Any] = {
        "prompts": len(row.prompts),
        "too_long": too_long,
        "candidates": len(mine),
        "cut_off": sum(not each.finished for each in mine),
        "empty": sum(not each.text.strip() for each in mine),
        "pairs": sum(not each.versus for each in pairs),
        "versus": sum(each.versus for each in pairs),
        "model": verdict.served.label if verdict.served else None,
    }
    for name, those in (("", mine), ("opponent_", theirs)):
        if those:
            found[f"{name}length"] = fmean(len(each.text.split()) for each in those)
        if rewards := [each.reward for each in those if each.reward is not None]:
            found[f"{name}reward"] = fmean(rewards)
    return found | _wins(candidates) | _beats(candidates, verdict)


def _beats(candidates: Sequence[RoundCandidate], verdict: Verdict) -> dict[str, float]:
    """P(the policy's ≻ the opponent's) by the preference model, over all couples of a prompt."""
    means = []
    for those in _by_prompt(candidates).values():
        theirs = [each for each in those if not each.mine]
        asked = [verdict.chance(one, other) for one in those if one.mine for other in theirs]
        if known := [chance for chance in asked if chance is not None]:
            means.append(fmean(known))
    return _over_prompts("beats", means)


def _wins(candidates: Sequence[RoundCandidate]) -> dict[str, float]:
    """The policy's couples won by reward."""
    shares = []
    for those in _by_prompt(candidates).values():
        mine, theirs = (
            np.array([each.reward for each in those if each.mine == own and each.reward is not None], np.float32)
            for own in (True, False)
        )
        if len(mine) and len(theirs):
            shares.append(win_share(mine, theirs))
    return _over_prompts("win", shares)


def _over_prompts(name: str, shares: Sequence[float]) -> dict[str, float]:
    """The mean with a 95 % interval over prompts."""
    interval = mean_interval(np.array(shares, np.float64))
    if interval is None:
        return {}
    low, high = max(0.0, interval.low), min(1.0, interval.high)
    return {name: interval.estimate, f"{name}_low": low, f"{name}_high": high}


def _by_prompt(candidates: Sequence[RoundCandidate]) -> Mapping[int, list[RoundCandidate]]:
    found: dict[int, list[RoundCandidate]] = defaultdict(list)
    for each in candidates:
        found[each.prompt.pk].append(each)
    return found
