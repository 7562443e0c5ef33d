"""Qualification: what has a known answer and is asked before anything else, where the project says so.

Pairs, rankings and ratings alike, each one check; a ranking counts with the share of couples that it has in the known order.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Judgment, Lineup, Pair, Project, QualityStep, User
from annotator.selectors.placed import qualifying_answers
from annotator.selectors.qualifying import counting_answers
from annotator.services.audit import record
from attune.quality.lineups import gold_score

What = QualityStep.What


def is_qualifying(annotator: Annotator) -> bool:
    """Whether the annotator has yet to answer the project's qualification questions."""
    return annotator.project.qualify_share is not None and annotator.qualified is None


def has_open(annotator: Annotator) -> bool:
    """Whether the annotator holds one that they have not answered, of what the project asks for."""
    pairs, lineups = _asked(annotator.project)
    held = annotator.assignments.filter(state=Assignment.State.OPEN)
    return held.filter(Q(pair__in=pairs) | Q(lineup__in=lineups)).exists()


def has_unanswered(annotator: Annotator) -> bool:
    """Whether there is one, held or not, that they have not answered, of what the project asks for."""
    pairs, lineups = _asked(annotator.project)
    judged = Judgment.objects.filter(annotator=annotator)
    return (
        has_open(annotator)
        or pairs.exclude(pk__in=judged.filter(pair__isnull=False).values("pair")).exists()
        or lineups.exclude(pk__in=judged.filter(lineup__isnull=False).values("lineup")).exists()
    )


def settle(*, annotator: Annotator) -> bool:
    """Decide on an annotator who has answered all qualification questions; a skipped one counts as wrong.

    What was taken back or changed counts as ``counting_answers`` says, and only an owner changes a decision. Sets
    ``annotator.qualified`` and returns it. Without any everybody passes, which is not remembered.
    """
    since = annotator.quality_steps.filter(what=What.AGAIN).values_list("last_judgment", flat=True).first() or 0
    counting = counting_answers(annotator, since=since)
    count = Judgment.objects.filter(pk__in=counting, pair__isnull=False).aggregate(
        right=Count("pk", filter=Q(choice=F("pair__gold_choice"))), of=Count("pk")
    )
    placed = qualifying_answers(counting)
    right = count["right"] + sum(gold_score(each) for each in placed if each)
    of = count["of"] + len(placed)
    if not of:
        return True
    passed: bool = right / of >= (annotator.project.qualify_share or 0)
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk, qualified=None).update(qualified=passed):
            figures = {"right": round(right, 2), "of": of, "bar": annotator.project.qualify_share}
            _step(annotator, What.PASSED if passed else What.FAILED, None, figures)
    annotator.qualified = passed
    return passed


def qualify(*, annotator: Annotator, by: User) -> None:
    """Let somebody pass without the qualification, or in spite of their answers."""
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk).exclude(qualified=True).update(qualified=True):
            _step(annotator, What.PASSED, by)
            record(project=annotator.project, by=by, what="annotator qualified", annotator=annotator.ref)


def try_again(*, annotator: Annotator, by: User) -> None:
    """Let somebody who failed go on once there is something to qualify with that they have not answered.

    Raises ``Conflict`` where there is nothing: the same would tell nothing new.
    """
    if not has_unanswered(annotator):
        raise Conflict(
            _("%(display_name)s has answered every qualification question. Add others first.")
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


def _asked(project: Project) -> tuple[QuerySet[Pair], QuerySet[Lineup]]:
    """What one qualifies with, of the kinds that the project asks for."""
    pairs = project.pairs.filter(qualifying=True, withdrawn_at=None)
    lineups = project.lineups.filter(qualifying=True, withdrawn_at=None, kind__in=project.kinds)
    return pairs if Judgment.Kind.PAIR in project.kinds else pairs.none(), lineups


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
