"""Where a refit of ``hybrid`` begins: at what the rehearsals of an earlier fit found, so that fewer rounds are enough.

Only rehearsals are kept, each with whom it held out: these people are held out again, together with some of those who came
since. So what trust and the figures of the new fit rest on are still people whom no fit has seen. Somebody who is gone since, or
judgments that became twice as many since the last fit from nothing, are reasons to begin from nothing.

A judgment that was withdrawn since, by somebody who stays, leaves its trace in where a fit begins and none in what it fits. People are
kept as hashes. Rows of responses come first in every array, then those of thresholds, one for each prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError
from attune.rewards.base import Array
from attune.rewards.classes import ClassFit
from attune.rewards.factors import FactorFit
from attune.rewards.feature_map import Prepared
from attune.rewards.hybrid_fit import HybridConfig, Start
from attune.rewards.indexing import Comparisons, Ints
from attune.rewards.newcomers import hold_out
from attune.rewards.rehearsal import Variances

Hashes = NDArray[np.uint64]
MOST_GROWN = 2.0
UNASKED = -1
SCALARS = ("reward_scale", "reward_spread", "position", "position_spread")


@dataclass(frozen=True, slots=True)
class Kept:
    """What one rehearsal found, and whom it had not seen."""

    found: Start
    held: Hashes


@dataclass(frozen=True, slots=True)
class Beginning:
    """Of an earlier fit: responses by id, the prompt of each as a number (N,), whether judgments were read as verdicts, all people
    that it knew, the judgments of the last fit from nothing, the variances of tastes, and its rehearsals."""

    ids: Sequence[str]
    groups: Ints
    verdicts: bool
    people: Hashes
    cold_judgments: int
    variances: Variances
    """As the last fit from nothing chose them: they are tried anew only then."""
    rehearsals: Sequence[Kept]
    graded: bool | None
    """Whether strengths were read as grades; None where there were none, or before they could be: no judgments with strengths begin there."""

    def suits(self, config: HybridConfig, people: Hashes, said: Comparisons, verdicts: bool) -> bool:
        """Whether a fit of these people's judgments may begin here."""
        return (
            len(self.rehearsals) == config.rehearsals
            and all(_fits_config(each.found, config) for each in self.rehearsals)
            and self.verdicts == verdicts
            and (self.graded is not None or said.strength is None)
            and len(said) <= MOST_GROWN * self.cold_judgments
            and bool(np.isin(self.people, people).all())
        )

    def held_out(
        self, number: int, data: Prepared, people: Hashes, left: NDArray[np.bool_], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """The rows that the rehearsal of that number may not see: of those whom it has not seen before, and of some new people."""
        said = data.comparisons
        held = np.isin(people, self.rehearsals[number].held)[said.annotator]
        new = np.flatnonzero(left & ~np.isin(people, self.people)[said.annotator])
        held[new[hold_out(said.take(new), rng)]] = True
        return held

    def start_of(self, number: int, data: Prepared, config: HybridConfig) -> Start:
        """What that rehearsal found, on the responses of today: new ones by their text, or like everybody's."""
        rows = self._rows(data)
        found = self.rehearsals[number].found
        return Start(
            [_factors_for(fit, rows, data, config) for fit in found.factors],
            [ClassFit(_taken(fit.shifts, rows), fit.log_prior) for fit in found.classes],
        )

    def _rows(self, data: Prepared) -> Ints:
        """For each row of today the row of then, −1 for none."""
        row_of = {key: row for row, key in enumerate(self.ids)}
        responses = np.array([row_of.get(key, -1) for key in data.ids], np.int64)
        if not self.verdicts:
            return responses
        thresholds = np.full(int(data.groups.max()) + 1, -1)
        known = responses >= 0
        thresholds[data.groups[known]] = len(self.ids) + self.groups[responses[known]]
        return np.concatenate([responses, thresholds])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What ``from_tensors`` reads back, but for the ids."""
        found: dict[str, NDArray[Any]] = {
            "groups": self.groups,
            "people": self.people,
            "variances": np.array(astuple(self.variances), np.float64),
            "about": np.array(
                [
                    self.verdicts,
                    self.cold_judgments,
                    len(self.rehearsals),
                    UNASKED if self.graded is None else self.graded,
                ],
                np.int64,
            ),
        }
        for number, each in enumerate(self.rehearsals):
            found[f"{number}.held"] = each.held
            for place, factors in enumerate(each.found.factors):
                found[f"{number}.vectors.{place}"] = factors.vectors
                found[f"{number}.scalars.{place}"] = np.array([getattr(factors, name) for name in SCALARS], np.float32)
            for place, classes in enumerate(each.found.classes):
                found[f"{number}.shifts.{place}"] = classes.shifts
                found[f"{number}.log_prior.{place}"] = classes.log_prior
        return found

    @classmethod
    def from_tensors(cls, ids: Sequence[str], tensors: Mapping[str, NDArray[Any]]) -> Beginning:
        """Raises ``ArtifactError`` where something is missing."""
        try:
            verdicts, judgments, rehearsals, *graded = (int(each) for each in tensors["about"])
            return cls(
                ids,
                tensors["groups"],
                bool(verdicts),
                tensors["people"],
                judgments,
                Variances(*map(float, tensors["variances"])),
                [_kept(number, tensors) for number in range(rehearsals)],
                bool(graded[0]) if graded and graded[0] != UNASKED else None,
            )
        except KeyError as missing:
            raise ArtifactError(f"what a refit would begin from lacks {missing}") from None


def hashed(names: Iterable[str]) -> Hashes:
    """Names as numbers; whoever has the names can tell whose they are."""
    digests = [hashlib.sha256(name.encode()).digest()[:8] for name in names]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _kept(number: int, tensors: Mapping[str, NDArray[Any]]) -> Kept:
    factors: list[FactorFit] = []
    classes: list[ClassFit] = []
    while (vectors := tensors.get(f"{number}.vectors.{len(factors)}")) is not None:
        scalars = dict(zip(SCALARS, map(float, tensors[f"{number}.scalars.{len(factors)}"]), strict=True))
        nothing = np.zeros((0, vectors.shape[1]), np.float32)
        factors.append(FactorFit(vectors, _no_covs(vectors), nothing, **scalars))
    while (shifts := tensors.get(f"{number}.shifts.{len(classes)}")) is not None:
        classes.append(ClassFit(shifts, tensors[f"{number}.log_prior.{len(classes)}"]))
    return Kept(Start(factors, classes), tensors[f"{number}.held"])


def _fits_config(found: Start, config: HybridConfig) -> bool:
    ranks, sizes = [fit.vectors.shape[1] for fit in found.factors], [len(fit.log_prior) for fit in found.classes]
    return ranks == list(config.ranks) and sizes == list(config.class_sizes)


def _factors_for(fit: FactorFit, rows: Ints, data: Prepared, config: HybridConfig) -> FactorFit:
    """Vectors of new responses are what the text of the known ones says of them."""
    vectors = _taken(fit.vectors, rows)
    of_responses = rows[: len(data.ids)]
    known = of_responses >= 0
    mapped = data.mapped[known].astype(np.float64)
    gram = mapped.T @ mapped + config.text_precision * np.eye(mapped.shape[1])
    text = np.linalg.solve(gram, mapped.T @ vectors[: len(data.ids)][known]).astype(np.float32)
    vectors[: len(data.ids)][~known] = data.mapped[~known] @ text
    scalars = {name: getattr(fit, name) for name in SCALARS}
    return FactorFit(vectors, _no_covs(vectors), text, **scalars)


def _taken(table: Array, rows: Ints) -> Array:
    """Rows of a table; zeros for those that it has not."""
    found = np.zeros((len(rows), table.shape[1]), np.float32)
    found[rows >= 0] = table[rows[rows >= 0]]
    return found


def _no_covs(vectors: Array) -> Array:
    count, rank = vectors.shape
    return np.zeros((count, rank, rank), np.float32)
