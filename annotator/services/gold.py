"""Known answers: an owner says what is right of a pair, and it becomes a check instead of a question."""

from __future__ import annotations

from django.db import transaction

from annotator.errors import Invalid
from annotator.models import Pair, User
from annotator.models.content import GOLD_CHOICES, NO_CAP
from annotator.services.audit import record
from annotator.services.slots import slots_of


def set_gold(*, pair: Pair, choice: str, qualifying: bool = False, by: User | None) -> None:
    """Make ``choice``, in the pair's own terms, the pair's known answer; empty makes it an ordinary pair again.

    Everybody may get a gold pair, at the project's rate; a ``qualifying`` one is asked before anything else. What was
    said of the pair stays and is held against the answer from now on. Raises ``Invalid`` for another choice.
    """
    if choice not in ("", *GOLD_CHOICES):
        raise Invalid(
            f"“{choice[:20]}” is no answer; expected one of {', '.join(GOLD_CHOICES)}, or nothing.",
            fields={"choice": "Choose one of the answers."},
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
            target, cap = slots_of(pair.project, stored.shuffle)
            stored.cap = max(cap, stored.taken)
            stored.target = target if target and target < stored.cap else None
        stored.save(update_fields=["gold_choice", "qualifying", "target", "cap"])
        values: dict[str, list[object]] = {"answer": [before[0], choice], "qualifying": [before[1], qualifying]}
        changed = {name: both for name, both in values.items() if both[0] != both[1]}
        record(project=pair.project, by=by, what="known answer written", pair=pair.pk, values=changed)
    pair.gold_choice, pair.qualifying, pair.target, pair.cap = choice, qualifying, stored.target, stored.cap
