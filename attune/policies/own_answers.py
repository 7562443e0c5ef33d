"""Pairs of a policy's own answers, ranked by how well they go with what is known of somebody.

An answer y to a question x is worth how much likelier what is known makes it: log π(y | x, known) − log π(y | x). The model that is to be
updated reads what is known as a person's words, answers once with it in the prompt and a few times without, and its better answers are
preferred to its worse ones. So a policy learns to heed what no longer stands in its prompt: context distillation (Askell et al. 2021) in the contrastive form of
RLCD (Yang et al. 2023), with a person's own words for the principle and more than two answers, ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from attune.policies.examples import Example
from attune.policies.generate import Sample, generate, prompt_tokens, response_log_probs
from attune.policies.prompts import Message, few_shot_prompt, reasons_prompt

LONGEST = 256
"""Tokens of an answer."""
PLAIN = 3
"""Answers to a question that is told nothing, beside the one that is."""
AT_ONCE = 32
"""Answers at a time."""
SCORED = 8
"""Answers whose likelihood is computed at a time."""

Conversations = Sequence[Sequence[Message]]


class Speaker(Protocol):
    """Whoever answers, and says how likely an answer is."""

    def answer(self, conversations: Conversations) -> Sequence[Sample]:
        """One answer to each."""
        ...

    def log_probs(self, conversations: Conversations, samples: Sequence[Sample]) -> Sequence[float]:
        """log π of each sample after its conversation."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy as it is, speaking."""

    model: Any
    tokenizer: Any
    seed: int

    def answer(self, conversations: Conversations) -> Sequence[Sample]:
        """One answer to each, of at most ``LONGEST`` tokens."""
        said = generate(
            self.model, self.tokenizer, conversations, max_new_tokens=LONGEST, batch=AT_ONCE, seed=self.seed
        )
        return [each for (each,) in said]

    def log_probs(self, conversations: Conversations, samples: Sequence[Sample]) -> Sequence[float]:
        """log π of each sample after its conversation, a few at a time."""
        prompts = [prompt_tokens(self.tokenizer, each) for each in conversations]
        parts = [slice(start, start + SCORED) for start in range(0, len(prompts), SCORED)]
        found = [response_log_probs(self.model, self.tokenizer, prompts[part], samples[part]) for part in parts]
        return [value for part in found for value in part.tolist()]


@dataclass(frozen=True, slots=True)
class Asked:
    """A judged example that is asked again, and what is told of its annotator: reasons they gave, or else what they like in words."""

    example: Example
    reasons: tuple[str, ...] = ()
    reader: str = ""

    @property
    def told(self) -> list[Message]:
        conversation = self.example.conversation
        return (
            few_shot_prompt(conversation, (), self.reader)
            if self.reader
            else reasons_prompt(conversation, self.reasons)
        )


def pairs_told(asked: Sequence[Asked], speaker: Speaker, weight: float) -> Iterator[Example]:
    """Of each question's different answers, those cut off left out, each of the better half with one of the worse."""
    plain = [each.example.conversation for each in asked]
    told = [each.told for each in asked]
    said = [list(speaker.answer(told)), *_in_parts(speaker.answer([*plain] * PLAIN), len(asked))]
    whole = [
        (place, sample)
        for place, samples in enumerate(zip(*said, strict=True))
        for sample in {each.text: each for each in samples if each.finished and each.text}.values()
    ]
    samples = [sample for _, sample in whole]
    known = speaker.log_probs([told[place] for place, _ in whole], samples)
    unknown = speaker.log_probs([plain[place] for place, _ in whole], samples)
    worth: list[list[tuple[float, str]]] = [[] for _ in asked]
    for (place, sample), one, other in zip(whole, known, unknown, strict=True):
        worth[place].append((one - other, sample.text))
    for each, answers in zip(asked, worth, strict=True):
        for chosen, rejected in halves([text for _, text in sorted(answers, reverse=True)]):
            yield _pair(each.example, chosen, rejected, weight)


def halves(best_first: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each of the better half with the one that is half the row behind it; of an odd number the one in the middle is nobody's."""
    half = len(best_first) // 2
    return zip(best_first[:half], best_first[len(best_first) - half :], strict=True)


def _in_parts(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    return (samples[start : start + size] for start in range(0, len(samples), size))


def _pair(example: Example, chosen: str, rejected: str, weight: float) -> Example:
    return Example(
        conversation=example.conversation,
        chosen=chosen,
        rejected=rejected,
        annotator=example.annotator,
        group=example.group,
        weight=weight,
    )
