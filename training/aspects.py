"""What was said of single aspects, as marks on judgments: ``a+aspect:helpful`` where response a is the better one in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from annotator.models import Project
from annotator.models.judging import AspectComparison, AspectRating
from attune.rewards.aspects import RATED


def aspect_marks(project: Project) -> Mapping[int, tuple[str, ...]]:
    """By judgment, for the aspects in which its author found one response better: compared so, or rated higher.

    No query about judgments where the project never asked about aspects.
    """
    keys = dict(project.aspects.values_list("pk", "key"))
    if not keys:
        return {}
    marks: defaultdict[int, list[str]] = defaultdict(list)
    said = AspectComparison.objects.filter(aspect__in=keys, choice__in=("a", "b")).order_by("pk")
    for judgment, aspect, choice in said.values_list("judgment_id", "aspect_id", "choice").iterator():
        marks[judgment].append(f"{choice}+{RATED}{keys[aspect]}")
    rated = AspectRating.objects.filter(aspect__in=keys, value__isnull=False).order_by("pk")
    columns = ("judgment_id", "aspect_id", "response_id", "judgment__pair__response_a_id", "value")
    values: defaultdict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for judgment, aspect, response, response_a, value in rated.values_list(*columns).iterator():
        values[judgment, aspect]["a" if response == response_a else "b"] = value
    for (judgment, aspect), both in values.items():
        if len(both) == 2 and both["a"] != both["b"]:
            marks[judgment].append(f"{'a' if both['a'] > both['b'] else 'b'}+{RATED}{keys[aspect]}")
    return {judgment: tuple(found) for judgment, found in marks.items()}
