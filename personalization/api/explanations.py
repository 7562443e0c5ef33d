"""An explanation as the API gives it."""

from __future__ import annotations

from dataclasses import asdict

from personalization.explaining import Explanation

DIGITS = 6
"""Of rewards; below that is float32's noise."""


def explanation(why: Explanation | None) -> dict[str, object] | None:
    """JSON-ready; null where there was nothing to compare."""
    if why is None:
        return None
    return {
        "first": why.first,
        "second": why.second,
        "margin": round(why.margin, DIGITS),
        "std": round(why.std, DIGITS),
        "traits": [
            {"trait": each.name, "estimate": each.estimate, "low": each.low, "high": each.high} for each in why.traits
        ],
        "judgments": [{**asdict(each), "moved": round(each.moved, DIGITS)} for each in why.judgments],
        "tags": [{"tag": tag, "count": count} for tag, count in why.tags],
    }
