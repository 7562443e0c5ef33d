"""What people's reasons teach of *reading texts*: the directions of the mapped features that reasons speak of.

A text shows far more than people care for, and a few hundred texts are too few to learn from choices alone what of it matters. Reasons
name it: where a tag ("tone") or a word is given for a response, that response has more of what its giver likes in it. Let ρ_p be a tag or
word of a judgment, with the sign of the side that it speaks for, ŵ what is inferred of the giver's taste, and a_p the direction in which a
taste and a difference agree most where p is given (of A_p in ``attune.rewards.reasons``). A tag has no sign of its own, as both who likes
short answers and who likes long ones say "length", but its giver's taste has. A ridge regression of the difference Δφ of the two texts,

    E[Δφ | ρ, ŵ] = f₀ ρ₀ + Σ_p ρ_p sign⟨a_p, ŵ⟩ f_p,

with ρ₀ the preference, whose part is left out, tells what p speaks of, and (E[ΔφΔφᵀ] + τI)⁻¹ f_p √n_p where it is read off, n_p times given.
Along the leading of these directions a person's weights on text are given a prior spread of their own beside the one that all of text has,
which is chosen on held-out people and is 0 where it does not help (``attune.rewards.rehearsal.choose_readings``). They are linear in the features: texts
that nobody has judged are read alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.rewards.base import Array
from attune.rewards.reasons import Why, ridge

MOST = 16
"""Directions that are kept."""
TEXT_RIDGE = 3.0
"""τ. From 3 to 1,000 the directions tell simulated styles equally well; at .1 they fit the noise."""


def learn_readings(
    why: Why, given: sparse.csr_array, outcome: NDArray[np.int64], taste: NDArray[np.float64], apart: Array
) -> Array:
    """Directions (F, D), the leading first, from N judgments that have reasons, given (N, P): outcome (N,), the authors' tastes (N, R),
    and apart (N, F), the differences of mapped features.

    Over these judgments differences are uncorrelated along them, with unit spread along the first, and the less the less is said of them.
    """
    _, vectors = np.linalg.eigh(why.alike.astype(np.float64))
    signed = sparse.csr_array(given.multiply(np.sign(taste @ vectors[:, :, -1].T)))
    differences = apart.astype(np.float64)
    spoken = ridge(signed, np.asarray(outcome, np.float64), differences)
    times = np.sqrt(np.asarray(signed.power(2).sum(axis=0)).ravel())
    second = differences.T @ differences / len(differences)
    read = np.linalg.solve(second + TEXT_RIDGE * np.eye(len(second)), (spoken * times[:, None]).T)
    values, turn = np.linalg.eigh(read.T @ second @ read)
    leading = turn[:, ::-1][:, :MOST] / np.sqrt(max(float(values[-1]), 1e-12))
    return np.asarray(read @ leading, np.float32)
