"""What is known of people's tastes, and the rounds in which policies and people answer each other."""

from personalization.models.rounds import PolicyRound, RoundCandidate, RoundPair
from personalization.models.taste import Latent, TraitStatement

__all__ = ["Latent", "PolicyRound", "RoundCandidate", "RoundPair", "TraitStatement"]
