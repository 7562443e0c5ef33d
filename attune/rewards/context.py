"""One annotator's comparisons as columns, which is how models take them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array, Comparison
from attune.rewards.indexing import OUTCOMES
from attune.rewards.strengths import STRENGTH_WEIGHTS


class Columns(NamedTuple):
    """N comparisons: items of both sides (N, K), outcome in 1, 0, −1, side in ±1 and weight, (N,) each."""

    items_a: Array
    items_b: Array
    outcome: NDArray[Any]
    side: Array
    weight: Array


class Context(Sequence[Comparison]):
    """Comparisons that keep their columns, and what a model noted of them. What is added later is worked on alone.

    The comparisons never change. A note is of the first so many of them, and only its writer reads it.
    """

    __slots__ = ("_columns", "_comparisons", "_note")

    def __init__(self, comparisons: Sequence[Comparison] = ()) -> None:
        self._comparisons = tuple(comparisons)
        self._columns: Columns | None = None
        self._note: tuple[object, int, Any] | None = None

    def plus(self, added: Sequence[Comparison]) -> Context:
        """These comparisons, then ``added``."""
        grown = Context((*self._comparisons, *added))
        grown._columns, grown._note = self._columns, self._note
        return grown

    def columns(self, start: int = 0) -> Columns:
        """The columns of the comparisons from ``start`` on, of which there must be one at least. Those of all are kept."""
        if start:
            return _columns(self._comparisons[start:])
        known = self._columns
        if known is None:
            self._columns = known = _columns(self._comparisons)
        elif len(known.outcome) < len(self):
            rest = _columns(self._comparisons[len(known.outcome) :])
            both: Any = zip(known, rest, strict=True)
            self._columns = known = Columns(*map(np.concatenate, both))
        return known

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


def columns_of_context(context: Sequence[Comparison], start: int = 0) -> Columns:
    """A context as columns, from its comparison ``start`` on. There must be one at least."""
    return context.columns(start) if isinstance(context, Context) else _columns(context[start:])


def _columns(comparisons: Sequence[Comparison]) -> Columns:
    return Columns(
        np.stack([each.item_a for each in comparisons]),
        np.stack([each.item_b for each in comparisons]),
        np.array([OUTCOMES[each.choice] for each in comparisons], np.int64),
        np.array([-1.0 if each.swapped else 1.0 for each in comparisons], np.float32),
        np.array([STRENGTH_WEIGHTS[each.strength] * each.weight for each in comparisons], np.float32),
    )
