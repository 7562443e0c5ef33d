"""Frozen data, attempts to fit it, and what came of them."""

from training.models.registry import ModelVersion, Promotion
from training.models.runs import Doubt, Run, RunEvent, Snapshot
from training.models.vectors import TextVector

__all__ = ["Doubt", "ModelVersion", "Promotion", "Run", "RunEvent", "Snapshot", "TextVector"]
