"""What people say of *why* they prefer a response, as evidence of their taste beside the preference itself.

A judgment tells that ⟨w, y_a − y_b⟩ is above zero, and not which of the many ways in which two responses differ made it so. A reason
does: a tag ("tone") or words ("it tells me what to do"). What tags and words speak of is learnt from the community. Let ρ be a
judgment's tags and words with the sign of the side that they speak for, Δ = y_a − y_b, and ŵ what is inferred of its author. Two ridge
regressions say what a taste and a difference have in common where a reason is given, and what taste its givers have:

    E[½(ŵ Δᵀ + Δ ŵᵀ) | ρ] = A₀ ρ₀ + Σ ρ_i A_i,        E[ŵ | ρ] = c₀ + Σ |ρ_i| c_i

with ρ₀ the preference, whose part is left out as it is evidence already. The direction that a reason speaks of is then
d = Σ ρ_i A_i Δ + Σ |ρ_i| c_i, and the reason counts as a made-up judgment that ⟨w, d⟩ is above zero, with a weight that is chosen
on held-out annotators and is 0 where reasons do not help (``attune.rewards.rehearsal.choose_reasons``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.data import Judgment
from attune.errors import ArtifactError
from attune.rewards.base import Array
from attune.style_features import WORD

TAG = re.compile(r"([ab])([+-])(.+)", re.DOTALL)
SIDES: Mapping[str, float] = {"a": 1.0, "b": -1.0}
LEAST_PEOPLE = 5
"""Who must have given a tag or a word before it is learnt: so an artifact holds nobody's own words."""
MOST_WORDS = 400
MOST_READ = 60
"""Words of a reason that are read."""
LEAST_REASONS = 50
WIDTH = 16
"""Coordinates of y, the first of which matter most, in which reasons are read."""
RIDGE = 30.0
PULL = 1.0
"""The spread over people of the margin ⟨w, d⟩ of a typical reason, in logits."""


@dataclass(frozen=True, slots=True)
class Why:
    """How reasons are read: alike (P, R, R) and liked (P, R) are A and c above, both scaled; weight: of a reason, in
    judgments."""

    words: tuple[str, ...]
    alike: Array
    liked: Array
    weight: float = 0.0

    def directions(self, given: sparse.csr_array, items_a: Array, items_b: Array, first: int) -> Array:
        """d of N judgments, (N, R), from their tags and words (N, P) and items, whose coordinates y begin at column ``first``."""
        width = self.alike.shape[1]
        apart = items_a[:, first : first + width] - items_b[:, first : first + width]
        rows: Any = given  # scipy's and numpy's stubs do not know of each other's products
        spoken = (rows @ self.alike.reshape(len(self.words), -1)).reshape(-1, width, width)
        return np.asarray((spoken @ apart[..., None])[..., 0] + abs(rows) @ self.liked, np.float32)

    def read(self, reasons: Sequence[Mapping[str, float]]) -> sparse.csr_array:
        """``spoken`` reasons as rows of numbers, (N, P)."""
        return _matrix(reasons, self.words)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """With ``words``, what ``from_state`` reads back."""
        return {"why_alike": self.alike, "why_liked": self.liked, "why_weight": np.array([self.weight], np.float32)}

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[Any]], words: object) -> Why | None:
        """None where nothing was learnt of reasons. Raises ``ArtifactError`` where the parts do not fit together."""
        if "why_alike" not in tensors:
            return None
        listed = tuple(map(str, words)) if isinstance(words, list) else ()
        alike, liked = (np.asarray(tensors[name], np.float32) for name in ("why_alike", "why_liked"))
        if len(listed) != len(alike) or alike.shape[:2] != liked.shape:
            raise ArtifactError(f"the artifact has {len(listed)} words of reasons for {alike.shape} and {liked.shape}")
        return cls(listed, alike, liked, float(tensors["why_weight"][0]))


