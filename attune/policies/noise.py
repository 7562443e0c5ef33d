"""How often annotators contradict themselves: the share ε of flipped labels that rDPO and cDPO need."""

from __future__ import annotations

from collections.abc import Collection
from math import sqrt

from attune.data import Snapshot

LEAST = 10
DECIDED = ("a", "b")


def flip_rate(snapshot: Snapshot, annotators: Collection[str] | None = None) -> float | None:
    """ε from hidden second looks; None where there are fewer than ten.

    Two looks differ when one of them is flipped: P = 2ε(1−ε), hence ε = (1 − √(1 − 2P)) / 2, at most 0.45.
    """
    first: dict[tuple[str, str, str], str] = {}
    same, other = 0, 0
    for each in snapshot.judgments:
        if each.choice not in DECIDED or (annotators is not None and each.annotator not in annotators):
            continue
        key = (each.annotator, min(each.a, each.b), max(each.a, each.b))
        winner = each.a if each.choice == "a" else each.b
        if each.repeat and key in first:
            same, other = same + (winner == first[key]), other + (winner != first[key])
        elif not each.repeat:
            first[key] = winner
    if same + other < LEAST:
        return None
    return min(0.45, (1 - sqrt(max(0.0, 1 - 2 * other / (same + other)))) / 2)
