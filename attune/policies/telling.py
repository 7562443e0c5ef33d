"""Reasons told to a policy: of several answers of its own it prefers the one that somebody's reasons make likelier most.

Reasons are read by the model that is to be updated, as a person's words. The reference answers questions that were judged, once with some of the
annotator's reasons before the question and a few times without, and each answer y is worth

    log π(y | x, reasons) − log π(y | x).

The best and the worst are a pair. So a policy learns to heed reasons where they no longer stand in its prompt: context distillation (Askell et al.
2021) in the contrastive form of RLCD (Yang et al. 2023), with a person's own reasons for the principle and answers ranked by how well they go with
them. No person judged these pairs, and what is held out holds none.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Protocol

import orjson

from attune.errors import Cancelled
from attune.policies.examples import Example, Examples
from attune.policies.generate import Sample, generate, prompt_tokens, response_log_probs
from attune.policies.prompts import Message, reasons_prompt

TOLD_FILE = "told.jsonl"
LONGEST_TOLD = 256
"""Tokens of an answer."""
MOST_REASONS = 4
"""Reasons in one prompt."""
PLAIN = 3
"""Answers to a question without reasons, beside the one with them."""
AT_ONCE = 32
"""Questions that are answered between two looks at whether to stop."""
SCORED = 8
"""Answers whose likelihood is computed at a time."""
WAIT = 0.2
"""Seconds between two looks for the file that the first process writes."""

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
        """One answer to each, of at most ``LONGEST_TOLD`` tokens."""
        said = generate(
            self.model, self.tokenizer, conversations, max_new_tokens=LONGEST_TOLD, batch=AT_ONCE, seed=self.seed
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
    """A judged example that is asked again, and the reasons that are told."""

    example: Example
    reasons: tuple[str, ...]


def asked_again(train: Sequence[Example], share: float, seed: int) -> list[Asked]:
    """``share`` times as many questions as there are judged examples of annotators who gave reasons, each with some of theirs."""
    given: dict[str, dict[str, None]] = defaultdict(dict)
    for each in train:
        if each.rationale:
            given[each.annotator][each.rationale] = None
    able = [each for each in train if each.annotator in given and each.target > 0.5]
    rng = Random(seed)  # noqa: S311 (no secret)
    found: list[Asked] = []
    while able and len(found) < round(share * len(able)):
        for example in rng.sample(able, min(len(able), round(share * len(able)) - len(found))):
            known = list(given[example.annotator])
            found.append(Asked(example, tuple(rng.sample(known, min(len(known), MOST_REASONS)))))
    return found


def pairs_told(asked: Sequence[Asked], speaker: Speaker, weight: float) -> Iterator[Example]:
    """For each question the best and the worst of its answers that are whole; none where fewer than two differ."""
    plain = [each.example.conversation for each in asked]
    told = [reasons_prompt(each.example.conversation, each.reasons) for each in asked]
    said = [list(speaker.answer(told)), *_in_parts(speaker.answer([*plain] * PLAIN), len(asked))]
    whole = [
        (place, sample)
        for place, samples in enumerate(zip(*said, strict=True))
        for sample in {each.text: each for each in samples if each.finished and each.text}.values()
    ]
    samples = [sample for _, sample in whole]
    with_reasons = speaker.log_probs([told[place] for place, _ in whole], samples)
    without = speaker.log_probs([plain[place] for place, _ in whole], samples)
    worth: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for (place, sample), one, other in zip(whole, with_reasons, without, strict=True):
        worth[place].append((one - other, sample.text))
    for place, each in enumerate(asked):
        if len(worth[place]) > 1:
            yield _pair(each.example, max(worth[place])[1], min(worth[place])[1], weight)


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


def with_told(
    examples: Examples,
    speaker: Speaker,
    work: Path,
    *,
    share: float,
    weight: float,
    seed: int,
    tell: Callable[[Mapping[str, float | int | str]], None],
    asked_to_stop: Callable[[], bool],
) -> Examples:
    """The examples with pairs of the policy's own answers among those that are learnt.

    They are kept in ``work``, so that a run that goes on has the same; of several processes the first one makes them. Raises
    ``Cancelled`` where a stop is asked for.
    """
    asked = asked_again(examples.train, share, seed)
    if not asked:
        return examples
    file = work / TOLD_FILE
    if int(os.environ.get("RANK", "0")):
        while not file.is_file():
            time.sleep(WAIT)
    elif not file.is_file():
        found: list[Example] = []
        for start in range(0, len(asked), AT_ONCE):
            if asked_to_stop():
                raise Cancelled("The run was stopped while the policy answered with reasons in its prompt.")
            tell({"stage": "told", "step": start, "steps": len(asked)})
            found += pairs_told(asked[start : start + AT_ONCE], speaker, weight)
        _write(file, found)
    told = _read(file)
    note = (
        f"{len(told)} pairs of the policy's own answers were learnt beside the judgments: of several answers that which goes best with"
        " an annotator's reasons, and that which goes worst."
    )
    return replace(examples, train=[*examples.train, *told], notes=(*examples.notes, note))


def _write(file: Path, pairs: Sequence[Example]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    lines = (
        {
            "conversation": each.conversation,
            "chosen": each.chosen,
            "rejected": each.rejected,
            "annotator": each.annotator,
            "group": each.group,
            "weight": each.weight,
        }
        for each in pairs
    )
    aside.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    aside.rename(file)


def _read(file: Path) -> list[Example]:
    found = []
    for line in file.read_bytes().splitlines():
        values: Mapping[str, Any] = orjson.loads(line)
        found.append(Example(**{**values, "conversation": tuple(values["conversation"])}))
    return found
