"""Reasons told to a policy: what it says with somebody's reasons in its prompt is preferred to what it says without them.

Reasons are read by the model that is to be updated, as a person's words: the reference answers the questions that were judged once with some
of the annotator's reasons before the question and once without, and the first answer is the chosen one. So a policy learns to heed them
where they no longer stand in its prompt: context distillation (Askell et al. 2021) in the contrastive form of RLCD (Yang et al. 2023), with a
person's own reasons for the principle. No person judged these pairs, and what is held out holds none.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import orjson

from attune.errors import Cancelled
from attune.policies.examples import Example, Examples
from attune.policies.prompts import Message, reasons_prompt

TOLD_FILE = "told.jsonl"
MOST_REASONS = 4
"""Reasons in one prompt."""
AT_ONCE = 8
"""Questions that are answered between two looks at whether to stop."""
WAIT = 0.2
"""Seconds between two looks for the file that the first process writes."""

Answer = Callable[[Sequence[Sequence[Message]]], Sequence[str | None]]
"""Conversations to answers; None where one was cut off."""


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
            found.append(Asked(example, tuple(rng.sample(known, min(len(known), rng.randint(1, MOST_REASONS))))))
    return found


def pairs_told(asked: Sequence[Asked], answer: Answer, weight: float) -> Iterator[Example]:
    """The pairs; those are left out of which an answer was cut off or is empty, or whose answers are equal."""
    questions = [each.example.conversation for each in asked]
    with_reasons = answer([reasons_prompt(each.example.conversation, each.reasons) for each in asked])
    for each, chosen, rejected in zip(asked, with_reasons, answer(questions), strict=True):
        if chosen and rejected and chosen != rejected:
            yield _pair(each.example, chosen, rejected, weight)


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
    answer: Answer,
    work: Path,
    *,
    share: float,
    weight: float,
    seed: int,
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
            found += pairs_told(asked[start : start + AT_ONCE], answer, weight)
        _write(file, found)
    told = _read(file)
    note = (
        f"{len(told)} pairs of the policy's own answers were learnt beside the judgments: it answered with annotators' reasons in its"
        " prompt, and without."
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
