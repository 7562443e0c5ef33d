"""Aspects: what the owner asks about beside the choice, what is said of them, and how much each matters to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import (
    Annotator,
    Aspect,
    AspectComparison,
    AspectImportance,
    AspectRating,
    Judgment,
    Project,
    User,
)
from annotator.services.audit import record
from annotator.services.marks import SIDES, Side
from annotator.services.texts import text_problem

MAX_ASPECTS = 12
MAX_NAME = 80
_WAYS = Aspect.Way.values
_FLIPPED = {"a": "b", "b": "a"}

Better = Literal["left", "right", "tie", "na"]


@dataclass(frozen=True, slots=True)
class Rated:
    """One side's place on an aspect's scale, 1 … steps; None: it does not apply."""

    aspect: str
    side: Side
    value: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Which side is better on an aspect; ``na``: it does not apply."""

    aspect: str
    better: Better


@dataclass(frozen=True, slots=True)
class AspectAsked:
    """An aspect as the owner sets it up; ``key`` is empty for a new one."""

    name: str
    way: str
    steps: int = 5
    key: str = ""


def aspects_of(project: Project) -> list[Aspect]:
    """What is asked now, in the owner's order. Read once for each project object."""
    if "asked" not in project.__dict__:
        project.__dict__["asked"] = list(Aspect.objects.filter(project=project, retired_at=None))
    asked: list[Aspect] = project.__dict__["asked"]
    return asked


def know_aspects(project: Project, asked: list[Aspect]) -> None:
    """Spare ``aspects_of`` the query, where they were read with the project."""
    project.__dict__["asked"] = asked


def aspects_problem(
    said: Iterable[Rated | Compared], project: Project, places: Sequence[Side] = SIDES, *, compares: bool = True
) -> str:
    """What is wrong with the first that can't be stored, in words; empty if all can.

    ``places`` are those of the screen; without ``compares`` there is nothing to compare.
    """
    said = list(said)
    if not said:
        return ""
    known = {aspect.key: aspect for aspect in aspects_of(project)}
    seen: set[tuple[str, str]] = set()
    for each in said:
        side = each.side if isinstance(each, Rated) else ""
        if not compares and isinstance(each, Compared):
            return _("Aspects are compared of pairs only.")
        if problem := _problem(each, known, places) or (
            _("“%(aspect)s” is answered twice.") % {"aspect": each.aspect} if (each.aspect, side) in seen else ""
        ):
            return problem
        seen.add((each.aspect, side))
    return ""


def _problem(said: Rated | Compared, known: Mapping[str, Aspect], places: Sequence[Side]) -> str:
    aspect = known.get(said.aspect)
    if aspect is None:
        return _("“%(aspect)s” is not an aspect of this project (%(known)s).") % {
            "aspect": said.aspect,
            "known": ", ".join(known) or _("it has none"),
        }
    if isinstance(said, Compared):
        if aspect.way != Aspect.Way.COMPARE:
            return _("“%(name)s” is rated on a scale for each response, not compared.") % {"name": aspect.name}
        return (
            ""
            if said.better in (*SIDES, "tie", "na")
            else _("“%(better)s” is none of left, right, tie, na.") % {"better": said.better}
        )
    if aspect.way != Aspect.Way.RATE:
        return _("“%(name)s” is compared, not rated.") % {"name": aspect.name}
    if said.side not in places:
        return _("“%(side)s” is not a side.") % {"side": said.side}
    fits = said.value is None or 1 <= said.value <= aspect.steps
    return (
        ""
        if fits
        else _("“%(name)s” goes from 1 to %(steps)s; %(value)s is not on it.")
        % {"name": aspect.name, "steps": aspect.steps, "value": said.value}
    )


def store_aspects(judgment: Judgment, said: Sequence[Rated | Compared], sides: Mapping[Side, int]) -> None:
    """Insert what was said with a judgment; ``sides`` are the responses' ids as shown."""
    ids = {aspect.key: aspect.pk for aspect in aspects_of(judgment.project)}
    own = dict(zip(sorted(sides.values()), "ab", strict=False))  # a pair's a is the older
    AspectRating.objects.bulk_create(
        AspectRating(judgment=judgment, aspect_id=ids[each.aspect], response_id=sides[each.side], value=each.value)
        for each in said
        if isinstance(each, Rated)
    )
    AspectComparison.objects.bulk_create(
        AspectComparison(
            judgment=judgment,
            aspect_id=ids[each.aspect],
            choice=next((own[sides[side]] for side in SIDES if side == each.better), each.better),
        )
        for each in said
        if isinstance(each, Compared)
    )


def with_aspects() -> tuple[Prefetch[str], Prefetch[str]]:
    """What ``said_of`` reads of each judgment, for all of a queryset at once."""
    return (
        Prefetch("aspect_ratings", AspectRating.objects.select_related("aspect").order_by("aspect__position", "pk")),
        Prefetch("aspect_comparisons", AspectComparison.objects.select_related("aspect").order_by("aspect__position")),
    )


