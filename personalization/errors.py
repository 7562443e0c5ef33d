"""What can go wrong between a judgment and a reward. Pages and API translate these as they do ``AnnotatorError``."""

from __future__ import annotations

from annotator.errors import AnnotatorError


class PersonalizationError(AnnotatorError):
    """Base of this package's errors."""


class NoModel(PersonalizationError):
    """The project has no live model yet."""

    code = "no_model"
    status = 409


class ModelUnusable(PersonalizationError):
    """The model's files are missing or damaged, or it does not fit its encoder."""

    code = "model_unusable"
    status = 503


class ScorerAway(PersonalizationError):
    """A new text has to be encoded, and no scorer does it: none is configured, or it does not answer."""

    code = "scorer_away"
    status = 503
    retry_after = 5


class ScorerBusy(PersonalizationError):
    """The scorer's queue is full; ``retry_after`` says for how many seconds."""

    code = "scorer_busy"
    status = 429

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MachineUnusable(PersonalizationError):
    """A machine annotator can't judge: its key, its endpoint or its model is not to be had."""

    code = "machine_unusable"
    status = 409
