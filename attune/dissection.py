"""Dissection of preferences: which named properties of a response move a person, everybody, and machine annotators.

Bayesian logistic regression of choices on the differences in properties (Li et al. 2024), all properties at once, so that
each counts alone. People's weights are θ_u ~ N(μ, Σ) with μ and Σ of the community (``attune.logistic``); a person's
posterior is a few Newton steps over their own judgments. It looks at texts and choices only, and so says the same under
every reward model. Properties are the traits of ``attune.style_features``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from attune.data import Judgment, Snapshot
from attune.errors import ArtifactError
from attune.logistic import START_SPREAD, Choices, Floats, Gaussian, person, population
from attune.rewards.indexing import OUTCOMES
from attune.rewards.strengths import STRENGTH_WEIGHTS
from attune.style_features import STYLE_FEATURES, TRAITS, style_vector, trait_weights

Array = NDArray[np.float32]

LEAST_JUDGMENTS = 20
"""Decided judgments below which nothing is said of a community."""
EIGHTY_PERCENT = 1.2816


@dataclass(frozen=True, slots=True)
class Effect:
    """How much one standard deviation of a property moves a choice, in log-odds, with its 80 % interval."""

    name: str
    estimate: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """The interval leaves out nought."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Scale:
    """From style vectors to properties: (x − center) / spread, weighed, and each of unit spread within prompts."""

    center: Floats
    spread: Floats
    units: Floats

    def __call__(self, styles: Array | Floats) -> Floats:
        """(N, features) to (N, traits)."""
        return np.asarray(((styles - self.center) / self.spread) @ trait_weights().T / self.units, np.float64)


@dataclass(frozen=True, slots=True)
class Dissection:
    """A community's: its people, and its machine annotators where there are enough of them.

    ``people`` and ``machines`` are N(μ, Σ) of weights over TRAITS; ``*_mean_cov`` how sure μ is. ``machines`` is None
    where no machine has judged enough.
    """

    scale: Scale
    people: Gaussian
    people_mean_cov: Floats
    machines: Gaussian | None = None
    machines_mean_cov: Floats | None = None

    def of(self, styles_a: Array, styles_b: Array, outcome: NDArray[Any], weight: NDArray[Any]) -> Gaussian:
        """A person's posterior from their judgments: style vectors of both sides (N, features), outcome and weight (N,)."""
        if not len(outcome):
            return self.people
        return person(Choices(self.scale(styles_a) - self.scale(styles_b), outcome, weight), self.people)

    def group(self) -> list[Effect]:
        """What moves people on average."""
        return effects(self.people.mean, self.people_mean_cov)

    def machine_group(self) -> list[Effect]:
        """What moves machine annotators on average; empty where there are none."""
        if self.machines is None or self.machines_mean_cov is None:
            return []
        return effects(self.machines.mean, self.machines_mean_cov)

    def as_json(self) -> dict[str, Any]:
        """For a database row; ``from_json`` reads it back."""
        found: dict[str, Any] = {
            "traits": list(TRAITS),
            "features": list(STYLE_FEATURES),
            "center": _rounded(self.scale.center),
            "spread": _rounded(self.scale.spread),
            "units": _rounded(self.scale.units),
            "people": {"mean": _rounded(self.people.mean), "cov": _rounded(self.people.cov)},
            "people_mean_cov": _rounded(self.people_mean_cov),
        }
        if self.machines is not None and self.machines_mean_cov is not None:
            found["machines"] = {"mean": _rounded(self.machines.mean), "cov": _rounded(self.machines.cov)}
            found["machines_mean_cov"] = _rounded(self.machines_mean_cov)
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises ``ArtifactError`` where it is of other traits or features than this program knows."""
        if found.get("traits") != list(TRAITS) or found.get("features") != list(STYLE_FEATURES):
            raise ArtifactError("the dissection is of other traits than this version of the program knows")
        machines = found.get("machines")
        return cls(
            Scale(*(np.array(found[name]) for name in ("center", "spread", "units"))),
            Gaussian(np.array(found["people"]["mean"]), np.array(found["people"]["cov"])),
            np.array(found["people_mean_cov"]),
            Gaussian(np.array(machines["mean"]), np.array(machines["cov"])) if machines else None,
            np.array(found["machines_mean_cov"]) if machines else None,
        )


def dissect(snapshot: Snapshot, *, machines: Collection[str] = (), seed: int = 0) -> Dissection | None:
    """The dissection of a snapshot, in which the annotators named in ``machines`` are programs.

    None where too few judgments of people prefer one response; where nobody is a person, the machines stand in for people.
    """
    decided = [each for each in snapshot.judgments if not each.repeat and each.choice in ("a", "b")]
    of_people = [each for each in decided if each.annotator not in machines]
    of_machines = [each for each in decided if each.annotator in machines]
    if len(of_people) < LEAST_JUDGMENTS:
        of_people = of_people or of_machines
    if len(of_people) < LEAST_JUDGMENTS:
        return None
    styles = {key: style_vector(each.text) for key, each in snapshot.responses.items()}
    scale = _scale(snapshot, styles)
    people, people_mean_cov = _community(of_people, styles, scale, seed)
    if len(of_machines) < LEAST_JUDGMENTS or of_machines is of_people:
        return Dissection(scale, people, people_mean_cov)
    return Dissection(scale, people, people_mean_cov, *_community(of_machines, styles, scale, seed))


def effects(mean: Floats, cov: Floats) -> list[Effect]:
    """Weights N(mean, cov) as effects by trait."""
    doubt = EIGHTY_PERCENT * np.sqrt(np.maximum(np.diag(cov), 0))
    rows = zip(TRAITS, mean, mean - doubt, mean + doubt, strict=True)
    return [Effect(name, float(at), float(low), float(high)) for name, at, low, high in rows]


def _community(
    judgments: Sequence[Judgment], styles: Mapping[str, Array], scale: Scale, seed: int
) -> tuple[Gaussian, Floats]:
    """N(μ, Σ) of some annotators, and the covariance of μ."""
    values = dict(zip(styles, scale(np.stack(list(styles.values()))), strict=True))
    names = {name: number for number, name in enumerate(dict.fromkeys(each.annotator for each in judgments))}
    choices = Choices(
        np.stack([values[each.a] - values[each.b] for each in judgments]),
        np.array([OUTCOMES[each.choice] for each in judgments]),
        np.array([STRENGTH_WEIGHTS[each.strength] * each.weight for each in judgments]),
    )
    found = population(choices, np.array([names[each.annotator] for each in judgments]), np.random.default_rng(seed))
    information = 0.25 * (choices.design * choices.weight[:, None]).T @ choices.design
    doubt = np.linalg.inv(information + np.eye(len(found.mean)) / START_SPREAD**2)
    mean_cov = found.cov / len(names) + doubt
    return found, np.asarray(mean_cov, np.float64)


def _scale(snapshot: Snapshot, styles: Mapping[str, Array]) -> Scale:
    matrix = np.stack(list(styles.values())).astype(np.float64)
    center, spread = matrix.mean(axis=0), matrix.std(axis=0) + 0.02
    values = ((matrix - center) / spread) @ trait_weights().T
    groups = np.unique([snapshot.responses[key].prompt for key in styles], return_inverse=True)[1]
    counts = np.bincount(groups)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, groups, values)
    within = values - (sums / counts[:, None])[groups]
    return Scale(center, spread, np.maximum(within.std(axis=0), 0.05))


def _rounded(values: Floats) -> list[Any]:
    found: list[Any] = np.round(values, 6).tolist()
    return found
