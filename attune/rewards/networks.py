"""Layers as pure functions over named weights, in the operations that numpy and torch share.

Each equation is written once: a fit runs it on torch tensors and differentiates it, a web process runs it on numpy arrays.
Weights of a layer ``name`` are ``name.w`` (in, out) and ``name.b`` (out,).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from attune.rewards.base import Array

Tensor = Any
"""A numpy array or a torch tensor."""
Weights = Mapping[str, Any]

SLOPE = 0.2
FAR = -1e9


def library(x: Tensor) -> Any:
    """The module whose functions take ``x``: numpy, or torch where that has made it."""
    if isinstance(x, np.ndarray | np.generic):
        return np
    import torch

    return torch


def dense_weights(rng: np.random.Generator, name: str, wide: int, out: int, scale: float = 1.0) -> dict[str, Array]:
    """Weights of a layer, He's spread (2015) times ``scale``."""
    drawn = rng.standard_normal((wide, out)) * scale * np.sqrt(2 / wide)
    return {f"{name}.w": drawn.astype(np.float32), f"{name}.b": np.zeros(out, np.float32)}


def dense(x: Tensor, weights: Weights, name: str) -> Tensor:
    """(…, in) to (…, out)."""
    return x @ weights[f"{name}.w"] + weights[f"{name}.b"]


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with slope 0.2."""
    return library(x).maximum(x, SLOPE * x)


def perceptron(x: Tensor, weights: Weights, name: str, layers: int) -> Tensor:
    """``layers`` dense layers ``name.0`` … with LeakyReLU between them."""
    for number in range(layers):
        x = dense(x, weights, f"{name}.{number}")
        if number < layers - 1:
            x = leaky(x)
    return x


def perceptron_weights(
    rng: np.random.Generator, name: str, widths: tuple[int, ...], last: float = 1.0
) -> dict[str, Array]:
    """Weights for ``perceptron``; the last layer's spread is scaled by ``last``."""
    weights: dict[str, Array] = {}
    for number, (wide, out) in enumerate(pairwise(widths)):
        scale = last if number == len(widths) - 2 else 1.0
        weights |= dense_weights(rng, f"{name}.{number}", wide, out, scale)
    return weights


def softmax(x: Tensor) -> Tensor:
    """Over the last axis."""
    xp = library(x)
    powers = xp.exp(x - xp.amax(x, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x: Tensor) -> Tensor:
    """Without overflow."""
    return 0.5 * (1 + library(x).tanh(0.5 * x))


def attend(queries: Tensor, values: Tensor, present: Tensor, weights: Weights, name: str) -> Tensor:
    """One-head attention (…, Q, d) to (…, N, d), residual: what is not ``present`` (…, N) weighs nothing.

    Rows without anything present attend to all alike; callers see to it that there is something.
    """
    xp = library(queries)
    q, k, v = (
        dense(queries, weights, f"{name}.q"),
        dense(values, weights, f"{name}.k"),
        dense(values, weights, f"{name}.v"),
    )
    logits = q @ xp.swapaxes(k, -1, -2) / float(np.sqrt(q.shape[-1]))
    logits = logits + (1 - present)[..., None, :] * FAR
    return queries + dense(softmax(logits) @ v, weights, f"{name}.o")


def attend_weights(rng: np.random.Generator, name: str, width: int) -> dict[str, Array]:
    """Weights for ``attend``."""
    weights: dict[str, Array] = {}
    for part in "qkvo":
        weights |= dense_weights(rng, f"{name}.{part}", width, width, 0.5)
    return weights


def layer_norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    """Over the last axis, with a learnt gain ``name.g`` and shift ``name.b``."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = library(x).sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / scale * weights[f"{name}.g"] + weights[f"{name}.b"]


def layer_norm_weights(name: str, width: int) -> dict[str, Array]:
    """Weights for ``layer_norm``."""
    return {f"{name}.g": np.ones(width, np.float32), f"{name}.b": np.zeros(width, np.float32)}


def mean_loss(margin: Any, choice: Any, weight: Any) -> Any:
    """−log-likelihood of choices in 1, 0 and ½ (a tie) under σ(margin), a mean over the weights."""
    xp = library(margin)
    size = xp.abs(margin)
    losses = xp.log1p(xp.exp(-size)) + xp.maximum(margin, 0 * margin) - choice * margin
    return (weight * losses).sum() / (weight.sum() + 1e-9)
