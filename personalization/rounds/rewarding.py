"""What a round's candidates are worth to those whose taste its policy follows. In a worker's child: texts are encoded here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotator.models import Annotator
from attune.data import content_digest
from attune.encoders import encode_cached
from attune.rewards.base import Latent
from personalization.items import load, usable
from personalization.latents import latent_for
from personalization.models import PolicyRound, RoundCandidate
from training.models import Scope
from training.serving import ServedVersion, live_version
from training.vectors import PostgresVectorStore

MOST_MEMBERS = 100
"""Of a group's members, whose mean reward is the group's."""


def rewarded(row: PolicyRound, candidates: Sequence[RoundCandidate]) -> ServedVersion | None:
    """Write the reward of the live model onto each candidate that says something; None where no model is live."""
    served = live_version(row.project_id)
    if served is None:
        return None
    model, saying = load(served), [each for each in candidates if each.text.strip()]
    if not saying:
        return served
    keys = [content_digest(each.prompt.text, each.text) for each in saying]
    texts = {key: (each.prompt.text, each.text) for key, each in zip(keys, saying, strict=True)}
    features = encode_cached(served.encoder, texts, PostgresVectorStore())
    with usable(served):
        items = model.items(keys, features)
        scores = [model.score(latent, items) for latent in _latents(row, served)]
    mean = np.mean([each.mean for each in scores], axis=0)
    std = np.sqrt(np.mean([each.std**2 for each in scores], axis=0))
    for each, reward, spread in zip(saying, mean.tolist(), std.tolist(), strict=True):
        each.reward, each.reward_std = reward, spread
    return served


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
