"""A person in words, as the bars of their profile have them: what they have corrected there counts."""

from __future__ import annotations

from annotator.models import Annotator
from attune.fspo.describing import in_words, known_leanings
from personalization.latents import live_latent_for
from personalization.traits import traits_of


def reader_words(annotator: Annotator) -> str:
    """What the annotator likes; empty where no model is live that knows traits, or it knows none of theirs yet.

    Raises ``ModelUnusable``.
    """
    found = live_latent_for(project_id=annotator.project_id, annotator_id=annotator.pk)
    bars = traits_of(*found) if found else []
    leanings = known_leanings((each.name, each.estimate, each.low, each.high) for each in bars)
    return in_words(leanings) if leanings else ""
