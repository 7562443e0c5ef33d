"""Directions on the sphere, on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from attune.direction import ASPECTS, Yardstick, unit
from attune.errors import BadData
from attune.style_features import TRAITS

TEXTS = [
    "Boil it.",
    "Boil it for ten minutes, and then rinse it well with cold water.",
    "Hey, just grab some vinegar, okay?",
]


def test_only_how_weights_stand_to_each_other_counts() -> None:
    assert unit([3.0, 4.0]).tolist() == pytest.approx([0.6, 0.8])
    assert unit([30.0, 40.0]).tolist() == pytest.approx(unit([3.0, 4.0]).tolist())
    for wrong in ([0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]):
        with pytest.raises(BadData, match="no direction"):
            unit(wrong)


def test_traits_are_centred_with_spread_one_over_the_reference() -> None:
    traits = Yardstick.of(TEXTS).traits(TEXTS)
    assert traits.shape == (3, len(TRAITS))
    assert len(ASPECTS) == len(TRAITS) + 1
    assert np.abs(traits.mean(axis=0)).max() < 1e-5
    assert set(np.round(traits.std(axis=0), 4).tolist()) <= {0.0, 1.0}
    names = list(TRAITS)
    assert traits[:, names.index("concise–detailed")].argmax() == 1
    assert traits[:, names.index("formal–casual")].argmax() == 2


def test_a_yardstick_needs_two_texts() -> None:
    with pytest.raises(BadData, match="expected at least 2"):
        Yardstick.of(["One."])
