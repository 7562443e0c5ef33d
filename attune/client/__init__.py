"""Attune over HTTP: personal rewards for trainers, and everything else that the API does. Needs neither torch nor Django.

from attune.client import Client, RewardClient

rewards = RewardClient(project="everyday", user="p-17")   # address and token from the environment or `attune login`
rewards.score("How long do I boil an egg?", ["Eight minutes.", "It depends …"]).scores
GRPOTrainer(…, reward_funcs=rewards.as_trl(), …)
"""

from attune.client.aio import AsyncClient
from attune.client.errors import ApiError, ClientError, NotFoundError, Unreachable
from attune.client.options import Aggregate, Normalize, RankOptions, ScoreOptions
from attune.client.results import Best, Judgment, Pair, Place, Preference, Ranking, RewardRow, Run, Scores
from attune.client.rewards import AsyncRewardClient, RewardClient
from attune.client.said import InlineJudgment, ReasonTag
from attune.client.sync import Client
from attune.client.transport import Retry

__all__ = [
    "Aggregate",
    "ApiError",
    "AsyncClient",
    "AsyncRewardClient",
    "Best",
    "Client",
    "ClientError",
    "InlineJudgment",
    "Judgment",
    "Normalize",
    "NotFoundError",
    "Pair",
    "Place",
    "Preference",
    "RankOptions",
    "Ranking",
    "ReasonTag",
    "Retry",
    "RewardClient",
    "RewardRow",
    "Run",
    "ScoreOptions",
    "Scores",
    "Unreachable",
]
