"""Pairs that somebody has not judged, with what a reward model foretells of them, learnt beside the judgments.

Few judgments teach a reward model what carries over to other responses; a policy credits to each text's words, too, what was said of the text
(Lin et al. 2024, *On the limited generalization capability of the implicit reward model induced by direct preference optimization*). So a
reward model learns from the judgments that the policy learns from, and what it foretells of other pairs goes to the policy as soft
labels: reward model distillation (Fisch et al. 2024, *Robust preference optimization through reward model distillation*, section 3).
No person judged these pairs; they hold no prompt on the side that is kept aside, and the reward model has seen none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np

from attune import rewards
from attune.data import Judgment, Snapshot
from attune.encoders import FileStore, encode_cached
from attune.errors import Cancelled
from attune.evaluate import comparisons
from attune.policies.examples import SOFT_METHODS, Example, Examples, conversation_of, prompts_aside
from attune.policies.kept_pairs import made_once
from attune.policies.settings import PolicySettings
from attune.rewards.base import Array, Progress, RewardModel

FORETOLD_FILE = "foretold.jsonl"
VECTORS_FOLDER = "vectors"
"""Of a run's work folder: vectors of texts as ``attune.encoders.FileStore`` keeps them, from whoever has them already, or encoded by the run."""
SURER = 1.5
"""What a margin is multiplied by. The model's probabilities leave room for slips of the annotator's, and a policy shall learn none."""
STAGES = {"encoding": "encoding", "fitting": "foretold"}

Pair = tuple[str, str]
_Content = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Foreteller:
    """What a run's judgments teach a reward model, and how it says what their annotators would prefer."""

    snapshot: Snapshot
    judgments: Sequence[Judgment]
    settings: PolicySettings
    vectors: FileStore
    tell: Progress
    asked_to_stop: Callable[[], bool]

    def examples(self, pairs: Mapping[str, Sequence[Pair]], groups: Mapping[str, int]) -> Iterator[Example]:
        """Each annotator's pairs of responses, the one that they would prefer first. Raises ``Cancelled`` where a stop is asked for."""
        drawn = {key for each in pairs.values() for pair in each for key in pair}
        features = self._features(drawn)
        model = self._fitted(features)
        said: dict[str, list[Judgment]] = defaultdict(list)
        for judgment in self.judgments:
            said[judgment.annotator].append(judgment)
        for annotator, theirs in pairs.items():
            chances = _chances(model, said[annotator], theirs, features)
            for pair, chance in zip(theirs, chances, strict=True):
                yield self._example(annotator, pair, chance, groups.get(annotator, 0))

    def _features(self, drawn: Collection[str]) -> Mapping[str, Array]:
        keys = sorted({*drawn, *self._seen()})
        texts = {key: (self.snapshot.responses[key].prompt, self.snapshot.responses[key].text) for key in keys}
        return encode_cached(self.settings.encoder, texts, self.vectors, self._at_work)

    def _fitted(self, features: Mapping[str, Array]) -> RewardModel:
        seen = {key: self.snapshot.responses[key] for key in self._seen()}
        model = rewards.create("hybrid")
        model.fit(
            replace(self.snapshot, responses=seen, judgments=tuple(self.judgments)),
            {key: features[key] for key in seen},
            encoder=self.settings.encoder,
            seed=self.settings.seed,
            progress=self._at_work,
        )
        return model

    def _seen(self) -> dict[str, None]:
        return dict.fromkeys(key for each in self.judgments for key in (each.a, each.b))

    def _example(self, annotator: str, pair: Pair, chance: float, group: int) -> Example:
        chosen, rejected = (self.snapshot.responses[key] for key in (pair if chance >= 0.5 else pair[::-1]))
        sure = max(chance, 1 - chance)  # to a method that can't read it the pair counts by it
        soft = self.settings.method in SOFT_METHODS
        return Example(
            conversation=conversation_of(chosen.prompt),
            chosen=chosen.text,
            rejected=rejected.text,
            annotator=annotator,
            group=group,
            target=sure if soft else 1.0,
            weight=1.0 if soft else 2 * sure - 1,
            judged=False,
        )

    def _at_work(self, progress: Mapping[str, float | int | str]) -> None:
        if self.asked_to_stop():
            raise Cancelled("The run was stopped while a reward model learnt what to foretell.")
        self.tell({"stage": STAGES[str(progress["stage"])], "step": progress["step"], "steps": progress["steps"]})


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
    tell: Progress,
    asked_to_stop: Callable[[], bool],
) -> Examples:
    """The examples with ``settings.foretold`` times as many pairs that their annotators have not judged.

    They are kept in ``work`` (``made_once``). A note says how many there are, or why there are none. Raises ``Cancelled`` where a stop is asked
    for.
    """
    groups = {each.annotator: each.group for each in examples.train}
    aside = prompts_aside(snapshot, examples, settings.held_out, settings.seed)
    judgments = [
        each
        for each in snapshot.judgments
        if each.annotator in groups and not each.repeat and snapshot.responses[each.a].prompt not in aside
    ]
    pairs = drawn_pairs(snapshot, judgments, aside, settings)
    if not pairs:
        note = "There are no two responses to a prompt that whoever is learnt from has not judged, so nothing was foretold."
        return replace(examples, notes=(*examples.notes, note))
    foreteller = Foreteller(snapshot, judgments, settings, FileStore(work / VECTORS_FOLDER), tell, asked_to_stop)
    found = made_once(work / FORETOLD_FILE, lambda: foreteller.examples(pairs, groups), asked_to_stop)
    note = (
        f"{len(found)} pairs that their annotators had not judged were put beside the judgments, with what a reward model of"
        " the same judgments foretells of them."
    )
    return replace(examples, train=[*examples.train, *found], notes=(*examples.notes, note))


