"""Prompts beside the plain question: why a response was preferred, and a question after a few judgments of who asks it."""

from __future__ import annotations

from collections.abc import Sequence

from attune.fspo.prompts import Shot, describing_text, few_shot_text

Message = dict[str, str]
"""``role`` (system, user or assistant) and ``content``."""

WHY = "The reader preferred the {side} answer. Why?"
SAID = "What the reader said of earlier answers:"


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


def reasons_prompt(conversation: Sequence[Message], reasons: Sequence[str]) -> list[Message]:
    """The conversation, its last message telling first what the reader gave as reasons for earlier choices."""
    said = "\n".join([SAID, *(f"- {each}" for each in reasons)])
    last = conversation[-1]
    return [*map(dict, conversation[:-1]), {"role": last["role"], "content": f"{said}\n\n{last['content']}"}]


def few_shot_prompt(conversation: Sequence[Message], shots: Sequence[Shot], description: str = "") -> list[Message]:
    """The conversation, its last message telling first what the reader preferred before (FSPO, Singh et al. 2025)."""
    asked = {
        "role": conversation[-1]["role"],
        "content": few_shot_text(shots, conversation[-1]["content"], description),
    }
    return [*map(dict, conversation[:-1]), asked]


def describing_prompt(shots: Sequence[Shot]) -> list[Message]:
    """Ask for a description of the reader; the answer then stands in ``few_shot_prompt``."""
    return [{"role": "user", "content": describing_text(shots)}]
