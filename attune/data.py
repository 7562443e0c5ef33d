"""What flows between the database, the models and the files: responses, judgments, snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Choice = Literal["a", "b", "tie", "both_bad"]
Part = Literal["", "context", "test"]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer to one prompt.

    ``id`` is stable for ever within a project; models keep item effects under it. ``prompt`` is the
    conversation flattened to text.
    """

    id: str
    prompt: str
    text: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Judgment:
    """What one annotator said of responses ``a`` and ``b`` (ids into ``Snapshot.responses``).

    ``swapped`` is true where ``b`` was shown on the left. ``strength`` is 1 (slightly) to 3 (much), None if not asked.
    ``slices`` and ``part`` are kept for evaluation only; ``repeat`` marks a hidden second look at the same pair.
    """

    annotator: str
    a: str
    b: str
    choice: Choice
    strength: int | None = None
    swapped: bool = False
    rationale: str = ""
    tags: tuple[str, ...] = ()
    judged_at: str = ""
    part: Part = ""
    slices: tuple[str, ...] = ()
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen set of judgments and every response that they name. Order is the order of judging."""

    responses: Mapping[str, Response]
    judgments: Sequence[Judgment]
    digest: str = ""
    about: Mapping[str, object] = field(default_factory=dict)
