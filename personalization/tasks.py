"""The worker's part: one periodic sweep, on the default queue."""

from __future__ import annotations

import logging
import time

from celery import shared_task

from personalization.erasing import carry_out, reapply, sweep_erasures
from personalization.errors import PersonalizationError
from personalization.logins import reapply_logins
from personalization.sweeping import backfill, encode_new_texts, live_versions, resume_jobs

log = logging.getLogger(__name__)

SECONDS_PER_SWEEP = 40.0
SECONDS_PER_SLICE = 60.0
ROUND_HOURS = 4


@shared_task(name="personalization.tasks.sweep")
def sweep() -> None:
    """Encode new texts and adapt missing latents of every live version; what does not fit in comes with the next sweep."""
    until = time.monotonic() + SECONDS_PER_SWEEP
    for project_id, version in live_versions():
        try:
            adapted = backfill(project_id=project_id, version=version, until=until, again=False)
            if encode_new_texts(project_id=project_id, version=version, until=until):
                adapted += backfill(project_id=project_id, version=version, until=until, again=True)
        except PersonalizationError as error:
            log.warning("the sweep leaves project %s out: %s", project_id, error)
            continue
        if adapted:
            log.info("adapted %s annotators of project %s under %s", adapted, project_id, version.label)


@shared_task(name="personalization.tasks.finish_erasure")
def finish_erasure(erasure_id: int) -> None:
    """Take somebody who was erased out of files."""
    carry_out(erasure_id)


@shared_task(name="personalization.tasks.sweep_erasures", expires=60)
def sweep_erasures_due() -> None:
    """Erasures whose message or worker was lost go on."""
    sweep_erasures()


@shared_task(name="personalization.tasks.reapply_erasures", expires=600)
def reapply_erasures() -> None:
    """Whom a restored backup has brought back is erased again."""
    reapply()
    reapply_logins()


@shared_task(
    name="personalization.tasks.write_round",
    soft_time_limit=ROUND_HOURS * 3_600,
    time_limit=ROUND_HOURS * 3_600 + 300,
)
def write_round(round_id: int) -> None:
    """Carry one round of a policy out. Harmless where it is over or in another worker's hands."""
    from personalization.rounds.executing import execute_round

    execute_round(round_id)


@shared_task(
    name="personalization.tasks.run_machine",
    soft_time_limit=ROUND_HOURS * 3_600,
    time_limit=ROUND_HOURS * 3_600 + 300,
)
def run_machine(run_id: int) -> None:
    """Let a machine annotator judge, a judge elsewhere for a while at a time. Harmless where it is over or another worker's."""
    from personalization.machines.executing import execute_machine_run

    execute_machine_run(run_id, seconds=SECONDS_PER_SLICE)


@shared_task(name="personalization.tasks.sweep_jobs", expires=30)
def sweep_jobs() -> None:
    """Jobs whose message or worker was lost go on."""
    resume_jobs()
