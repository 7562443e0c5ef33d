"""Work that can wait: texts nobody has encoded yet, and latents nobody has asked for since a version went live.

Requests never depend on it. It only makes the first of them faster, and lets new texts be ranked before a refit.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotator.models import Annotator, JobState, Judgment, Response
from annotator.services import jobs
from personalization.latents import refresh
from personalization.machines.managing import queue_machine_run
from personalization.models import Latent, MachineRun, PolicyRound
from personalization.rounds.starting import queue_round
from personalization.scorer.client import TEXTS_PER_REQUEST, vectors_for
from training.models import ModelVersion, TextVector
from training.serving import ServedVersion, served
from training.sweeping import RESEND_AFTER
from training.vectors import PostgresVectorStore

log = logging.getLogger(__name__)


def live_versions() -> list[tuple[int, ServedVersion]]:
    """Project and live version, for every project that has one and is not archived."""
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE, project__archived_at=None).order_by("pk")
    return [(version.project_id, served(version)) for version in live]


def encode_new_texts(*, project_id: int, version: ServedVersion, until: float) -> bool:
    """Encode the project's responses that have no vector yet, before the monotonic time ``until``. True when none is left.

    Raises ``ScorerAway`` or ``ScorerBusy``; what was encoded before that stays.
    """
    known = TextVector.objects.filter(encoder=version.encoder, digest=OuterRef("digest"))
    new = Response.objects.filter(~Exists(known), prompt__project=project_id).order_by("pk")
    if not settings.SCORER_URL:
        return not new.exists()
    while rows := list(new.values_list("digest", "prompt__text", "text")[:TEXTS_PER_REQUEST]):
        if time.monotonic() > until:
            return False
        texts = {digest: (prompt, text) for digest, prompt, text in rows}
        vectors_for(encoder=version.encoder, texts=texts, store=PostgresVectorStore())
    return True


def backfill(*, project_id: int, version: ServedVersion, until: float, again: bool) -> int:
    """Adapt the annotators with judgments who have no latent under this version. Returns how many.

    ``again`` also takes those whose latent left judgments out for want of vectors. Stops at the monotonic time ``until``.
    """
    judged = Judgment.objects.filter(annotator=OuterRef("pk"), current=True, withdrawn=False)
    done = Latent.objects.filter(~Q(n_unused__gt=0) if again else Q(), annotator=OuterRef("pk"), version=version.id)
    missing = Annotator.objects.filter(Exists(judged), ~Exists(done), project=project_id).order_by("pk")
    adapted = 0
    for annotator_id in missing.values_list("pk", flat=True):
        if time.monotonic() > until:
            break
        refresh(annotator_id=annotator_id, served=version)
        adapted += 1
    return adapted


def resume_jobs() -> None:
    """Put jobs back whose worker fell silent, and send the messages of those that have none. A broker that is away ends it."""
    now = timezone.now()
    unsent = Q(queued_at=None) | Q(queued_at__lt=now - RESEND_AFTER) | Q(started_at__gt=F("queued_at"))
    for model, send in ((PolicyRound, queue_round), (MachineRun, queue_machine_run)):
        jobs.requeue_expired(model=model)
        waiting = model.objects.filter(unsent, state=JobState.WAITING).order_by("pk")
        for pk in waiting.values_list("pk", flat=True):
            try:
                send(pk)
            except (OperationalError, OSError) as error:
                log.warning("no message for %s %s (%s); the next sweep will send it", model.__name__, pk, error)
                return
