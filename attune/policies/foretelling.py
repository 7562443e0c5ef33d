"""Pairs that somebody has not judged, with what a reward model foretells of them, learnt beside the judgments.

Few judgments teach a reward model what carries over to other responses; a policy credits to each text's words, too, what was said of the text
(Lin et al. 2024, *On the limited generalization capability of the implicit reward model induced by direct preference optimization*). So a
reward model learns from the very judgments that the policy learns from, and what it foretells of other pairs goes to the policy as soft
labels: reward model distillation (Fisch et al. 2024, *Robust preference optimization through reward model distillation*, section 3).
No person judged these pairs; they hold no prompt that was kept aside, and the reward model has seen none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from attune import rewards
from attune.data import Judgment, Snapshot
from attune.encoders import encode_cached
from attune.errors import BadData, Cancelled
from attune.evaluate import comparisons
from attune.policies.examples import Example, Examples, conversation_of, prompts_aside
from attune.policies.kept_pairs import made_once
from attune.policies.settings import PolicySettings
from attune.rewards.base import Array, RewardModel

FORETOLD_FILE = "foretold.jsonl"
SURER = 2.0
"""What a margin is multiplied by. The model's probabilities leave room for slips of the annotator's, and a policy shall learn none."""
SOFT_METHODS = ("soft", "sppo", "inpo", "dno")
"""Methods that read how sure a preference is; to the others a pair counts the less, the less sure it is."""

Pair = tuple[str, str]
_Content = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Foreteller:
    """What a run's judgments teach a reward model, and how it says what their annotators would prefer."""

    snapshot: Snapshot
    judgments: Sequence[Judgment]
    settings: PolicySettings
    tell: Callable[[Mapping[str, float | int | str]], None]
    asked_to_stop: Callable[[], bool]

    def examples(self, pairs: Mapping[str, Sequence[Pair]], groups: Mapping[str, int]) -> Iterator[Example]:
        """Each annotator's pairs of responses, the one that they would prefer first. Raises ``BadData`` where the judgments teach no reward
        model, ``Cancelled`` where a stop is asked for."""
        seen = {key: self.snapshot.responses[key] for each in self.judgments for key in (each.a, each.b)}
        asked = dict.fromkeys(key for drawn in pairs.values() for pair in drawn for key in pair)
        known = seen | {key: self.snapshot.responses[key] for key in asked}
        texts = {key: (each.prompt, each.text) for key, each in known.items()}
        features = encode_cached(self.settings.encoder, texts, progress=self._told)
        model = rewards.create("hybrid")
        model.fit(
            replace(self.snapshot, responses=seen, judgments=tuple(self.judgments)),
            {key: features[key] for key in seen},
            encoder=self.settings.encoder,
            seed=self.settings.seed,
            progress=self._told,
        )
        for annotator, drawn in pairs.items():
            said = [each for each in self.judgments if each.annotator == annotator]
            for pair, chance in zip(drawn, _chances(model, said, drawn, features), strict=True):
                yield self._example(annotator, pair, chance, groups.get(annotator, 0))

    def _example(self, annotator: str, pair: Pair, chance: float, group: int) -> Example:
        chosen, rejected = (self.snapshot.responses[key] for key in (pair if chance >= 0.5 else pair[::-1]))
        sure = max(chance, 1 - chance)
        soft = self.settings.method in SOFT_METHODS
        return Example(
            conversation=conversation_of(chosen.prompt),
            chosen=chosen.text,
            rejected=rejected.text,
            annotator=annotator,
            group=group,
            target=sure if soft else 1.0,
            weight=1.0 if soft else 2 * sure - 1,
        )

    def _told(self, progress: Mapping[str, float | int | str]) -> None:
        if self.asked_to_stop():
            raise Cancelled("The run was stopped while a reward model learnt what to foretell.")
        self.tell({"stage": "foretold", "step": progress["step"], "steps": progress["steps"]})


