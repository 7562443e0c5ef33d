"""What machine annotators had said of pairs, for somebody who has judged them: ``settings.ATTUNE_OPINIONS``."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from annotator.models import HINDSIGHT, Assignment, Judgment
from annotator.services.opinions import Opinion, OpinionRequest
from personalization.models import MachineJudgment

_NONE = MachineJudgment.Choice.NONE


def opinions_for(request: OpinionRequest) -> list[Opinion]:
    """Opinions that are there already, of machines in use; one statement, and nothing is asked of a machine.

    Only of pairs that the annotator's own standing judgment is of, whatever the request says, and of none that waits for their
    second look with hindsight.
    """
    own = {"annotator": request.annotator_id, "pair": OuterRef("pair")}
    judged = Judgment.objects.filter(**own, current=True, withdrawn=False).exclude(choice=Judgment.Choice.SKIP)
    asked_again = Assignment.objects.filter(**own, occasion=HINDSIGHT, state=Assignment.State.OPEN)
    rows = MachineJudgment.objects.filter(
        Exists(judged),
        ~Exists(asked_again),
        pair__in=request.pairs,
        machine__project=request.project_id,
        machine__retired_at=None,
    )
    rows = rows.exclude(choice=_NONE).order_by("machine")
    return [Opinion(*row) for row in rows.values_list("pair", "machine__name", "choice", "swayed")]
