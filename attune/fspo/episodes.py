"""Episodes to learn from: some judgments of one annotator, as they would stand in a prompt. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.fspo.reading import OPENING
from attune.fspo.tokens import Text, pieces
from attune.rewards.indexing import Comparisons, Ints


@dataclass(frozen=True, slots=True)
class Pair:
    """A judgment in tokens; both texts answer one prompt."""

    preferred: Text
    other: Text


@dataclass(frozen=True, slots=True)
class Episode:
    """Judgments of one annotator in the order of the prompt, and which of them are predicted, each from those before it."""

    pairs: tuple[Pair, ...]
    targets: tuple[int, ...]


def draw_episodes(
    said: Comparisons, texts: Sequence[Text], shots: int, targets: int, rng: np.random.Generator
) -> Iterator[Episode]:
    """Random annotators with random judgments of theirs, without end; whoever decided something."""
    decided = np.flatnonzero(said.outcome != 0)
    by_annotator = [decided[said.annotator[decided] == who] for who in np.unique(said.annotator[decided])]
    while True:
        rows: Ints = by_annotator[rng.integers(len(by_annotator))]
        drawn = rng.permutation(rows)[: shots + 1]
        drawn = drawn[_fits(drawn, said, texts)]
        pairs = []
        for row in drawn:
            a, b = texts[said.a[row]], texts[said.b[row]]
            pairs.append(Pair(a, b) if said.outcome[row] > 0 else Pair(b, a))
        asked = sorted(rng.permutation(len(pairs))[:targets].tolist())
        yield Episode(tuple(pairs), tuple(asked))


def _fits(drawn: Ints, said: Comparisons, texts: Sequence[Text]) -> NDArray[np.bool_]:
    """Which of the drawn judgments fit into one opening, (N,): the first ones, and the first of all in any case."""
    lengths = [len(pieces().shot(texts[said.a[row]], texts[said.b[row]])) for row in drawn]
    fits = np.cumsum(lengths) <= OPENING
    fits[0] = True
    return np.asarray(fits)
