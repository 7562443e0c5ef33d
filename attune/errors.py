"""The one error family of the core. Interfaces translate it; nobody catches bare exceptions."""


class AttuneError(Exception):
    """Base of every error that the core raises on purpose; its text is fit to show to a person."""


class BadData(AttuneError):
    """A row, field or file is not what was expected. Says which, its value, and what was expected."""


class UnknownResponse(AttuneError):
    """A response that the model has not seen was asked for without its features."""


class NotFitted(AttuneError):
    """A model was asked to adapt or score before it was fitted or loaded."""


class ArtifactError(AttuneError):
    """An artifact's files are missing, changed since they were hashed, or of an unknown kind."""


class EncoderMismatch(AttuneError):
    """A model was given features of another encoder or width than it was fitted on."""


class Cancelled(AttuneError):
    """The caller asked a fit to stop."""
