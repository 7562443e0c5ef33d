"""The errors of this app; pages and commands translate them as they do the annotator app's."""

from __future__ import annotations

from annotator.errors import AnnotatorError


class TrainingError(AnnotatorError):
    """Base of every error that this app raises on purpose."""

    code = "training"
    status = 409


class NothingToLearn(TrainingError):
    """The project's judgments prefer no response over another, so no model can come of them."""

    code = "nothing_to_learn"
    status = 422


class StoreError(TrainingError):
    """The artifacts storage did not take or give a folder: no space, no right, no such folder."""

    code = "artifact_store"
    status = 503
