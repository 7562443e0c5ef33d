"""Whether a direction in the prompt changes what a policy says: the same questions asked in each direction and in the opposite one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attune.direction import ASPECTS, Yardstick
from attune.policies.directions import directed_prompt
from attune.policies.generate import generate
from attune.policies.prompts import Message
from attune.style_features import TRAITS, poles_of

ASKED = 8
"""Questions that are asked in each direction."""
LONGEST = 256


def steered(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[Message]], yardstick: Yardstick, seed: int
) -> dict[str, float]:
    """``steer_<pole>``: how far answers asked for with a trait's second pole are from those asked for with its first, in spreads, and
    ``steer_error_<pole>``, the standard error over questions. Empty for fewer than two prompts."""
    found: dict[str, float] = {}
    for place, trait in enumerate(TRAITS if len(prompts) > 1 else ()):
        there, opposite = (
            yardstick.traits(_said(model, tokenizer, prompts, trait, sign, seed))[:, place] for sign in (1.0, -1.0)
        )
        pole, apart = poles_of(trait)[1], (there - opposite).astype(np.float64)
        found[f"steer_{pole}"] = float(apart.mean())
        found[f"steer_error_{pole}"] = float(apart.std(ddof=1) / np.sqrt(len(apart)))
    return found


def _said(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[Message]], trait: str, sign: float, seed: int
) -> list[str]:
    direction = [sign if name == trait else 0.0 for name in ASPECTS]
    asked = [directed_prompt(each, direction) for each in prompts]
    return [each[0].text for each in generate(model, tokenizer, asked, max_new_tokens=LONGEST, seed=seed)]
