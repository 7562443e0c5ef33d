"""How well models fit people, as the app above finds it."""

from __future__ import annotations

from annotator.models import ModelFit


def keep_fit(*, annotator_id: int, version: str, signature: str, right: int, pooled_right: int, of: int) -> None:
    """Keep how often the annotator's own model, and the pooled one, guessed ``of`` choices; in place of what is kept.

    ``signature`` says of which judgments it is.
    """
    values = {"version": version, "signature": signature, "right": right, "pooled_right": pooled_right, "of": of}
    ModelFit.objects.update_or_create(annotator_id=annotator_id, defaults=values)
