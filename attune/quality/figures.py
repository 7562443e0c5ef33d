"""What is said of an annotator, as it is kept and shown. Imports nothing heavy, for those who only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["", "typical", "minority", "contrary", "inconsistent", "unclear"]
FEW = 10
"""Below so many observations nothing is made of a figure."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval, of so many observations."""

    estimate: float
    low: float
    high: float
    of: int


@dataclass(frozen=True, slots=True)
class Person:
    """One annotator's figures; None where there is nothing to tell from. Shares but for ``seconds``, ``words`` and ``earned``.

    ``gold``, ``same``, ``longer``, ``fast``, ``reasons`` and ``words`` are of pairs, rankings and ratings together, one
    observation each; what is like a person's answer is a part of one.
    """

    judgments: int
    minutes: float
    """Time spent, breaks left out."""
    seconds: Figure | None
    """The median time for a pair."""
    fast: Figure | None
    gold: Figure | None
    same: Figure | None
    """The same answer when asked again."""
    others: Figure | None
    """Agreement with another annotator on the same pair, chosen at random, the annotator left out."""
    sides: Figure | None
    """The same between those who both preferred one response: is it the same one?"""
    left: Figure | None
    longer: Figure | None
    ties: Figure | None
    reasons: Figure | None
    """Judgments with a reason in words."""
    words: Figure | None
    """The median length of these."""
    fit: Figure | None
    pooled_fit: Figure | None
    cyclic: Figure | None
    """Cycles among triads of responses."""
    on_cycle: int
    ranked: Figure | None
    """How like the others' their rankings are, couple by couple; 0 … 1."""
    rated: Figure | None
    """The same of ratings."""
    upper: Figure | None
    """In rankings, preferences for the response shown further up."""
    earned: Figure | None
    """The peer-prediction score of pairs, rankings and ratings, −1 … 1; 0 is what answers without information earn."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Usual:
    """Medians over annotators with enough observations; None where there are none."""

    seconds: float | None
    others: float | None
    sides: float | None
    same: float | None
    fit: float | None
    ranked: float | None = None
    rated: float | None = None
    pooled_fit: float | None = None
