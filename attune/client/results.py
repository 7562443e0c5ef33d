"""What the server answers, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scores:
    """Rewards of N completions in the order asked, with their standard deviations, and what they rest on."""

    scores: list[float]
    stds: list[float]
    model: str
    user: str | None
    n_judgments: int
    fallback: bool
    encoded: int
    explanation: Json | None = None
    """Why the best comes before the second best, where it was asked for."""

    @classmethod
    def read(cls, body: Json) -> Scores:
        rows = sorted(body["data"], key=lambda row: row["index"])
        personal = body["personalization"]
        return cls(
            [row["score"] for row in rows],
            [row["std"] for row in rows],
            body["model"],
            body["user"],
            personal["n_judgments"],
            personal["fallback"],
            body["usage"]["encoded"],
            body.get("explanation"),
        )


@dataclass(frozen=True, slots=True)
class RewardRow:
    """One user's rewards of one item of a batch."""

    user: str | None
    scores: list[float]
    stds: list[float]
    n_judgments: int
    fallback: bool


@dataclass(frozen=True, slots=True)
class Place:
    """One completion in an order; ``first`` is the chance that it is the best."""

    index: int
    score: float
    std: float
    first: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Completions, best first."""

    places: list[Place]
    model: str
    explanation: Json | None = None

    @property
    def best(self) -> int:
        """The best completion's index."""
        return self.places[0].index

    @classmethod
    def read(cls, body: Json) -> Ranking:
        return cls([pick(Place, row) for row in body["data"]], body["model"], body.get("explanation"))


@dataclass(frozen=True, slots=True)
class Best:
    """The best of n completions of one item."""

    best: int
    completion: str
    score: float
    std: float
    first: float
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Preference:
    """P(a ≻ b, ties aside); ``distribution`` over a population's people."""

    probability: float
    margin: float
    std: float
    tie: float | None
    distribution: Json | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair lent to an annotator; ``a`` is to be shown on the left."""

    assignment: str
    annotator: str
    prompt: list[dict[str, str]]
    a: str
    b: str
    lease_until: str
    prompt_ref: str = ""

    @classmethod
    def read(cls, body: Json) -> Pair:
        return cls(
            body["assignment"],
            body["annotator"],
            body["prompt"]["messages"],
            body["a"]["text"],
            body["b"]["text"],
            body["lease_until"],
            body["prompt"]["ref"],
        )


@dataclass(frozen=True, slots=True)
class Judgment:
    """A judgment that the server has stored."""

    id: int
    annotator: str
    choice: str
    strength: int | None
    revision: int
    withdrawn: bool
    judged_at: str
    guess: float | None = None
    machines: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to fit a model."""

    number: int
    state: str
    model: str
    version: str | None
    error: str
    progress: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


def pick(kind: type[T], row: Json) -> T:
    """A dataclass from the fields of ``row`` that it has: a newer server may send more."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: row[name] for name in names if name in row})
