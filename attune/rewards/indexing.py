"""A snapshot as arrays: what every fit works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.data import Judgment, Response, Snapshot
from attune.errors import BadData, EncoderMismatch
from attune.rewards.base import Array
from attune.rewards.strengths import STRENGTH_WEIGHTS, grades

Ints = NDArray[np.int64]

OUTCOMES: Mapping[str, int] = {"a": 1, "b": -1, "tie": 0, "both_good": 0, "both_bad": 0}
"""A choice as a number. ``both_good`` and ``both_bad`` say that neither is better: ties to a model of preference."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """N judgments as columns, each (N,). ``a``, ``b`` index responses and ``annotator`` annotators.

    ``test`` marks what the data's makers set aside to be predicted from the annotator's other judgments.
    """

    annotator: Ints
    a: Ints
    b: Ints
    outcome: Ints
    side: Array
    weight: Array
    test: NDArray[np.bool_]
    annotators: int
    lead: Array | None = None
    """What fits subtract from margins of a over b, (N,): a judgment's ``margin``, negative where b was chosen; None for nothing."""
    reasons: sparse.csr_array | None = None
    """Why, (N, P), as ``attune.rewards.reasons`` reads it; None where hardly anybody said."""
    strength: Ints | None = None
    """1 to 3, 0 where it was not asked, (N,); None where it never was."""
    graded: bool = False
    """Whether what is personal is learnt from strengths as grades (``attune.rewards.strengths``)."""

    def __len__(self) -> int:
        return len(self.a)

    @property
    def leads(self) -> Array:
        """``lead``, zeros where there is none, (N,)."""
        return np.zeros(len(self), np.float32) if self.lead is None else self.lead

    @property
    def evidence(self) -> tuple[NDArray[Any], Array]:
        """What the judgments lean to, from −1 to 1, and what they weigh, (N,) each: outcome and weight, or graded."""
        if self.strength is None or not self.graded:
            return self.outcome, self.weight
        return grades(self.outcome, self.weight, self.strength)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Comparisons:
        """Some of the rows; annotators keep their numbers."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS if getattr(self, name) is not None}
        return replace(self, **columns)


COLUMNS = tuple(each.name for each in fields(Comparisons) if each.name not in ("annotators", "graded"))


def columns_of(judgments: Sequence[Judgment], row_of: Mapping[str, int], number_of: Mapping[str, int]) -> Comparisons:
    """Judgments as columns, given the rows of responses and the numbers of annotators."""
    lead = np.array([OUTCOMES[j.choice] * j.margin for j in judgments], np.float32)
    strength = np.array([j.strength or 0 for j in judgments], np.int64)
    return Comparisons(
        annotator=np.array([number_of[j.annotator] for j in judgments], np.int64),
        a=np.array([row_of[j.a] for j in judgments], np.int64),
        b=np.array([row_of[j.b] for j in judgments], np.int64),
        outcome=np.array([OUTCOMES[j.choice] for j in judgments], np.int64),
        side=np.array([-1.0 if j.swapped else 1.0 for j in judgments], np.float32),
        weight=np.array([STRENGTH_WEIGHTS[j.strength] * j.weight for j in judgments], np.float32),
        test=np.array([j.part == "test" for j in judgments], np.bool_),
        annotators=len(number_of),
        lead=lead if lead.any() else None,
        strength=strength if strength.any() else None,
    )


def index_snapshot(snapshot: Snapshot) -> tuple[list[str], Comparisons]:
    """Response ids and comparisons, hidden repeats left out. Raises ``BadData`` if nothing can be learnt."""
    ids = list(snapshot.responses)
    row_of = {key: row for row, key in enumerate(ids)}
    judgments = [j for j in snapshot.judgments if not j.repeat]
    for judgment in judgments:
        for key in (judgment.a, judgment.b):
            if key not in row_of:
                raise BadData(f"a judgment names response {key!r}, which the snapshot does not hold")
    names = dict.fromkeys(judgment.annotator for judgment in judgments)
    comparisons = columns_of(judgments, row_of, {name: number for number, name in enumerate(names)})
    if len(ids) < 2 or not np.any(comparisons.outcome):
        raise BadData(
            f"the snapshot has {len(ids)} responses and {np.count_nonzero(comparisons.outcome)} decided judgments; "
            "expected at least two responses and one judgment that prefers one of them"
        )
    return ids, comparisons


def feature_matrix(ids: Sequence[str], features: Mapping[str, Array]) -> Array:
    """Vectors of the responses, (N, D). Raises ``EncoderMismatch`` where one is missing or of another width."""
    missing = [key for key in ids if key not in features]
    if missing:
        raise EncoderMismatch(f"{len(missing)} of {len(ids)} responses have no features, the first is {missing[0]!r}")
    widths = {np.shape(features[key]) for key in ids}
    if len(widths) > 1:
        raise EncoderMismatch(f"features differ in shape: {sorted(widths)}")
    matrix = np.stack([np.asarray(features[key], np.float32) for key in ids])
    if not np.isfinite(matrix).all():
        bad = ids[int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])]
        raise BadData(f"the features of response {bad!r} hold a value that is not finite")
    return matrix


def prompt_groups(responses: Sequence[Response]) -> Ints:
    """The number of each response's prompt, (N,)."""
    return np.unique([response.prompt for response in responses], return_inverse=True)[1].astype(np.int64)
