"""A reader in words: "likes answers that are very concise and casual". Given, drawn with a simulated annotator, of the bars of
somebody's traits, or read off judgments. No torch.

The words are those of ``style_features.TRAITS`` wherever they come from, so that a language model that has learnt to read them from some
people reads those of others, too, and somebody who corrects a trait is described anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attune.logistic import Choices, Gaussian, person
from attune.quality.intervals import share_interval
from attune.rewards.traits import EIGHTY_PERCENT
from attune.style_features import TRAITS, poles_of, style_vector, trait_weights

Describe = Literal["off", "given", "written"]
"""Whether a prompt says in words whom it is for: not, as is known of them, or as the language model writes it after their judgments."""

MILD, STRONG = 0.25, 0.8
"""Leanings between −1 and 1 (±1 is a strong taste): below the first one nothing is said, from the second one "very"."""
NOTHING_MARKED = "likes answers of no marked style"
SURE = 3.0
SAME = 1e-3
"""Two texts that lie nearer in a trait say nothing of it."""


def in_words(leanings: Mapping[str, float]) -> str:
    """A reader by their leanings (−1 the first pole of a trait, +1 the second), the strongest first."""
    said = []
    for name, value in sorted(leanings.items(), key=lambda each: -abs(each[1])):
        if abs(value) >= MILD:
            pole = poles_of(name)[value > 0]
            said.append(f"very {pole}" if abs(value) >= STRONG else pole)
    if not said:
        return NOTHING_MARKED
    *most, last = said
    return "likes answers that are " + " and ".join(filter(None, [", ".join(most), last]))


def known_leanings(bars: Iterable[tuple[str, float, float, float]]) -> dict[str, float]:
    """Of (trait, estimate, low, high), as models tell them: the traits whose interval leaves out what everybody likes."""
    return {name: estimate for name, estimate, low, high in bars if low > 0 or high < 0}


@lru_cache(maxsize=8_192)
def trait_values(text: str) -> NDArray[np.float32]:
    """How far a text lies towards the second pole of each trait, (T,), on a scale of its own."""
    return np.asarray(trait_weights() @ style_vector(text), np.float32)


def leanings_of(differences: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Of judgments, as the preferred text's trait values less the other's, (T,) each.

    A trait's leaning is 2p − 1, p being the share of judgments in which the preferred text has more of it, where the 80 % interval
    of p (Wilson 1927) leaves ½ out; of fewer than two judgments nothing is said.
    """
    found = {}
    for name, column in zip(TRAITS, np.array(differences, np.float32).reshape(-1, len(TRAITS)).T, strict=True):
        told = column[np.abs(column) > SAME]
        share = share_interval(float((told > 0).sum()), len(told), EIGHTY_PERCENT)
        if share and (share.low > 0.5 or share.high < 0.5):
            found[name] = 2 * share.estimate - 1
    return found


def described(pairs: Sequence[tuple[str, str]]) -> str:
    """A reader by judgments, (preferred, other) texts; empty where there are none."""
    if not pairs:
        return ""
    return in_words(leanings_of([trait_values(one) - trait_values(other) for one, other in pairs]))


def known_in_words(pairs: Sequence[tuple[str, str]]) -> str:
    """A reader by many judgments, (preferred, other) texts; empty where they do not tell.

    A logistic regression on all traits at once, so that one is not taken for another it goes along with; told are those whose weight is
    ``SURE`` standard deviations of its posterior from nothing, the heaviest as a strong leaning and the others in proportion.
    """
    if not pairs:
        return ""
    differences = np.array([trait_values(one) - trait_values(other) for one, other in pairs], np.float64)
    spread = np.maximum(np.sqrt((differences**2).mean(0)), SAME)
    choices = Choices(differences / spread, np.ones(len(pairs)), np.ones(len(pairs)))
    found = person(choices, Gaussian(np.zeros(len(TRAITS)), np.eye(len(TRAITS))))
    sure = np.abs(found.mean) > SURE * np.sqrt(np.diag(found.cov))
    heaviest = np.abs(found.mean[sure]).max(initial=0.0)
    told = {
        name: float(weight / heaviest)
        for name, weight, is_sure in zip(TRAITS, found.mean, sure, strict=True)
        if is_sure
    }
    return in_words(told) if told else ""


def descriptions_in(about: Mapping[str, object]) -> dict[str, str]:
    """Descriptions by annotator that a snapshot brings (``about["descriptions"]``); none where it brings none."""
    given = about.get("descriptions")
    if not isinstance(given, Mapping):
        return {}
    return {str(name): str(text).strip() for name, text in given.items() if str(text).strip()}
