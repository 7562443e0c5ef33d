"""The last word on a contested pair: a row of its own. What the individuals said stays as it is."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest, NullIf

from annotator.errors import Conflict, Invalid
from annotator.models import Adjudication, Pair, User
from annotator.models.content import GOLD_CHOICES
from annotator.services.audit import record
from annotator.services.texts import text_problem

MAX_NOTE = 10_000


def adjudicate(*, pair: Pair, choice: str, note: str = "", by: User) -> Adjudication:
    """Decide a pair, in its own terms; a later decision is a new revision, and an empty ``choice`` takes it back.

    Raises ``Invalid`` for another choice, and where there is nothing to take back.
    """
    fields = {
        "choice": "" if choice in ("", *GOLD_CHOICES) else f"“{choice[:20]}” is none of {', '.join(GOLD_CHOICES)}.",
        "note": text_problem(note, limit=MAX_NOTE),
    }
    if wrong := {name: problem for name, problem in fields.items() if problem}:
        raise Invalid(" ".join(wrong.values()), fields=wrong)
    with transaction.atomic():
        Pair.objects.select_for_update(no_key=True).get(pk=pair.pk)
        before = pair.adjudications.filter(current=True).first()
        if not choice and not (before and before.choice):
            raise Invalid("There is no decision to take back.", fields={"choice": "Choose an answer."})
        if before:
            Adjudication.objects.filter(pk=before.pk).update(current=False)
        record(
            project=pair.project,
            by=by,
            what="pair decided" if choice else "decision taken back",
            pair=pair.pk,
            values={"decision": [before.choice if before else "", choice]},
        )
        return Adjudication.objects.create(
            project=pair.project,
            pair=pair,
            revision=before.revision + 1 if before else 1,
            choice=choice,
            note=note.strip(),
            by=by,
        )


def ask_another(*, pair: Pair, by: User) -> None:
    """Let one more person judge the pair than have so far, like any other pair.

    Raises ``Conflict`` where it is open to somebody already, or withdrawn.
    """
    with transaction.atomic():
        stored = Pair.objects.select_for_update(no_key=True).get(pk=pair.pk)
        if stored.withdrawn_at:
            raise Conflict("The pair is withdrawn, so nobody is asked.")
        if stored.taken < (stored.target or stored.cap):
            raise Conflict("One more person is asked already, or the pair was never given to as many as it is for.")
        more = F("taken") + 1
        Pair.objects.filter(pk=pair.pk).update(
            cap=Greatest(F("cap"), more),
            target=NullIf(Greatest(Coalesce("target", "cap"), more), Greatest(F("cap"), more)),
        )
        record(project=pair.project, by=by, what="third opinion asked", pair=pair.pk)