def drawn_pairs(
    snapshot: Snapshot, judgments: Sequence[Judgment], aside: Collection[str], settings: PolicySettings
) -> dict[str, list[Pair]]:
    """For each annotator of the ``judgments`` pairs of different responses to one prompt, not ``aside``, that they have not judged: in all as
    many as the settings say, to everybody in proportion to what they decided, by its weight."""
    by_prompt: dict[str, list[str]] = defaultdict(list)
    for key, response in snapshot.responses.items():
        if response.prompt not in aside:
            by_prompt[response.prompt].append(key)
    judged: dict[str, set[_Content]] = defaultdict(set)
    for each in snapshot.judgments:
        judged[each.annotator].add(_content(snapshot, (each.a, each.b)))
    decided: dict[str, float] = defaultdict(float)
    for each in judgments:
        if each.choice in ("a", "b"):
            decided[each.annotator] += each.weight
    rng = Random(settings.seed)  # noqa: S311 (no secret)
    prompts = rng.sample(list(by_prompt.values()), len(by_prompt))
    wanted = min(round(settings.foretold * sum(decided.values())), settings.foretold_most)
    found = {
        annotator: list(_unjudged(snapshot, prompts, judged[annotator], count, rng))
        for annotator, count in shared_out(decided, wanted).items()
    }
    return {annotator: pairs for annotator, pairs in found.items() if pairs}


def shared_out(shares: Mapping[str, float], wanted: int) -> dict[str, int]:
    """So many in proportion to the shares, by largest remainders, so that they add up."""
    total = sum(shares.values())
    exact = {name: wanted * share / total for name, share in shares.items() if share > 0}
    found = {name: int(each) for name, each in exact.items()}
    behind = sorted(exact, key=lambda name: found[name] - exact[name])
    for name in behind[: wanted - sum(found.values())]:
        found[name] += 1
    return found


def _unjudged(
    snapshot: Snapshot, prompts: Sequence[Sequence[str]], judged: Collection[_Content], wanted: int, rng: Random
) -> Iterator[Pair]:
    """So many pairs, or all that there are: one of each prompt, then another one of each, from a prompt of one's own on."""
    start = rng.randrange(len(prompts)) if prompts else 0
    turns: Iterable[Iterator[Pair]] = (_rounds(keys, rng) for keys in chain(prompts[start:], prompts[:start]))
    taken = set(judged)
    while wanted:
        going = []
        for pairs in turns:
            pair = next((each for each in pairs if _is_new(_content(snapshot, each), taken)), None)
            if pair is None:
                continue
            going.append(pairs)
            taken.add(_content(snapshot, pair))
            yield pair
            wanted -= 1
            if not wanted:
                return
        if not going:
            return
        turns = going


def _is_new(content: _Content, taken: Collection[_Content]) -> bool:
    return len(content[1]) == 2 and content not in taken


def _rounds(keys: Sequence[str], rng: Random) -> Iterator[Pair]:
    """Every pair once, in the rounds of a tournament: each stands in one pair of a round at most, so that the first pairs hold many texts."""
    circle: list[str | None] = [*rng.sample(keys, len(keys)), *([None] * (len(keys) % 2))]
    for _ in range(len(circle) - 1):
        for one, other in zip(circle[: len(circle) // 2], reversed(circle), strict=False):
            if one is not None and other is not None:
                yield one, other
        circle = [circle[0], circle[-1], *circle[1:-1]]


def _content(snapshot: Snapshot, pair: Pair) -> _Content:
    """What tells a pair from others: equal texts are one."""
    return snapshot.responses[pair[0]].prompt, frozenset(snapshot.responses[key].text.strip() for key in pair)
