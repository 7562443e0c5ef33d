"""Episodes to learn from: some judgments of one annotator, as they would stand in a prompt. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.fspo.describing import in_words, leanings_of, trait_values
from attune.fspo.reading import OPENING, READER_TOKENS
from attune.fspo.tokens import Text, pieces, words_of
from attune.rewards.indexing import Comparisons, Ints


@dataclass(frozen=True, slots=True)
class Pair:
    """A judgment in tokens; both texts answer one prompt."""

    preferred: Text
    other: Text


@dataclass(frozen=True, slots=True)
class Episode:
    """Judgments of one annotator in the order of the prompt, and which of them are predicted, each from those before it.

    ``descriptions`` say in words what is known of the annotator before each target; empty: nothing is, or nothing is said.
    """

    pairs: tuple[Pair, ...]
    targets: tuple[int, ...]
    descriptions: tuple[str, ...] = ()


class Describing:
    """Descriptions for episodes: those given by annotator (their number), else what the shots before a target tell."""

    def __init__(self, texts: Sequence[Text], given: Mapping[int, str]) -> None:
        self.given = given
        self._values = np.stack([trait_values(words_of(each.said)) for each in texts])

    def before(self, annotator: int, preferred: Sequence[int], other: Sequence[int]) -> str:
        """Of somebody who preferred these texts (rows) to those."""
        if known := self.given.get(annotator):
            return known
        rows = [self._values[one] - self._values[two] for one, two in zip(preferred, other, strict=True)]
        return in_words(leanings_of(rows)) if rows else ""


def draw_episodes(
    said: Comparisons,
    texts: Sequence[Text],
    shots: int,
    targets: int,
    rng: np.random.Generator,
    describing: Describing | None = None,
) -> Iterator[Episode]:
    """Random annotators with random judgments of theirs, without end; whoever decided something."""
    decided = np.flatnonzero(said.outcome != 0)
    by_annotator = [decided[said.annotator[decided] == who] for who in np.unique(said.annotator[decided])]
    while True:
        rows: Ints = by_annotator[rng.integers(len(by_annotator))]
        drawn = rng.permutation(rows)[: shots + 1]
        drawn = drawn[_fits(drawn, said, texts, OPENING - READER_TOKENS if describing else OPENING)]
        won = said.outcome[drawn] > 0
        preferred, other = np.where(won, said.a[drawn], said.b[drawn]), np.where(won, said.b[drawn], said.a[drawn])
        pairs = [Pair(texts[one], texts[two]) for one, two in zip(preferred, other, strict=True)]
        asked = sorted(rng.permutation(len(pairs))[:targets].tolist())
        who = int(said.annotator[rows[0]])
        told = [describing.before(who, preferred[:each], other[:each]) for each in asked] if describing else []
        yield Episode(tuple(pairs), tuple(asked), tuple(told))


def _fits(drawn: Ints, said: Comparisons, texts: Sequence[Text], room: int) -> NDArray[np.bool_]:
    """Which of the drawn judgments fit into one opening, (N,): the first ones, and the first of all in any case."""
    lengths = [len(pieces().shot(texts[said.a[row]], texts[said.b[row]])) for row in drawn]
    fits = np.cumsum(lengths) <= room
    fits[0] = True
    return np.asarray(fits)
