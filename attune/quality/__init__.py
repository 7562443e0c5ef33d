"""Whether judgments can be trusted: agreement, habits, coherence, aggregates. Statistics on plain arrays; no Django, no torch.

An *answer* is what somebody said of a pair in the pair's own terms, as an index into ``ANSWERS``.
"""

ANSWERS = ("a", "b", "tie", "both_bad", "both_good")
