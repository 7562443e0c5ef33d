"""A second look: once a first judgment is stored, some are asked again with what came of following each response.

RLHF from hindsight (Liang et al. 2025, "RLHS: Mitigating Misalignment in RLHF with Hindsight Simulation") judges
outcomes instead of promises. Which judgments are asked again is chance, drawn with the first lease and read from its key,
so that taking a judgment back and giving it again draws no second time.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from annotator.models import HINDSIGHT, Assignment, Judgment
from annotator.statements import Statement

WAITS = timedelta(days=14)
"""So long a second look waits for its annotator; it takes nobody's place."""
CHOSEN_BY = "hindsight"
_LEND = Statement("""
INSERT INTO annotator_assignment (key, project_id, pair_id, annotator_id, occasion, swapped, state, lease_until, chosen_by,
    guess, guess_version, dealt_at, follows_id)
SELECT %(key)s::uuid, first.project_id, first.pair_id, first.annotator_id, 2, first.swapped, 'open',
    %(until)s::timestamptz, %(chosen_by)s::text, NULL, '', now(), %(follows)s::bigint
FROM annotator_assignment first JOIN annotator_pair p ON p.id = first.pair_id
JOIN annotator_response ra ON ra.id = p.response_a_id JOIN annotator_response rb ON rb.id = p.response_b_id
WHERE first.id = %(first)s AND ra.consequence <> '' AND rb.consequence <> ''
ON CONFLICT DO NOTHING RETURNING id
""")
_LEND_LINEUP = Statement("""
INSERT INTO annotator_assignment (key, project_id, lineup_id, annotator_id, occasion, swapped, shown, state, lease_until,
    chosen_by, guess_version, dealt_at, follows_id)
SELECT %(key)s::uuid, first.project_id, first.lineup_id, first.annotator_id, 2, false, first.shown, 'open',
    %(until)s::timestamptz, %(chosen_by)s::text, '', now(), %(follows)s::bigint
FROM annotator_assignment first JOIN annotator_lineup u ON u.id = first.lineup_id
WHERE first.id = %(first)s AND NOT EXISTS (
    SELECT 1 FROM annotator_response r WHERE r.id = ANY (u.responses) AND r.consequence = '')
ON CONFLICT DO NOTHING RETURNING id
""")


def drawn(key: UUID, rate: float) -> bool:
    """Whether the judgment under a lease with this random key is asked again: a share ``rate`` of them."""
    return (key.int & 0xFFFFFFFF) / 2**32 < rate


def ask_again(*, judgment: Judgment, lease_key: UUID) -> bool:
    """Lend the same a second time if the draw says so and every response has a consequence. In the caller's transaction.

    It is shown on the same sides, or in the same order. True where it is lent now.
    """
    rate, answered = judgment.project.hindsight_rate, judgment.choice != Judgment.Choice.SKIP
    if judgment.occasion or not answered or not drawn(lease_key, rate):
        return False
    values = {
        "key": uuid4(),
        "until": timezone.now() + WAITS,
        "chosen_by": CHOSEN_BY,
        "follows": judgment.pk,
        "first": judgment.assignment_id,
    }
    return bool((_LEND if judgment.pair_id else _LEND_LINEUP).run(values))


def take_back(*, judgment: Judgment) -> None:
    """A first judgment is taken back: nothing is asked of it any more, until it is given again."""
    if judgment.occasion == 0:
        asked = Assignment.objects.filter(annotator=judgment.annotator_id, occasion=HINDSIGHT)
        asked = asked.filter(pair=judgment.pair_id, lineup=judgment.lineup_id)
        asked.filter(state=Assignment.State.OPEN).update(state=Assignment.State.RELEASED)
