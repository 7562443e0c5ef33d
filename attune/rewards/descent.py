"""Stochastic gradient descent with torch: AdamW, warm-up and a cosine. On a GPU where there is one.

All randomness is drawn by numpy before it comes here, so that a processor and a GPU take the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array

Batch = Mapping[str, NDArray[Any]]
Loss = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]
"""Parameters and a batch, both as tensors, to scalars by name; ``loss`` is what is minimised."""

WARM_UP = 0.03
CLIP = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rate, its multiples for some parameters by name, and AdamW's weight decay."""

    rate: float = 3e-3
    times: Mapping[str, float] = field(default_factory=dict)
    decay: float = 1e-3


def descend(
    start: Mapping[str, Array],
    constants: Mapping[str, Array],
    loss: Loss,
    batches: Iterable[Batch],
    *,
    steps: int,
    rates: Rates,
    report: Callable[[int, Mapping[str, float]], None],
) -> dict[str, Array]:
    """The parameters after ``steps`` of descent from ``start``; ``constants`` go along, unchanged, on the same device."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    fixed = {name: torch.as_tensor(np.array(value), device=device) for name, value in constants.items()}
    moving = {name: torch.as_tensor(np.array(value), device=device).requires_grad_() for name, value in start.items()}
    groups = [{"params": [each], "lr": rates.rate * rates.times.get(name, 1.0)} for name, each in moving.items()]
    optimiser = torch.optim.AdamW(groups, weight_decay=rates.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    for step, batch in zip(range(1, steps + 1), batches, strict=False):
        on_device = {name: torch.as_tensor(value, device=device) for name, value in batch.items()}
        found = loss({**fixed, **moving}, on_device)
        optimiser.zero_grad()
        found["loss"].backward()
        torch.nn.utils.clip_grad_norm_(list(moving.values()), CLIP)
        optimiser.step()
        schedule.step()
        if step % 10 == 0 or step == steps:
            report(step, {name: float(value.detach()) for name, value in found.items()})
    return {name: each.detach().cpu().numpy().astype(np.float32) for name, each in moving.items()}


def _share(step: int, steps: int) -> float:
    """Of the full rate: linear warm-up, then half a cosine."""
    warm = max(1, round(WARM_UP * steps))
    return (step + 1) / warm if step < warm else 0.5 * (1 + cos(pi * (step - warm) / max(1, steps - warm)))
