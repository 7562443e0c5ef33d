"""Personal reward models, one a file, behind the contract of ``attune.rewards.base``; here is the registry by name.

A model's module is imported when its name is first asked for, so that the registry itself stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from attune.errors import ArtifactError, BadData
from attune.rewards.base import RewardModel
from attune.rewards.settings import Setting, settings_of

MODELS = {
    "bradley_terry": "attune.rewards.bradley_terry:BradleyTerry",
    "hybrid": "attune.rewards.hybrid:Hybrid",
    "vpl": "attune.rewards.vpl:VPL",
    "pal_a": "attune.rewards.pal:PALA",
    "pal_b": "attune.rewards.pal:PALB",
    "fewshot": "attune.rewards.fewshot:Fewshot",
    "fspo": "attune.rewards.fspo:FSPO",
    "gpm": "attune.rewards.gpm:GPM",
    "mixture": "attune.rewards.mixture:Mixture",
    "aspects": "attune.rewards.aspects:Aspects",
    "ensemble": "attune.rewards.ensemble:Ensemble",
}
DEFAULT_MODEL = "hybrid"


def names() -> list[str]:
    """The names that ``create`` knows, pooled baseline first."""
    return list(MODELS)


def names_that_aim_at_margins() -> list[str]:
    """Those of them whose fits heed ``attune.data.Judgment.margin``."""
    return [name for name in MODELS if model_class(name).aims_at_margins]


def create(name: str = DEFAULT_MODEL, **options: Any) -> RewardModel:
    """An unfitted model with its options. Raises ``BadData`` for an unknown name or option."""
    if name not in MODELS:
        raise BadData(f"model {name!r} is not known; expected one of {', '.join(MODELS)}")
    try:
        return model_class(name)(**options)
    except BadData as error:
        raise BadData(f"model {name!r}: {error}") from None


def settings(name: str) -> list[Setting]:
    """The options that a model takes, for pages and help."""
    return settings_of(model_class(name).Settings)


def encoder_for(name: str, otherwise: str) -> str:
    """The encoder that a model brings along, or else the project's."""
    return model_class(name).own_encoder or otherwise


def model_class(name: str) -> type[RewardModel]:
    """The class behind a name. Raises ``ArtifactError`` for an unknown one: an artifact asked for it."""
    if name not in MODELS:
        raise ArtifactError(f"model {name!r} is not known to this version; expected one of {', '.join(MODELS)}")
    module, _, attribute = MODELS[name].partition(":")
    found: type[RewardModel] = getattr(import_module(module), attribute)
    return found
