"""When somebody who judges may be asked about themselves: rarely, and ever more so."""

from __future__ import annotations


def may_ask(judgments: int) -> bool:
    """Whether a question may come after so many judgments: 0, 1, 2, 4, 8, …"""
    return judgments & (judgments - 1) == 0


def questions_by(judgments: int) -> int:
    """How many questions may have come by then: one at each of these numbers."""
    return judgments.bit_length() + 1
