"""The tiny language model that ships with Attune: 2.2 million parameters, everyday answers in many styles."""

from importlib.resources import files
from pathlib import Path

TINY = "tiny"
"""The name by which the model that ships with Attune is asked for."""
TINY_BETA = 0.5
"""β for its DPO-like losses at 200 judgments and the default learning rate; 0.1 moves it so far that it stops making sense."""
TINY_SOFT_BETA = 0.3
"""β for ``soft``, whose margins are bounded by what strengths say."""


def tiny_folder() -> Path:
    """Where the weights, the tokenizer and the model card lie."""
    return Path(str(files("attune.policies.tiny"))) / "model"