def _chances(
    model: RewardModel, said: Sequence[Judgment], pairs: Sequence[Pair], features: Mapping[str, Array]
) -> list[float]:
    """P(first ≻ second) of each pair to whoever said this, surer than the model is of what they would answer."""
    latent = model.adapt(comparisons(model, said))
    first, second = (model.items([pair[side] for pair in pairs], features) for side in (0, 1))
    chance = np.clip(model.probability(latent, first, second).astype(np.float64), 1e-6, 1 - 1e-6)
    found: list[float] = (1 / (1 + (1 / chance - 1) ** SURER)).tolist()
    return found


def with_foretold(
    examples: Examples,
    snapshot: Snapshot,
    settings: PolicySettings,
    work: Path,
    *,
    tell: Callable[[Mapping[str, float | int | str]], None],
    asked_to_stop: Callable[[], bool],
) -> Examples:
    """The examples with ``settings.foretold`` times as many pairs that their annotators have not judged.

    They are kept in ``work`` (``made_once``). A note says how many there are, or why there are none. Raises ``Cancelled`` where a stop is asked for.
    """
    people = {each.annotator: each.group for each in examples.train}
    aside = prompts_aside(snapshot, examples)
    judgments = [
        each
        for each in snapshot.judgments
        if each.annotator in people and snapshot.responses[each.a].prompt not in aside
    ]
    pairs = drawn_pairs(snapshot, judgments, aside, settings)
    if not pairs:
        said = "Every two responses to a prompt were judged by whoever is learnt from, so nothing could be foretold."
        return replace(examples, notes=(*examples.notes, said))
    foreteller = Foreteller(snapshot, judgments, settings, tell, asked_to_stop)
    try:
        found = made_once(work / FORETOLD_FILE, lambda: foreteller.examples(pairs, people))
    except BadData as error:
        return replace(examples, notes=(*examples.notes, f"Nothing could be foretold: {error}"))
    note = (
        f"{len(found)} pairs that their annotators had not judged were learnt beside the judgments, with what a reward model of"
        " the same judgments foretells of them."
    )
    return replace(examples, train=[*examples.train, *found], notes=(*examples.notes, note))


def drawn_pairs(
    snapshot: Snapshot, judgments: Sequence[Judgment], aside: frozenset[str], settings: PolicySettings
) -> dict[str, list[Pair]]:
    """For each annotator of the ``judgments`` so many pairs of different responses to one prompt, not ``aside``, that they have not judged."""
    by_prompt: dict[str, list[str]] = defaultdict(list)
    for key, response in snapshot.responses.items():
        if response.prompt not in aside:
            by_prompt[response.prompt].append(key)
    judged: dict[str, set[_Content]] = defaultdict(set)
    for each in snapshot.judgments:
        judged[each.annotator].add(_content(snapshot, (each.a, each.b)))
    decided = Counter(each.annotator for each in judgments if each.choice in ("a", "b"))
    share = min(settings.foretold, settings.foretold_most / max(decided.total(), 1))
    rng = Random(settings.seed)  # noqa: S311 (no secret)
    found = {
        annotator: _unjudged(snapshot, by_prompt, judged[annotator], round(share * count), rng)
        for annotator, count in decided.items()
    }
    return {annotator: pairs for annotator, pairs in found.items() if pairs}


def _unjudged(
    snapshot: Snapshot, by_prompt: Mapping[str, Sequence[str]], judged: Collection[_Content], wanted: int, rng: Random
) -> list[Pair]:
    """In each pass a response stands in one pair at most, so that few pairs hold many texts. Fewer than ``wanted`` where a pass finds none."""
    found: dict[_Content, Pair] = {}
    while len(found) < wanted:
        before = len(found)
        for keys in rng.sample(list(by_prompt.values()), len(by_prompt)):
            drawn = rng.sample(keys, len(keys))
            for pair in zip(drawn[::2], drawn[1::2], strict=False):
                content = _content(snapshot, pair)
                if len(content[1]) == 2 and content not in judged:
                    found.setdefault(content, pair)
        if len(found) == before:
            break
    return list(found.values())[:wanted]


def _content(snapshot: Snapshot, pair: Pair) -> _Content:
    """What tells a pair from others: equal texts are one."""
    return snapshot.responses[pair[0]].prompt, frozenset(snapshot.responses[key].text.strip() for key in pair)
