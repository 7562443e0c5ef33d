"""The tiny language model in numpy: log-probabilities of responses after an opening that is read once and kept.

A Llama as transformers computes it (rotary positions by halves, RMS norms, SwiGLU, tied embeddings), in float32. It is here so that a
web process can score without torch; a test holds it to transformers' own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError

Array = NDArray[np.float32]
BLOCK = 256
"""Positions of an opening that are read at once: what lies after a block costs it nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the weights do not tell."""

    layers: int
    heads: int
    theta: float = 10_000.0
    epsilon: float = 1e-6


@dataclass(frozen=True, slots=True)
class Opening:
    """Keys and values (heads, T, width) of each layer after reading T tokens."""

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    length: int


class Llama:
    """Weights by transformers' names. Raises ``ArtifactError`` where one is missing."""

    def __init__(self, weights: Mapping[str, Array], shape: Shape) -> None:
        self.shape = shape
        try:
            self.embedding = weights["model.embed_tokens.weight"]
            self.norm = weights["model.norm.weight"]
            self.layers = [_Layer(weights, f"model.layers.{number}.") for number in range(shape.layers)]
        except KeyError as missing:
            raise ArtifactError(f"the language model lacks {missing}") from None

    def read(self, tokens: Sequence[int]) -> Opening:
        """Read an opening of T ≥ 1 tokens."""
        opening = Opening((), (), 0)
        for start in range(0, len(tokens), BLOCK):
            _, opening = self._forward(tokens[start : start + BLOCK], opening)
        return opening

    def log_prob(self, opening: Opening, asked: Sequence[int], said: Sequence[int]) -> float:
        """log π(said | opening, asked), summed over tokens; ``asked`` holds one token at least."""
        states, _ = self._forward([*asked, *said[:-1]], opening)
        logits = states[len(asked) - 1 :] @ self.embedding.T  # (R, V)
        top = logits.max(axis=1)
        total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        return float((logits[np.arange(len(said)), list(said)] - total).sum())

    def write(self, opening: Opening, asked: Sequence[int], end: int, most: int) -> list[int]:
        """The likeliest tokens after the opening and ``asked``, one at a time, up to ``end`` (left out) or ``most`` of them."""
        said: list[int] = []
        tokens = list(asked)
        while len(said) < most:
            states, opening = self._forward(tokens, opening)
            tokens = [int(np.argmax(states[-1] @ self.embedding.T))]
            if tokens[0] == end:
                break
            said += tokens
        return said

    def _forward(self, tokens: Sequence[int], opening: Opening) -> tuple[Array, Opening]:
        """States (L, d) of L tokens after the opening, and the opening grown by them."""
        x = self.embedding[list(tokens)]
        heads, length = self.shape.heads, len(tokens)
        width = x.shape[1] // heads
        turn = _rotation(opening.length, length, width, self.shape.theta)
        later = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        hidden = np.concatenate([np.zeros((length, opening.length), np.float32), later], axis=1)  # (L, T + L)
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            y = _rms(x, layer.before, self.shape.epsilon)
            q, k, v = (
                (y @ each.T).reshape(length, heads, width).transpose(1, 0, 2) for each in (layer.q, layer.k, layer.v)
            )
            q, k = _rotated(q, turn), _rotated(k, turn)
            if opening.length:
                k = np.concatenate([opening.keys[number], k], axis=1)
                v = np.concatenate([opening.values[number], v], axis=1)
            weights = q @ k.transpose(0, 2, 1) * np.float32(width**-0.5) + hidden  # (heads, L, T + L)
            np.exp(weights - weights.max(axis=2, keepdims=True), out=weights)
            weights /= weights.sum(axis=2, keepdims=True)
            x = x + (weights @ v).transpose(1, 0, 2).reshape(length, -1) @ layer.o.T
            y = _rms(x, layer.after, self.shape.epsilon)
            gate = y @ layer.gate.T
            x = x + (gate / (1 + np.exp(-gate)) * (y @ layer.up.T)) @ layer.down.T
            keys.append(k)
            values.append(v)
        states = _rms(x, self.norm, self.shape.epsilon)
        return states, Opening(tuple(keys), tuple(values), opening.length + length)


class _Layer:
    """One layer's weights."""

    def __init__(self, weights: Mapping[str, Array], prefix: str) -> None:
        self.before, self.after = (weights[f"{prefix}{name}_layernorm.weight"] for name in ("input", "post_attention"))
        self.q, self.k, self.v, self.o = (weights[f"{prefix}self_attn.{name}_proj.weight"] for name in "qkvo")
        self.gate, self.up, self.down = (weights[f"{prefix}mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))


def _rms(x: Array, scale: Array, epsilon: float) -> Array:
    return np.asarray(x / np.sqrt((x * x).mean(axis=1, keepdims=True) + np.float32(epsilon)) * scale)


def _rotation(start: int, length: int, width: int, theta: float) -> tuple[Array, Array]:
    """cos and sin (L, width) of positions from ``start`` on."""
    rates = theta ** -(np.arange(0, width, 2) / width)
    angles = np.arange(start, start + length)[:, None] * rates
    both = np.concatenate([angles, angles], axis=1)
    return np.cos(both).astype(np.float32), np.sin(both).astype(np.float32)


def _rotated(x: Array, turn: tuple[Array, Array]) -> Array:
    half = x.shape[2] // 2
    return np.asarray(x * turn[0] + np.concatenate([-x[..., half:], x[..., :half]], axis=2) * turn[1])
