"""The tiny language model that ships with Attune: 2.2 million parameters, everyday answers in many styles."""

from importlib.resources import files
from pathlib import Path

TINY = "tiny"
"""The name by which the model that ships with Attune is asked for."""


def tiny_folder() -> Path:
    """Where the weights, the tokenizer and the model card lie."""
    return Path(str(files("attune.policies.tiny"))) / "model"
