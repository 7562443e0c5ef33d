"""What a worker does for an uploaded file."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="annotator.imports.read_batch")
def read_batch(batch_id: int) -> None:
    """Read a confirmed file into its project. Harmless where it is done or in another worker's hands."""
    from annotator.imports.batches import run_batch

    run_batch(batch_id=batch_id)
