"""What a judgment is evidence of: which of two responses is better, or what the person accepts and what they do not.

Some pairs are made of verdicts: the person accepted one response and rejected the other (votes on statements, thumbs up and
down). Then a judgment says two things, each worth more than their difference, and a response in several pairs is told of
once and not each time. Such data gives itself away: the same person never has a response on both sides.

A verdict on x is a comparison of x with a *threshold* that all responses to a prompt share: one more row, number N + prompt.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attune.rewards.indexing import Comparisons, Ints

LEAST_REPEATED = 100
"""Responses that one person judged more than once, below which nothing can be said: then judgments are comparisons."""
MOST_MIXED = 0.01


def are_verdicts(comparisons: Comparisons, responses: int) -> bool:
    """Whether hardly anybody ever preferred a response in one pair and another one to it in the next."""
    decided = comparisons.outcome != 0
    chosen, other = chosen_and_other(comparisons.a[decided], comparisons.b[decided], comparisons.outcome[decided])
    annotator = comparisons.annotator[decided]
    keys, where = np.unique(
        np.concatenate([annotator, annotator]) * responses + np.concatenate([chosen, other]), return_inverse=True
    )
    won = np.bincount(where[: len(chosen)], minlength=len(keys))
    lost = np.bincount(where[len(chosen) :], minlength=len(keys))
    repeated = won + lost > 1
    mixed = (won > 0) & (lost > 0)
    return bool(repeated.sum() >= LEAST_REPEATED and mixed.sum() <= MOST_MIXED * repeated.sum())


def as_verdicts(comparisons: Comparisons, groups: Ints) -> Comparisons:
    """Each annotator's verdict on each response, once, as comparisons with the threshold of its prompt.

    groups (N,): the prompt of each response. Ties say nothing here and are left out, and margins and
    strengths between two responses say nothing of one.
    """
    decided = comparisons.take(comparisons.outcome != 0)
    chosen, other = chosen_and_other(decided.a, decided.b, decided.outcome)
    response = np.concatenate([chosen, other])
    outcome = np.repeat([1, -1], len(chosen))
    annotator = np.concatenate([decided.annotator, decided.annotator])
    first = np.unique((annotator * len(groups) + response) * 2 + (outcome > 0), return_index=True)[1]
    twice = decided.take(np.concatenate([np.arange(len(chosen))] * 2)[first])
    return replace(
        twice,
        annotator=annotator[first],
        a=response[first],
        b=len(groups) + groups[response[first]],
        outcome=outcome[first].astype(np.int64),
        side=np.zeros(len(first), np.float32),
        lead=None,
        strength=None,
    )


def chosen_and_other(a: Ints, b: Ints, outcome: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """The preferred response and the other one of decided judgments, (N,) each."""
    return np.where(outcome > 0, a, b), np.where(outcome > 0, b, a)
