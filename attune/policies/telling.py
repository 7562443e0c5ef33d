"""What is known of people told to a policy: which questions it is asked again, of whom, and with what in its prompt.

Known are the reasons that somebody gave, and what they like in words, as their judgments tell it (or as a snapshot brings it along). The pairs
that come of it (``own_answers``) are the model's own: no person judged them, and what is held out holds none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from attune.errors import Cancelled
from attune.fspo.describing import known_in_words
from attune.policies.examples import Example, Examples
from attune.policies.kept_pairs import made_once
from attune.policies.own_answers import Asked, Speaker, pairs_told

TOLD_FILE = "told.jsonl"
NOTHING_KNOWN = (
    "Nothing is known of the annotators that could be told to the policy, so the run is the same as without."
)
MOST_REASONS = 4
"""Reasons in one prompt."""
AT_ONCE = 32
"""Questions that are answered between two looks at whether to stop."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of annotators, by their names: different reasons, and a description in words."""

    reasons: Mapping[str, Sequence[str]]
    readers: Mapping[str, str]

    def tells_of(self, annotator: str) -> bool:
        """Whether anything is."""
        return annotator in self.reasons or annotator in self.readers

    def asked(self, example: Example, rng: Random) -> Asked:
        """The example asked again with something of what is known of its annotator."""
        reasons, reader = self.reasons.get(example.annotator, ()), self.readers.get(example.annotator, "")
        if reader and not (reasons and rng.random() < 0.5):
            return Asked(example, reader=reader)
        return Asked(example, tuple(rng.sample(reasons, min(len(reasons), MOST_REASONS))))


def known_of(train: Sequence[Example], *, reasons: bool, profiles: bool, given: Mapping[str, str]) -> Known:
    """What the learnt examples tell of their annotators, as far as it is asked for; descriptions that are ``given`` come first."""
    said: dict[str, dict[str, None]] = defaultdict(dict)
    preferred: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for each in train:
        if each.rationale and reasons:
            said[each.annotator][each.rationale] = None
        if each.target > 0.5 and profiles:
            preferred[each.annotator].append((each.chosen, each.rejected))
    words = {name: given.get(name) or known_in_words(pairs) for name, pairs in preferred.items()}
    return Known(
        {name: list(each) for name, each in said.items()},
        {name: each for name, each in words.items() if each},
    )


def asked_again(
    train: Sequence[Example], known: Known, share: float, seed: int, most: int | None = None
) -> list[Asked]:
    """``share`` times as many questions as there are judged examples of annotators of whom something is known, ``most`` at most."""
    rng = Random(seed)  # noqa: S311 (no secret)
    able = [each for each in train if each.target > 0.5 and known.tells_of(each.annotator)]
    wanted = round(share * len(able))
    wanted = wanted if most is None else min(wanted, most)
    found: list[Asked] = []
    while len(found) < wanted:
        drawn = rng.sample(able, min(len(able), wanted - len(found)))
        found += [known.asked(each, rng) for each in drawn]
    return found


def with_told(
    examples: Examples,
    speaker: Speaker,
    work: Path,
    known: Known,
    *,
    share: float,
    most: int,
    weight: float,
    seed: int,
    tell: Callable[[Mapping[str, float | int | str]], None],
    asked_to_stop: Callable[[], bool],
) -> Examples:
    """The examples with pairs of the policy's own answers among those that are learnt.

    They are kept in ``work``, so that a run that goes on has the same; of several processes the first one makes them. Raises
    ``Cancelled`` where a stop is asked for.
    """
    asked = asked_again(examples.train, known, share, seed, most)
    if not asked:
        return replace(examples, notes=(*examples.notes, NOTHING_KNOWN))

    def answered() -> Iterator[Example]:
        for start in range(0, len(asked), AT_ONCE):
            if asked_to_stop():
                raise Cancelled(
                    "The run was stopped while the policy answered with what is known of people in its prompt."
                )
            tell({"stage": "told", "step": start, "steps": len(asked)})
            yield from pairs_told(asked[start : start + AT_ONCE], speaker, weight)

    told = made_once(work / TOLD_FILE, answered, asked_to_stop)
    note = (
        f"{len(told)} pairs of the policy's own answers were learnt beside the judgments: those that go better with what is"
        " known of an annotator are preferred to those that go worse."
    )
    return replace(examples, train=[*examples.train, *told], notes=(*examples.notes, note))
