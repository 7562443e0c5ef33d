"""What takes things away: withdrawn pairs, which can come back, and a deleted project, which can't."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.exports.keeping import forget_project
from annotator.imports.batches import delete_uploads, stored_files
from annotator.models import Assignment, Erasure, JobState, Pair, Project, User
from annotator.services.audit import record
from annotator.services.leaving import finish_erasure, open_door
from annotator.services.pictures import remove_pictures

BULK = (
    "DELETE FROM annotator_rationale USING annotator_judgment AS j WHERE judgment_id = j.id AND j.project_id = %s",
    "DELETE FROM annotator_span USING annotator_judgment AS j WHERE judgment_id = j.id AND j.project_id = %s",
    "DELETE FROM annotator_flag USING annotator_judgment AS j WHERE judgment_id = j.id AND j.project_id = %s",
    "DELETE FROM annotator_aspectrating USING annotator_judgment AS j WHERE judgment_id = j.id AND j.project_id = %s",
    "DELETE FROM annotator_aspectcomparison USING annotator_judgment AS j WHERE judgment_id = j.id AND j.project_id = %s",
    "DELETE FROM annotator_draft USING annotator_assignment AS a WHERE assignment_id = a.id AND a.project_id = %s",
    "DELETE FROM annotator_judgment WHERE project_id = %s",
    "DELETE FROM annotator_adjudication WHERE project_id = %s",
    "DELETE FROM annotator_pair WHERE project_id = %s",
    "DELETE FROM annotator_lineup WHERE project_id = %s",
    "DELETE FROM annotator_assignment WHERE project_id = %s",
    "DELETE FROM annotator_response USING annotator_prompt AS p WHERE prompt_id = p.id AND p.project_id = %s",
    "DELETE FROM annotator_prompt WHERE project_id = %s",
    "DELETE FROM annotator_picture WHERE project_id = %s",
)
"""What there can be tens of thousands of; Django would load every row first. Foreign keys are checked at the end."""


def withdraw_pair(*, pair: Pair, by: User) -> None:
    """Show the pair to nobody any more; its judgments stay, and who has it open is told when they submit."""
    with transaction.atomic():
        if Pair.objects.filter(pk=pair.pk, withdrawn_at=None).update(withdrawn_at=timezone.now()):
            open_ones = Assignment.objects.filter(pair=pair, state=Assignment.State.OPEN)
            open_ones.update(state=Assignment.State.RELEASED)
            record(project=pair.project, by=by, what="pair withdrawn", pair=pair.pk)


def restore_pair(*, pair: Pair, by: User) -> None:
    """Undo ``withdraw_pair``."""
    with transaction.atomic():
        if Pair.objects.filter(pk=pair.pk, withdrawn_at__isnull=False).update(withdrawn_at=None):
            record(project=pair.project, by=by, what="pair restored", pair=pair.pk)


def delete_project(*, project: Project, by: User, typed: str) -> None:
    """Erase the project with its judgments, models and uploads, once its name was ``typed`` as it is written.

    What remains is an audit entry without a project.
    Raises ``Invalid`` where the name differs.
    """
    if typed.strip() != project.name.strip():
        raise Invalid(
            _("Nothing was deleted."),
            fields={"typed": _("“%(typed)s” is not the project’s name.") % {"typed": typed.strip()[:80]}},
        )
    uploads, number = stored_files(project), project.pk
    about = {"slug": project.slug, "name": project.name, "judgments": project.judgments.count()}
    with transaction.atomic():
        erasure = Erasure.objects.create(whole_project=number, by=by, state=JobState.RUNNING)
        open_door(erasure)
        with connection.cursor() as cursor:
            for statement in BULK:
                cursor.execute(statement, [project.pk])
        project.delete()
        finish_erasure(erasure=erasure)
        record(project=None, by=by, what="project deleted", **about)
        transaction.on_commit(lambda: delete_uploads(uploads))
        transaction.on_commit(lambda: forget_project(number))
        transaction.on_commit(lambda: remove_pictures(number))
