"""The worker's part: one periodic sweep, on the default queue."""

from __future__ import annotations

import logging
import time

from celery import shared_task

from personalization.errors import PersonalizationError
from personalization.sweeping import backfill, encode_new_texts, live_versions

log = logging.getLogger(__name__)

SECONDS_PER_SWEEP = 40.0


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
