"""Rewards of many texts for many voices in one go: each text is encoded once, each voice found once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.data import content_digest
from attune.rewards.aggregates import UWO_PENALTY, Aggregate
from attune.rewards.base import Comparison, RewardModel, Scores
from personalization.inline import InlineJudgment, check_tags
from personalization.items import items_of_texts, load
from personalization.scorer.wire import Text
from personalization.scoring import Normalize, check_aggregate, scaled, version_for
from personalization.voices import Asker, Population, Voice, one_voice, voices_of
from training.serving import ServedVersion

Array = NDArray[np.float32]
Found = dict[str, tuple[Array, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Under which version (None: live) rewards are given, on which scale, and how an ensemble's members are combined."""

    model: str | None = None
    normalize: Normalize = "none"
    aggregate: Aggregate = "mean"
    penalty: float = UWO_PENALTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """One user (a reference; None is everybody) with judgments given for this request only, or a population."""

    user: str | None = None
    context: tuple[InlineJudgment, ...] = ()
    population: Population | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """Items of texts, found once for a whole request."""

    served: ServedVersion
    model: RewardModel
    found: Found

    def items(self, prompt: str, texts: Sequence[str]) -> Array:
        """(N, K) of responses to one prompt."""
        return np.stack([self.found[content_digest(prompt, text)][0] for text in texts])

    def cached(self, prompt: str, texts: Sequence[str]) -> list[bool]:
        """Which of them needed no encoding."""
        return [self.found[content_digest(prompt, text)][1] for text in texts]

    def comparisons(self, context: Sequence[InlineJudgment]) -> list[Comparison]:
        """Judgments given with a request, as the model adapts to them."""
        return [each.comparison(*self.items(each.prompt, (each.response_a, each.response_b))) for each in context]

    @property
    def encoded(self) -> int:
        return sum(not cached for _, cached in self.found.values())


def texts_of(
    *, asker: Asker, model: str | None, texts: Sequence[Text], context: Sequence[InlineJudgment] = ()
) -> Texts:
    """Find or encode every text of a request in one pass. Raises what ``scoring.score`` raises of models, scorers and tags."""
    check_tags(asker.access.project, context)
    served = version_for(asker.project_id, model)
    named = [*texts, *(text for each in context for text in each.texts)]
    loaded = load(served)
    found = items_of_texts(
        model=loaded,
        served=served,
        project_id=asker.project_id,
        texts={content_digest(prompt, text): (prompt, text) for prompt, text in named},
    )
    return Texts(served, loaded, found)


def voices_for(asker: Asker, texts: Texts, who: Who) -> list[Voice]:
    """Whose rewards: one voice, or a population's."""
    if who.population is not None:
        return voices_of(asker=asker, served=texts.served, population=who.population)
    inline = texts.comparisons(who.context)
    return [one_voice(asker=asker, served=texts.served, user=who.user, inline=inline)]


def rewards(texts: Texts, voice: Voice, items: Array, scale: Scale) -> Scores:
    """Rewards of items (N, K) for one voice on the scale. Raises ``Invalid`` for an aggregate that the model lacks."""
    check_aggregate(scale.aggregate, scale.normalize, texts.served, texts.model)
    return scaled(
        served=texts.served,
        latent=voice.latent,
        items=items,
        normalize=scale.normalize,
        aggregate=scale.aggregate,
        penalty=scale.penalty,
        model=texts.model,
    )


def table(texts: Texts, voices: Sequence[Voice], items: Array, scale: Scale) -> Scores:
    """Rewards of N items for V voices: mean (V, N), std (V, N)."""
    each = [rewards(texts, voice, items, scale) for voice in voices]
    return Scores(np.stack([one.mean for one in each]), np.stack([one.std for one in each]))
