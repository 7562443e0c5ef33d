"""The prompts that carry preferences: why a response was preferred, and judgments of one reader shown as examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Message = dict[str, str]
"""``role`` (system, user or assistant) and ``content``."""

WHY = "The reader preferred the {side} answer. Why?"


@dataclass(frozen=True, slots=True)
class Shot:
    """One earlier judgment of a reader, to be shown: what was asked, what they preferred and what not."""

    question: str
    preferred: str
    dispreferred: str


def rationale_prompt(
    conversation: Sequence[Message], chosen: str, rejected: str, *, chosen_first: bool
) -> list[Message]:
    """Ask for the reason of a choice between two responses. The caller draws which comes first: it must be random.

    It is one user message, since many chat templates refuse two in a row; the conversation ends in the user's question.
    With the chosen response always first the side alone would tell the choice, and the text would not be read.
    """
    first, second = (chosen, rejected) if chosen_first else (rejected, chosen)
    why = WHY.format(side="first" if chosen_first else "second")
    asked = conversation[-1]["content"]
    content = f"{asked}\n\nFirst answer:\n{first}\n\nSecond answer:\n{second}\n\n{why}"
    return [*map(dict, conversation[:-1]), {"role": "user", "content": content}]


def few_shot_prompt(question: str, shots: Sequence[Shot]) -> list[Message]:
    """A reader's judgments, then the new question (FSPO, Singh et al. 2025, figure 2): one user message."""
    told = "\n\n".join(
        f"Question: {shot.question}\nPreferred answer: {shot.preferred}\nOther answer: {shot.dispreferred}"
        for shot in shots
    )
    content = f"{told}\n\nAnswer for the same reader.\nQuestion: {question}" if shots else question
    return [{"role": "user", "content": content}]


def described_prompt(conversation: Sequence[Message], description: str) -> list[Message]:
    """The conversation for a reader who is described in words (the user-description variant of FSPO)."""
    return [{"role": "system", "content": description}, *conversation] if description else list(conversation)
