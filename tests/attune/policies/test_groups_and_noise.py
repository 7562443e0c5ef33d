"""Like-minded groups and the share of flipped labels, on people whose truth is known."""

from __future__ import annotations

import pytest

from attune.data import Judgment, Snapshot
from attune.errors import BadData
from attune.policies.groups import like_minded
from attune.policies.noise import flip_rate
from attune.rewards import create
from attune.simulate import load_starter, simulate
from attune.style_features import style_vector


def test_prototypes_are_found_again() -> None:
    """People of two opposite prototypes, parted by what a fitted model knows of them."""
    world = simulate(load_starter(), annotators=24, judgments=2400, seed=3)
    wanted = {name: person.prototype for name, person in world.people.items()}
    two = {name: kind for name, kind in wanted.items() if kind in ("to the point", "good company")}
    snapshot = Snapshot(world.responses, tuple(each for each in world.judgments if each.annotator in two), "d")
    features = {key: style_vector(each.text) for key, each in world.responses.items()}
    model = create("hybrid")
    model.fit(snapshot, features, encoder="style", seed=0)
    groups = like_minded(model, snapshot, 2)
    assert groups == like_minded(model, snapshot, 2)
    same = sum((groups[name] == 0) == (kind == "to the point") for name, kind in two.items())
    assert max(same, len(two) - same) >= len(two) - 1
    with pytest.raises(BadData, match="8 annotators that the model knows cannot make 9 groups"):
        like_minded(model, snapshot, 9)


def looks(differ: int, of: int) -> Snapshot:
    said = []
    for number in range(of):
        a, b = f"a{number}", f"b{number}"
        said += [Judgment("u", a, b, "a"), Judgment("u", b, a, "a" if number < differ else "b", repeat=True)]
    return Snapshot({}, tuple(said), "d")


def test_the_share_of_flips_by_hand() -> None:
    """P = 0.32 = 2 · 0.2 · 0.8."""
    assert flip_rate(looks(32, 100)) == pytest.approx(0.2)
    assert flip_rate(looks(0, 10)) == 0.0
    assert flip_rate(looks(80, 100)) == 0.45
    assert flip_rate(looks(3, 9)) is None
    assert flip_rate(looks(32, 100), annotators=["v"]) is None
