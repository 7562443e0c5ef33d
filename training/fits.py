"""After a run: how well models fit people, on what the run has frozen. The quality report tells tastes apart by it."""

from __future__ import annotations

import logging

from annotator.models import JobState, ModelFit
from annotator.services.fits import keep_fits
from attune.crossfit import cross_fitted
from attune.encoders import encode_cached
from training.models import Run
from training.snapshots import load_snapshot
from training.vectors import PostgresVectorStore

log = logging.getLogger(__name__)

MODEL = "hybrid"
"""What measures: quick to fit, and good for people of whom little is known; whatever the project serves."""


def measure_fits(run: Run | None) -> int:
    """Measure everybody in the run's snapshot, once for a snapshot. Returns how many; none of a run that did not end well.

    A run has ended by then, and what goes wrong here changes nothing of it: the report goes on with what it has.
    """
    if run is None or run.state != JobState.DONE or run.snapshot is None:
        return 0
    try:
        return _measure(run)
    except Exception:
        log.exception("no model fits of %s of %s", run, run.project)
        return 0


def _measure(run: Run) -> int:
    assert run.snapshot
    encoder = run.project.encoder  # the run's may be one that its own model alone reads
    signature = f"{encoder}:{run.snapshot.digest}"[:80]
    if ModelFit.objects.filter(annotator__project=run.project_id, version=MODEL, signature=signature).exists():
        return 0
    snapshot = load_snapshot(run.snapshot)
    texts = {each.id: (each.prompt, each.text) for each in snapshot.responses.values()}
    features = encode_cached(encoder, texts, PostgresVectorStore())  # all known since the run, as a rule
    found = cross_fitted(snapshot, features, encoder=encoder, model_name=MODEL)
    keep_fits(
        version=MODEL,
        signature=signature,
        fits={int(name): (each.right, each.pooled, each.of) for name, each in found.items()},
    )
    return len(found)
