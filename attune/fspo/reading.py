"""Readings: one annotator's judgments as openings of a prompt, and the rewards of texts after them. Numpy only.

A reading is a row (OPENING,) of the tokens of some shots, zeros after them. Several readings hold the same shots in different orders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from attune.fspo.llama import Llama, Opening, Shape
from attune.fspo.tokens import DESCRIPTION_TOKENS, FOLDER, Text, pieces, words_of
from attune.recent import Recent

Array = NDArray[np.float32]
Shot = tuple[int, ...]
"""Its tokens."""

OPENING = 1600
"""Tokens of a reading at most; shots that do not fit any more are left out."""
READER_TOKENS = DESCRIPTION_TOKENS + 8
"""Kept free for what is said of the reader in words."""
OPENINGS_KEPT = 6


def readings_of(
    shots: Sequence[Shot], count: int, most: int, reader: Callable[[Sequence[Shot]], Sequence[int]] | None = None
) -> tuple[Array, int]:
    """``count`` readings (count, OPENING) of at most ``most`` shots each, and the most that one of them holds.

    ``reader`` gives the tokens that say in words whom a reading's shots are of, at most ``READER_TOKENS``; they come last.
    """
    readings = np.zeros((count, OPENING), np.float32)
    used = 0
    for number, row in enumerate(readings):
        chosen = _fitting(_shuffled(shots, number)[:most], OPENING - READER_TOKENS if reader else OPENING)
        tokens = [token for shot in chosen for token in shot]
        if reader and chosen:
            tokens += reader(chosen)
        row[: len(tokens)] = tokens
        used = max(used, len(chosen))
    return readings, used


class Reader:
    """Two language models: r = β [log π(y|x, reading) − log π_ref(y|x, reading)]. What was read lately is kept."""

    def __init__(self, policy: Mapping[str, Array], reference: Mapping[str, Array], beta: float) -> None:
        shape = _shape()
        self._policy, self._reference, self.beta = Llama(policy, shape), Llama(reference, shape), beta
        self._openings: Recent[bytes, tuple[Opening, Opening]] = Recent(OPENINGS_KEPT)

    def rewards(self, readings: Array, texts: Sequence[Text]) -> Array:
        """The reward of each of N texts under each reading, (readings, N); under one where none holds a shot, as all are equal."""
        rows = readings if readings[0].any() else readings[:1]
        found = []
        with threadpool_limits(limits=1):
            for row in rows:
                once = {text: self._reward(row, text) for text in dict.fromkeys(texts)}
                found.append([once[text] for text in texts])
        return np.array(found, np.float32).reshape(len(rows), len(texts))

    def describe(self, shots: Sequence[Shot]) -> str:
        """What the policy writes of the reader after these shots."""
        with threadpool_limits(limits=1):
            opening = self._policy.read(pieces().opening(shots))
            asked, _ = pieces().describing("")
            return words_of(self._policy.write(opening, asked, pieces().end, DESCRIPTION_TOKENS))

    def _reward(self, row: Array, text: Text) -> float:
        asked, said = pieces().closing(text)
        policy, reference = self._opened(row)
        return self.beta * (
            self._policy.log_prob(policy, asked, said) - self._reference.log_prob(reference, asked, said)
        )

    def _opened(self, row: Array) -> tuple[Opening, Opening]:
        """The reading, read by both language models."""
        key = row.tobytes()
        if (known := self._openings.get(key)) is None:
            length = int(np.count_nonzero(row))  # token 0 begins a prompt and is in no shot
            tokens = pieces().opening([row[:length].astype(np.int64).tolist()])
            known = self._policy.read(tokens), self._reference.read(tokens)
            self._openings.keep(key, known)
        return known


def _shuffled(shots: Sequence[Shot], reading: int) -> list[Shot]:
    """An order that hangs on the shots and the reading alone."""
    return sorted(
        shots, key=lambda shot: hashlib.sha256(b"%d:" % reading + np.array(shot, np.int64).tobytes()).digest()
    )


def _fitting(shots: Sequence[Shot], room: int) -> list[Shot]:
    chosen: list[Shot] = []
    for shot in shots:
        if len(shot) <= room:
            chosen.append(shot)
            room -= len(shot)
    return chosen


def _shape() -> Shape:
    config = json.loads((FOLDER / "config.json").read_text())
    theta = float(config["rope_parameters"]["rope_theta"])
    return Shape(config["num_hidden_layers"], config["num_attention_heads"], theta, config["rms_norm_eps"])
