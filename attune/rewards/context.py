"""One annotator's comparisons as columns, which is how models take them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from attune.rewards.base import Array, Comparison
from attune.rewards.indexing import OUTCOMES, STRENGTH_WEIGHTS, Ints


class Columns(NamedTuple):
    """N comparisons: items of both sides (N, K), outcome in 1, 0, −1, side in ±1 and weight, (N,) each."""

    items_a: Array
    items_b: Array
    outcome: Ints
    side: Array
    weight: Array


class Context(Sequence[Comparison]):
    """Comparisons that keep their columns, and what a model noted of them. What is added later is worked on alone.

    The comparisons never change. A note is of the first so many of them, and only its writer reads it.
    """

    __slots__ = ("_comparisons", "_note", "columns")

    def __init__(self, comparisons: Sequence[Comparison] = (), columns: Columns | None = None) -> None:
        self._comparisons = tuple(comparisons)
        self._note: tuple[object, int, Any] | None = None
        self.columns = _columns(comparisons) if columns is None and comparisons else columns

    def plus(self, added: Sequence[Comparison]) -> Context:
        """These comparisons, then ``added``."""
        if not added:
            return self
        if self.columns is None:
            return Context(added)
        joined = (np.concatenate(both) for both in zip(self.columns, _columns(added), strict=True))
        grown = Context((*self._comparisons, *added), Columns(*joined))
        grown._note = self._note
        return grown

    def noted_by(self, writer: object) -> tuple[int, Any]:
        """Of how many comparisons the writer's note is, and the note; 0 and None where there is none of this writer."""
        note = self._note
        return (note[1], note[2]) if note and note[0] is writer else (0, None)

    def note(self, writer: object, note: object) -> None:
        """Leave a note of all comparisons, for this context and those that grow from it."""
        self._note = (writer, len(self), note)

    @overload
    def __getitem__(self, index: int) -> Comparison: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Comparison]: ...
    def __getitem__(self, index: int | slice) -> Comparison | Sequence[Comparison]:
        return self._comparisons[index]

    def __len__(self) -> int:
        return len(self._comparisons)


def columns_of_context(context: Sequence[Comparison]) -> Columns:
    """A context as columns. It must not be empty."""
    known = context.columns if isinstance(context, Context) else None
    return known or _columns(context)


def _columns(comparisons: Sequence[Comparison]) -> Columns:
    return Columns(
        np.stack([each.item_a for each in comparisons]),
        np.stack([each.item_b for each in comparisons]),
        np.array([OUTCOMES[each.choice] for each in comparisons], np.int64),
        np.array([-1.0 if each.swapped else 1.0 for each in comparisons], np.float32),
        np.array([STRENGTH_WEIGHTS[each.strength] for each in comparisons], np.float32),
    )
