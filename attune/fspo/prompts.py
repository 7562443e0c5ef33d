"""The few-shot prompt: shots of one annotator (question, preferred, not preferred), then the question to answer.

It is one user message, as many chat templates refuse a second before an answer. Texts end without white space, so that the parts'
tokens, joined, are the tokens of the joined text, and parts can be tokenised once and put together in many ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PREFERRED = "\n\nPreferred:\n"
OTHER = "\n\nNot preferred:\n"
GAP = "\n\n"
DESCRIBE = "Describe the reader."
READER = "The reader: "


@dataclass(frozen=True, slots=True)
class Shot:
    """One judgment as a prompt shows it."""

    question: str
    preferred: str
    other: str


def shot_text(shot: Shot) -> str:
    """One shot, without what comes after it."""
    return f"{shot.question.rstrip()}{PREFERRED}{shot.preferred.rstrip()}{OTHER}{shot.other.rstrip()}"


def few_shot_text(shots: Sequence[Shot], question: str, description: str = "") -> str:
    """The user's message: shots, what is known of the reader in words (if anything), and the question."""
    said = [f"{READER}{description.strip()}"] if description.strip() else []
    return GAP.join([*map(shot_text, shots), *said, question])


def describing_text(shots: Sequence[Shot]) -> str:
    """The message that asks for a description of the reader, which then goes into ``few_shot_text``."""
    return GAP.join([*map(shot_text, shots), DESCRIBE])
