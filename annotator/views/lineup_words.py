"""Orders as owners read and write them, in the numbers of the responses."""

from __future__ import annotations

from collections.abc import Sequence


def order_words(ranking: Sequence[Sequence[int]]) -> str:
    """``2 › 1 = 3``."""
    return " › ".join(" = ".join(map(str, tier)) for tier in ranking)


def placed(ranking: Sequence[Sequence[int]] | None) -> dict[int, int]:
    """The place of each response, equal ones sharing theirs; empty where there is no order."""
    return {number: place for place, tier in enumerate(ranking or (), start=1) for number in tier}
