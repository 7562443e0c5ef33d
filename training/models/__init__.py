"""Frozen data, attempts to learn from it, and what came of them."""

from training.models.policies import PolicyEvent, PolicyRun, PolicyVersion, Scope
from training.models.registry import ModelVersion, Promotion
from training.models.runs import Doubt, Run, RunEvent, Snapshot, SnapshotPerson
from training.models.trials import PolicyReply, PolicyTrial
from training.models.vectors import TextVector

__all__ = [
    "Doubt",
    "ModelVersion",
    "PolicyEvent",
    "PolicyReply",
    "PolicyRun",
    "PolicyTrial",
    "PolicyVersion",
    "Promotion",
    "Run",
    "RunEvent",
    "Scope",
    "Snapshot",
    "SnapshotPerson",
    "TextVector",
]