def said_of(judgment: Judgment, places: Mapping[int, Side]) -> tuple[Rated | Compared, ...]:
    """What was said with a stored judgment, on the sides as shown; ``places`` are those of the responses.

    Two queries, unless it was read ``with_aspects``.
    """
    prefetch_related_objects([judgment], *with_aspects())
    rated, compared = judgment.aspect_ratings.all(), judgment.aspect_comparisons.all()
    left = "b" if judgment.swapped else "a"
    better: dict[str, Better] = {"tie": "tie", "na": "na", left: "left"}
    return (
        *(Rated(r.aspect.key, places[r.response_id], r.value) for r in rated),
        *(Compared(c.aspect.key, better.get(c.choice, "right")) for c in compared),
    )


def set_aspects(*, project: Project, by: User, asked: Sequence[AspectAsked]) -> None:
    """Ask for these aspects from now on, in this order; ones left out are retired and keep what was said of them.

    Raises ``Invalid`` with ``fields`` by the rows' numbers. A retired aspect comes back with its key. The way of asking
    and the steps of an aspect that was answered stay as they are: a changed one is a new aspect.
    """
    rows = [row for row in asked if row.name.strip()]
    if wrong := {str(n): problem for n, row in enumerate(rows) if (problem := _asked_problem(row))}:
        raise Invalid(_("The aspects can’t be saved so."), fields=wrong)
    if len(rows) > MAX_ASPECTS:
        raise Invalid(_("At most %(max_aspects)s aspects, not %(n)s.") % {"max_aspects": MAX_ASPECTS, "n": len(rows)})
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        stored = {aspect.key: aspect for aspect in Aspect.objects.filter(project=project)}
        kept = [_keep(project, row, place, stored) for place, row in enumerate(rows)]
        gone = Aspect.objects.filter(project=project, retired_at=None).exclude(pk__in=kept)
        gone.update(retired_at=timezone.now())
        record(project=project, by=by, what="aspects changed", aspects=[row.name.strip() for row in rows])
    project.__dict__.pop("asked", None)


def _asked_problem(row: AspectAsked) -> str:
    if problem := text_problem(row.name, limit=MAX_NAME):
        return problem
    if row.way not in _WAYS:
        return _("“%(way)s” is none of %(known)s.") % {"way": row.way, "known": ", ".join(_WAYS)}
    return "" if 2 <= row.steps <= 10 else _("A scale has 2 to 10 steps, not %(steps)s.") % {"steps": row.steps}


def _keep(project: Project, row: AspectAsked, place: int, stored: dict[str, Aspect]) -> int:
    name = row.name.strip()
    aspect = stored.get(row.key or slugify(name)[:40])
    if aspect and (aspect.way, aspect.steps) != (row.way, row.steps) and _answered(aspect):
        if row.key:
            raise Invalid(
                _("“%(name)s” has answers: its way of asking stays. Retire it and add another.") % {"name": aspect.name}
            )
        aspect = None
    if aspect is None:
        key = _free_key(slugify(name)[:36] or f"aspect-{place + 1}", stored)
        aspect = stored[key] = Aspect(project=project, key=key)
    aspect.name, aspect.way, aspect.steps, aspect.position, aspect.retired_at = name, row.way, row.steps, place, None
    aspect.save()
    return aspect.pk


def _answered(aspect: Aspect) -> bool:
    return aspect.ratings.exists() or aspect.comparisons.exists()


def _free_key(key: str, stored: Mapping[str, Aspect]) -> str:
    names = [key, *(f"{key}-{n}" for n in range(2, 2 + len(stored)))]
    return next(name for name in names if name not in stored)


def set_importance(*, annotator: Annotator, keys: Sequence[str]) -> None:
    """Store the annotator's order of the aspects, the most important first; all of them, each once. Raises ``Invalid``."""
    ids = {aspect.key: aspect.pk for aspect in aspects_of(annotator.project)}
    if sorted(keys) != sorted(ids):
        expected = ", ".join(ids) or _("it has none")
        raise Invalid(
            _("Every aspect (%(expected)s) must be there once.") % {"expected": expected},
            fields={"order": _("not every aspect once")},
        )
    with transaction.atomic():
        Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
        AspectImportance.objects.filter(annotator=annotator).delete()
        AspectImportance.objects.bulk_create(
            AspectImportance(annotator=annotator, aspect_id=ids[key], place=place)
            for place, key in enumerate(keys, start=1)
        )


def importance_of(annotator: Annotator) -> list[Aspect]:
    """The aspects in the annotator's order; those that they have not ordered come after, in the owner's."""
    places = dict(AspectImportance.objects.filter(annotator=annotator).values_list("aspect", "place"))
    return sorted(aspects_of(annotator.project), key=lambda aspect: (places.get(aspect.pk, 1_000), aspect.position))


def has_order(annotator: Annotator) -> bool:
    """Whether they have said what matters to them."""
    return AspectImportance.objects.filter(annotator=annotator).exists()


def other_way_round(said: object) -> object:
    """What a file says of an aspect (a choice, or a place on the scale for each response) with a and b exchanged."""
    if isinstance(said, dict):
        return {_FLIPPED[side]: value for side, value in said.items()}
    return _FLIPPED.get(str(said), said)
