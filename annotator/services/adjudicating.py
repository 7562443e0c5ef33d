"""The last word on a contested pair or lineup: a row of its own. What the individuals said stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest, NullIf
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Adjudication, Lineup, Pair, User
from annotator.models.content import GOLD_CHOICES
from annotator.services.audit import record
from annotator.services.gold import known_order
from annotator.services.targets import Target, column_of, kind_of, named, rows_like
from annotator.services.texts import text_problem

MAX_NOTE = 10_000


def adjudicate(*, pair: Pair, choice: str, note: str = "", by: User) -> Adjudication:
    """Decide a pair, in its own terms; a later decision is a new revision, and an empty ``choice`` takes it back.

    Raises ``Invalid`` for another choice, and where there is nothing to take back.
    """
    expected = ", ".join(GOLD_CHOICES)
    problem = (
        ""
        if choice in ("", *GOLD_CHOICES)
        else _("“%(choice)s” is none of %(expected)s.") % {"choice": choice[:20], "expected": expected}
    )
    return _decide(pair, choice, {}, note, by, {"choice": problem})


def adjudicate_lineup(
    *,
    lineup: Lineup,
    ranking: Sequence[Sequence[int]] | None = None,
    rating: int | None = None,
    note: str = "",
    by: User,
) -> Adjudication:
    """Decide the order of a ranking or the rating of a response, as ``adjudicate``; with neither, take it back."""
    if (rating if lineup.kind == Lineup.Kind.RANKING else ranking) is not None:
        raise Invalid(_("A ranking is decided by an order, a response to rate by a rating."))
    if ranking is not None:
        return _decide(lineup, "ranked", {"ranking": known_order(ranking, len(lineup.responses))}, note, by, {})
    if rating is None:
        return _decide(lineup, "", {}, note, by, {})
    low, high = lineup.project.scale_ends
    problem = _("The scale goes from %(low)d to %(high)d.") % {"low": low, "high": high}
    said = {"rating": rating, "scale": lineup.project.scale}
    return _decide(lineup, "rated", said, note, by, {"rating": "" if low <= rating <= high else problem})


def ask_another(*, of: Target, by: User) -> None:
    """Let one more person judge it than have so far, like any other.

    Raises ``Conflict`` where it is open to somebody already, or withdrawn.
    """
    rows = rows_like(of)
    with transaction.atomic():
        stored = rows.select_for_update(no_key=True).get(pk=of.pk)
        if stored.withdrawn_at:
            raise Conflict(_("It is withdrawn, so nobody is asked."))
        if stored.taken < (stored.target or stored.cap):
            raise Conflict(_("One more person is asked already, or it was never given to as many as it is for."))
        more = F("taken") + 1
        rows.filter(pk=of.pk).update(
            cap=Greatest(F("cap"), more),
            target=NullIf(Greatest(Coalesce("target", "cap"), more), Greatest(F("cap"), more)),
        )
        record(project=of.project, by=by, what="third opinion asked", **named(of))


def _decide(
    of: Target, choice: str, said: dict[str, object], note: str, by: User, problems: dict[str, str]
) -> Adjudication:
    """``said`` are the columns that go with the choice."""
    problems["note"] = text_problem(note, limit=MAX_NOTE)
    if wrong := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(" ".join(wrong.values()), fields=wrong)
    with transaction.atomic():
        rows_like(of).select_for_update(no_key=True).get(pk=of.pk)
        before = of.adjudications.filter(current=True).first()
        if not choice and not (before and before.choice):
            raise Invalid(_("There is no decision to take back."), fields={"choice": _("Choose an answer.")})
        if before:
            Adjudication.objects.filter(pk=before.pk).update(current=False)
        decided = said.get("ranking") or said.get("rating", choice)
        last = (before.ranking or before.rating or before.choice) if before else ""
        record(
            project=of.project,
            by=by,
            what=f"{kind_of(of)} decided" if choice else "decision taken back",
            values={"decision": [last, decided]},
            **named(of),
        )
        revision = before.revision + 1 if before else 1
        return Adjudication.objects.create(
            project=of.project, revision=revision, choice=choice, note=note.strip(), by=by, **column_of(of), **said
        )