def spoken(choice: str, tags: Sequence[str], rationale: str) -> dict[str, float]:
    """Tags (as ``a+tone``) and words of a reason, each with 1 where it speaks for a and −1 for b. Words speak for what was chosen;
    together they count as a tag or two, however many."""
    found: dict[str, float] = {}
    for match in filter(None, map(TAG.fullmatch, tags)):
        side, sign, key = match.groups()
        found[f"#{key}"] = SIDES[side] * (1.0 if sign == "+" else -1.0)
    if rationale and choice in SIDES:
        words = list(dict.fromkeys(word.lower() for word in WORD.findall(rationale)))[:MOST_READ]
        found.update({word: SIDES[choice] / np.sqrt(len(words)) for word in words})
    return found


def spoken_in(judgment: Judgment) -> dict[str, float]:
    """``spoken`` of a judgment."""
    return spoken(judgment.choice, judgment.tags, judgment.rationale)


def reasons_of(
    said: Sequence[tuple[str, Mapping[str, float]]],
) -> tuple[tuple[str, ...], sparse.csr_array | None]:
    """The P tags and words that are common, and N judgments (each with its annotator) as rows of them, (N, P): with the sign of the
    side that each speaks for. No words and None where too few gave a reason."""
    people: dict[str, set[str]] = {}
    for annotator, reason in said:
        for word in reason:
            people.setdefault(word, set()).add(annotator)
    common = Counter({word: len(who) for word, who in people.items() if len(who) >= LEAST_PEOPLE})
    words = tuple(sorted(word for word, _ in common.most_common(MOST_WORDS)))
    given = _matrix([reason for _, reason in said], words)
    return (words, given) if len(with_reason(given)) >= LEAST_REASONS else ((), None)


def with_reason(given: sparse.csr_array) -> NDArray[np.int64]:
    """The rows that hold anything."""
    return np.flatnonzero(np.diff(given.indptr))


def learn_why(
    words: tuple[str, ...],
    given: sparse.csr_array,
    apart: Array,
    outcome: NDArray[np.int64],
    taste: NDArray[np.float64],
) -> Why:
    """A and c from N judgments that have reasons, given (N, P): apart (N, R), outcome (N,), and the author's taste (N, R)."""
    width, count = apart.shape[1], len(words)
    both = 0.5 * (taste[:, :, None] * apart[:, None, :] + apart[:, :, None] * taste[:, None, :])
    alike = ridge(given, np.asarray(outcome, np.float64), both.reshape(len(both), -1)).reshape(count, width, width)
    liked = ridge(abs(given), np.ones(len(taste)), taste)
    why = Why(words, alike.astype(np.float32), liked.astype(np.float32))
    items = np.asarray(apart, np.float32)
    told = why.directions(given, items, np.zeros_like(items), 0)
    spread = np.sqrt(np.mean(np.einsum("nr,rs,ns->n", told, np.cov(taste.T), told)))
    scale = PULL / max(float(spread), 1e-9)
    return replace(why, alike=why.alike * np.float32(scale), liked=why.liked * np.float32(scale))


def ridge(given: sparse.csr_array, always: NDArray[np.float64], target: NDArray[Any]) -> NDArray[np.float64]:
    """Ridge regression of the target (N, T) on ``given`` (N, P) beside ``always`` (N,), which is not shrunk and left out, (P, T)."""
    rows = sparse.hstack([given, sparse.csr_array(always[:, None])]).tocsr()
    gram = (rows.T @ rows).toarray() + np.diag([*[RIDGE] * given.shape[1], 1e-6])
    solved: NDArray[np.float64] = np.linalg.solve(gram, rows.T @ target)
    return solved[:-1]


def _matrix(reasons: Sequence[Mapping[str, float]], words: Sequence[str]) -> sparse.csr_array:
    column = {word: number for number, word in enumerate(words)}
    entries = [
        (row, column[word], value)
        for row, reason in enumerate(reasons)
        for word, value in reason.items()
        if word in column
    ]
    rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(reasons), len(words))
    return sparse.csr_array((np.array(values, np.float32), (np.array(rows, int), np.array(columns, int))), shape=shape)
