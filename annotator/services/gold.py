"""Known answers: an owner says what is right of a pair or a lineup, and it becomes a check instead of a question."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Lineup, Pair, Project, User
from annotator.models.content import GOLD_CHOICES, NO_CAP
from annotator.models.projects import scale_ends
from annotator.services.audit import record
from annotator.services.slots import slots_of


def set_gold(*, pair: Pair, choice: str, qualifying: bool = False, by: User | None) -> None:
    """Make ``choice``, in the pair's own terms, the pair's known answer; empty makes it an ordinary pair again.

    Everybody may get a gold pair, at the project's rate; a ``qualifying`` one is asked before anything else. What was
    said of the pair stays and is held against the answer from now on. Raises ``Invalid`` for another choice.
    """
    if choice not in ("", *GOLD_CHOICES):
        raise Invalid(
            _("“%(choice)s” is no answer; expected one of %(known)s, or nothing.")
            % {"choice": choice[:20], "known": ", ".join(GOLD_CHOICES)},
            fields={"choice": _("Choose one of the answers.")},
        )
    qualifying = qualifying and bool(choice)
    with transaction.atomic():
        stored = Pair.objects.select_for_update().get(pk=pair.pk)
        before = (stored.gold_choice, stored.qualifying)
        if before == (choice, qualifying):
            return
        stored.gold_choice, stored.qualifying = choice, qualifying
        if choice:
            stored.target, stored.cap = None, NO_CAP
        elif before[0]:
            stored.target, stored.cap = _ordinary_slots(pair.project, stored)
        stored.save(update_fields=["gold_choice", "qualifying", "target", "cap"])
        values: dict[str, list[object]] = {"answer": [before[0], choice], "qualifying": [before[1], qualifying]}
        changed = {name: both for name, both in values.items() if both[0] != both[1]}
        record(project=pair.project, by=by, what="known answer written", pair=pair.pk, values=changed)
    pair.gold_choice, pair.qualifying, pair.target, pair.cap = choice, qualifying, stored.target, stored.cap


def set_gold_lineup(
    *,
    lineup: Lineup,
    ranking: Sequence[Sequence[int]] | None = None,
    rating: tuple[int, int] | None = None,
    qualifying: bool = False,
    by: User | None,
) -> None:
    """Write the known order of a ranking, or the lowest and the highest rating that are right; without, an ordinary lineup.

    ``ranking`` names the responses by their numbers, as ``Judgment.ranking`` does; where two are tied, nothing is known of
    which is better. As ``set_gold`` otherwise. Raises ``Invalid``.
    """
    is_ranking = lineup.kind == Lineup.Kind.RANKING
    if (rating if is_ranking else ranking) is not None:
        raise Invalid(_("A ranking has a known order, a response to rate has a known rating."))
    order = None if ranking is None else known_order(ranking, len(lineup.responses))
    scale = "" if rating is None else known_rating(rating, lineup.project.scale)
    low, high = rating or (None, None)
    qualifying = qualifying and (order, low) != (None, None)
    with transaction.atomic():
        stored = Lineup.objects.select_for_update().get(pk=lineup.pk)
        before = (stored.gold_ranking, stored.gold_low, stored.gold_high, stored.gold_scale, stored.qualifying)
        after = (order, low, high, scale, qualifying)
        if before == after:
            return
        was = stored.gold
        stored.gold_ranking, stored.gold_low, stored.gold_high, stored.gold_scale, stored.qualifying = after
        if stored.gold:
            stored.target, stored.cap = None, NO_CAP
        elif was:
            stored.target, stored.cap = _ordinary_slots(lineup.project, stored)
        fields = ["gold_ranking", "gold_low", "gold_high", "gold_scale", "qualifying", "target", "cap"]
        stored.save(update_fields=fields)
        values: dict[str, list[object]] = {"answer": [before[0] or before[1:3], order or [low, high]]}
        if before[-1] != qualifying:
            values["qualifying"] = [before[-1], qualifying]
        record(project=lineup.project, by=by, what="known answer written", lineup=lineup.pk, values=values)


def known_order(ranking: Sequence[Sequence[int]], responses: int) -> list[list[int]]:
    """The order of so many responses as it is kept. Raises ``Invalid`` unless it places every response once and decides something."""
    placed = sorted(number for tier in ranking for number in tier)
    if placed != list(range(1, responses + 1)) or not all(ranking):
        problem = _("Every response needs one place in the order; equal ones may share it.")
        raise Invalid(problem, fields={"ranking": problem})
    if len(ranking) < 2:
        problem = _("An order in which all are equal tells nothing.")
        raise Invalid(problem, fields={"ranking": problem})
    return [sorted(tier) for tier in ranking]


def known_rating(rating: tuple[int, int], scale: str) -> str:
    """The ``scale``, which it is on. Raises ``Invalid`` unless both ends are on it, in order, and leave something out."""
    lowest, highest = scale_ends(scale)
    low, high = rating
    if not lowest <= low <= high <= highest:
        problem = _("The scale goes from %(low)d to %(high)d, and the lower rating comes first.")
        problem %= {"low": lowest, "high": highest}
        raise Invalid(problem, fields={"rating": problem})
    if (low, high) == (lowest, highest):
        problem = _("If every rating is right, nothing is known.")
        raise Invalid(problem, fields={"rating": problem})
    return scale


def _ordinary_slots(project: Project, of: Pair | Lineup) -> tuple[int | None, int]:
    """Target and cap of what is no longer gold: the set-up's, and room for those who have it."""
    target, cap = slots_of(project, of.shuffle)
    cap = max(cap, of.taken)
    return (target if target and target < cap else None), cap
