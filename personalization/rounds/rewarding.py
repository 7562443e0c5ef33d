"""What a round's candidates are worth to those whose taste its policy follows. In a worker's child: texts are encoded here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from annotator.models import Annotator
from attune.data import content_digest
from attune.encoders import encode_cached
from attune.policies.pairing import NASH
from attune.policies.selfplay import chances, win_rates
from attune.rewards.base import Latent, RewardModel
from personalization.items import load, usable
from personalization.latents import latent_for
from personalization.models import PolicyRound, RoundCandidate
from training.models import Scope
from training.serving import ServedVersion, live_version
from training.vectors import PostgresVectorStore

Array = NDArray[np.float32]

MOST_MEMBERS = 100
"""Of a group's members, whose mean reward is the group's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The model that was asked, and of a round of self-play P(one ≻ other) by the places of two candidates of one prompt."""

    served: ServedVersion | None = None
    tables: Mapping[int, Array] = field(default_factory=dict)
    rows: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def chance(self, one: RoundCandidate, other: RoundCandidate) -> float | None:
        """P(one ≻ other); None where it was not asked, or one of them says nothing."""
        if one.place not in self.rows or other.place not in self.rows:
            return None
        (prompt, row), (_, column) = self.rows[one.place], self.rows[other.place]
        return float(self.tables[prompt][row, column])


def rewarded(row: PolicyRound, candidates: Sequence[RoundCandidate]) -> Verdict:
    """Write the reward of the live model onto each candidate that says something, and in self-play its win rate."""
    served = live_version(row.project_id)
    if served is None:
        return Verdict()
    model, saying = load(served), [each for each in candidates if each.text.strip()]
    if not saying:
        return Verdict(served)
    keys = [content_digest(each.prompt.text, each.text) for each in saying]
    texts = {key: (each.prompt.text, each.text) for key, each in zip(keys, saying, strict=True)}
    features = encode_cached(served.encoder, texts, PostgresVectorStore())
    with usable(served):
        items, latents = model.items(keys, features), _latents(row, served)
        scores = [model.score(latent, items) for latent in latents]
        verdict = _played(served, model, latents, items, saying) if row.method == NASH else Verdict(served)
    mean = np.mean([each.mean for each in scores], axis=0)
    std = np.sqrt(np.mean([each.std**2 for each in scores], axis=0))
    for each, reward, spread in zip(saying, mean.tolist(), std.tolist(), strict=True):
        each.reward, each.reward_std = reward, spread
    return verdict


def _played(
    served: ServedVersion, model: RewardModel, latents: list[Latent], items: Array, saying: Sequence[RoundCandidate]
) -> Verdict:
    """All candidates of a prompt against each other; the win rate of each is that against all that the policy wrote to it."""
    by_prompt: dict[int, list[int]] = defaultdict(list)
    for place, each in enumerate(saying):
        by_prompt[each.prompt.pk].append(place)
    tables, rows = {}, {}
    for prompt, places in by_prompt.items():
        tables[prompt] = table = chances(model, latents, items[places])
        mine = [column for column, place in enumerate(places) if saying[place].mine]
        wins = win_rates(table[:, mine]).tolist() if mine else [None] * len(places)
        for row, (place, win) in enumerate(zip(places, wins, strict=True)):
            saying[place].win = win
            rows[saying[place].place] = (prompt, row)
    return Verdict(served, tables, rows)


def _latents(row: PolicyRound, served: ServedVersion) -> list[Latent]:
    """Whose taste the policy follows: one person's, its group's members', or everybody's."""
    version = row.version
    if version is not None and version.scope == Scope.ANNOTATOR:
        return [latent_for(annotator_id=version.annotator_id, served=served)]
    if version is not None and version.scope == Scope.PROTOTYPE:
        ids = [int(each) for each in version.members]
        there = Annotator.objects.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)[:MOST_MEMBERS]
        if found := [latent_for(annotator_id=pk, served=served) for pk in there]:
            return found
    return [load(served).prior()]
