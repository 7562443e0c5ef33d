"""How well models fit people, as the app above finds it."""

from __future__ import annotations

from collections.abc import Mapping

from annotator.models import Annotator, ModelFit


def keep_fits(*, version: str, signature: str, fits: Mapping[int, tuple[int, int, int]]) -> None:
    """Keep, by annotator, how many choices their own model and the pooled one guessed of how many; in place of what is kept.

    ``version`` says what guessed, ``signature`` on which judgments. Annotators who are gone by now are left out.
    """
    there = Annotator.objects.filter(pk__in=fits).values_list("pk", flat=True)
    rows = [
        ModelFit(annotator_id=pk, version=version, signature=signature, right=right, pooled_right=pooled, of=of)
        for pk in there
        for right, pooled, of in [fits[pk]]
    ]
    ModelFit.objects.bulk_create(
        rows,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["annotator"],
        update_fields=["version", "signature", "right", "pooled_right", "of", "computed_at"],
    )
