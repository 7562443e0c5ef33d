"""What is known of people's tastes, rounds in which policies and people answer each other, and what programs say beside people."""

from personalization.models.machines import MachineAnnotator, MachineJudgment, MachineRun
from personalization.models.rounds import PolicyRound, RoundCandidate, RoundPair
from personalization.models.taste import Latent, TraitStatement

__all__ = [
    "Latent",
    "MachineAnnotator",
    "MachineJudgment",
    "MachineRun",
    "PolicyRound",
    "RoundCandidate",
    "RoundPair",
    "TraitStatement",
]
