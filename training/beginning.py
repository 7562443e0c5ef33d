"""Where a run's fit begins: at the live version, for a refit on new evidence; else at nothing."""

from __future__ import annotations

from django.utils.translation import gettext as _

from attune import artifact
from attune.errors import ArtifactError
from attune.rewards.base import RewardModel
from training import store
from training.errors import StoreError
from training.models import ModelVersion, Run
from training.runs import note


def begin_from_live(run: Run, model: RewardModel) -> None:
    """Offer the model what the live version's fit left, if that is of the same kind and nobody in it was erased since.

    Where it can't be read the fit begins from nothing, and a line of the run's log says why.
    """
    if run.trigger != Run.Trigger.EVIDENCE:
        return
    same = ModelVersion.objects.filter(
        project=run.project_id, model_name=run.model_name, encoder=run.encoder, run__options=run.options, erased=0
    )
    live = same.filter(state=ModelVersion.State.LIVE).first()
    if live is None:
        return
    try:
        folder = store.fetch_folder(live.path)
        if left := artifact.load_left(folder, live.digest):
            model.begin_from(artifact.load(folder, live.digest), left)
    except (ArtifactError, StoreError) as error:
        why = {"model": live.label, "error": error}
        note(run, _("Begins from nothing, as %(model)s can’t be read: %(error)s") % why)
