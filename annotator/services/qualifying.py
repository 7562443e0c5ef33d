"""Qualification: pairs with a known answer that an annotator is asked before anything else, where the project says so."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, F, Max, Q
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Judgment, QualityStep, User
from annotator.services.audit import record

What = QualityStep.What


def is_qualifying(annotator: Annotator) -> bool:
    """Whether the annotator has yet to answer the project's qualification pairs."""
    return annotator.project.qualify_share is not None and annotator.qualified is None


def has_open(annotator: Annotator) -> bool:
    """Whether the annotator holds a qualification pair that they have not answered."""
    return annotator.assignments.filter(state=Assignment.State.OPEN, pair__qualifying=True).exists()


def settle(*, annotator: Annotator) -> bool:
    """Decide on an annotator who has answered all qualification pairs; a skipped one counts as wrong.

    Sets ``annotator.qualified`` and returns it. Without such pairs everybody passes, which is not remembered.
    """
    pairs = annotator.project.pairs.filter(qualifying=True, withdrawn_at=None)
    since = annotator.quality_steps.filter(what=What.AGAIN).values_list("last_judgment", flat=True).first() or 0
    answered = Judgment.objects.filter(annotator=annotator, pair__in=pairs, current=True, withdrawn=False, occasion=0)
    count = answered.filter(pk__gt=since).aggregate(
        right=Count("pk", filter=Q(choice=F("pair__gold_choice"))), of=Count("pk")
    )
    if not count["of"]:
        return True
    passed: bool = count["right"] >= (annotator.project.qualify_share or 0) * count["of"]
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk, qualified=None).update(qualified=passed):
            figures = {**count, "bar": annotator.project.qualify_share}
            _step(annotator, What.PASSED if passed else What.FAILED, None, figures)
    annotator.qualified = passed
    return passed


def qualify(*, annotator: Annotator, by: User) -> None:
    """Let somebody pass without the qualification pairs, or in spite of their answers."""
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk).exclude(qualified=True).update(qualified=True):
            _step(annotator, What.PASSED, by)
            record(project=annotator.project, by=by, what="annotator qualified", annotator=annotator.ref)


def try_again(*, annotator: Annotator, by: User) -> None:
    """Let somebody who failed go on once there are qualification pairs that they have not answered.

    Raises ``Conflict`` where there are none: the same pairs would tell nothing new.
    """
    answered = Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False).values("pair")
    if not annotator.project.pairs.filter(qualifying=True, withdrawn_at=None).exclude(pk__in=answered).exists():
        raise Conflict(
            _("%(display_name)s has answered every qualification pair. Add others first.")
            % {"display_name": annotator.display_name}
        )
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk, qualified=False).update(qualified=None):
            _step(
                annotator,
                What.AGAIN,
                by,
                last=Judgment.objects.filter(annotator=annotator).aggregate(last=Max("pk"))["last"],
            )
            record(project=annotator.project, by=by, what="may qualify again", annotator=annotator.ref)


def _step(
    annotator: Annotator,
    what: QualityStep.What,
    by: User | None,
    figures: dict[str, object] | None = None,
    last: int | None = None,
) -> None:
    QualityStep.objects.create(
        project=annotator.project,
        annotator=annotator,
        what=what,
        by=by,
        figures=figures or {},
        last_judgment=last or 0,
    )
