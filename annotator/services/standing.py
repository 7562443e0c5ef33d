"""What follows from failed checks: owners are told, the annotator is paused, or their judgments leave the training data.

Every step is a row that nothing rewrites (``QualityStep``), with the figures of that moment. Checks count once: after
a step, or after an owner restored somebody, only later answers are held against the bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone

from annotator.models import Annotator, Project, QualityStep, User, Webhook
from annotator.selectors.placed import checks_since
from annotator.services.audit import record
from annotator.services.members import pause_annotator
from annotator.services.webhooks import tell
from attune.quality.lineups import gold_score, likeness

What = QualityStep.What
_ALERTS = (What.WARNED, What.PAUSED, What.DROPPED)
_SETTLING = [What.WARNED, What.PAUSED, What.DROPPED, What.RESTORED]

# Only people: a simulated annotator is a program, and its owner knows how good it is.
_CHECKS = """
WITH since AS (
    SELECT who.id AS annotator, COALESCE(max(step.last_judgment), 0) AS last
    FROM annotator_annotator AS who
    LEFT JOIN annotator_qualitystep AS step ON step.annotator_id = who.id AND step.what = ANY(%(settling)s)
    WHERE who.project_id = %(project)s AND NOT who.simulated GROUP BY who.id
)
SELECT annotator, max(j.id),
       count(*) FILTER (WHERE gold AND j.choice = pair.gold_choice), count(*) FILTER (WHERE gold),
       count(*) FILTER (WHERE j.choice = first.choice), count(first.id)
FROM since
JOIN annotator_judgment AS j ON j.annotator_id = annotator AND j.id > last AND j.current AND NOT j.withdrawn AND j.choice <> 'skip'
JOIN annotator_pair AS pair ON pair.id = j.pair_id
CROSS JOIN LATERAL (SELECT pair.gold_choice <> '' AND NOT pair.qualifying AND j.occasion = 0 AS gold) AS known
LEFT JOIN annotator_judgment AS first ON j.occasion = 1 AND first.annotator_id = j.annotator_id AND first.pair_id = j.pair_id
     AND first.occasion = 0 AND first.current AND NOT first.withdrawn AND first.choice <> 'skip'
WHERE gold OR j.occasion = 1
GROUP BY annotator
"""


@dataclass(frozen=True, slots=True)
class _Checked:
    """One annotator's checks since the last step about them."""

    annotator: int
    last_judgment: int
    gold_right: float
    gold: int
    same: float
    twice: int

    def plus(self, other: _Checked) -> _Checked:
        """Both together."""
        return _Checked(
            self.annotator,
            max(self.last_judgment, other.last_judgment),
            self.gold_right + other.gold_right,
            self.gold + other.gold,
            self.same + other.same,
            self.twice + other.twice,
        )

    def below(self, project: Project) -> list[str]:
        """Which of the project's bars they are below, once there are enough checks of that kind."""
        kinds = (
            ("known answers", project.gold_bar, self.gold_right, self.gold),
            ("hidden repeats", project.repeat_bar, self.same, self.twice),
        )
        needed = max(1, project.checks_needed)
        return [name for name, bar, hits, of in kinds if bar is not None and of >= needed and hits / of < bar]


def check_all_standing() -> int:
    """Hold everybody's checks against their projects' bars. Returns how many steps were taken."""
    with_bars = Project.objects.filter(Q(gold_bar__isnull=False) | Q(repeat_bar__isnull=False), archived_at=None)
    return sum(check_standing(project=project) for project in with_bars)


def check_standing(*, project: Project) -> int:
    """The same for one project. One who is paused, or dropped where that is the consequence, is left alone."""
    settling = [str(each) for each in _SETTLING]
    with connection.cursor() as cursor:
        cursor.execute(_CHECKS, {"project": project.pk, "settling": settling})
        of_pairs = [_Checked(*row) for row in cursor.fetchall()]
    checked = _joined([*of_pairs, *_of_lineups(project, settling)])
    return sum(_act(project, each, below) for each in checked if (below := each.below(project)))


def drop_annotator(*, annotator: Annotator, by: User | None, figures: dict[str, object] | None = None) -> bool:
    """Leave their judgments out of snapshots and training exports from now on; their own model goes on. False if they were."""
    with transaction.atomic():
        dropped = Annotator.objects.filter(pk=annotator.pk, dropped_at=None).update(dropped_at=timezone.now())
        if dropped:
            _step(annotator, What.DROPPED, by, figures)
            record(project=annotator.project, by=by, what="annotator left out", annotator=annotator.ref)
    return bool(dropped)


def restore_annotator(*, annotator: Annotator, by: User) -> None:
    """Take back whatever followed from checks: they judge again, and their judgments count. Earlier checks are settled."""
    with transaction.atomic():
        rows = Annotator.objects.filter(Q(dropped_at__isnull=False) | Q(paused_at__isnull=False), pk=annotator.pk)
        if rows.update(dropped_at=None, paused_at=None):
            _step(annotator, What.RESTORED, by)
            record(project=annotator.project, by=by, what="annotator restored", annotator=annotator.ref)


def _of_lineups(project: Project, settling: Sequence[str]) -> Iterator[_Checked]:
    """Each check by itself. What is like the right or the first answer counts as a part of one."""
    said = checks_since(project, settling)
    firsts = {(who, each.lineup): each for who, _, _, each in said if each.first}
    for who, pk, counts, each in said:
        if not counts:
            continue
        if each.first:
            if each.known:
                yield _Checked(who, pk, gold_score(each), 1, 0, 0)
        elif before := firsts.get((who, each.lineup)):
            yield _Checked(who, pk, 0, 0, likeness(before, each), 1)


def _joined(checks: Iterable[_Checked]) -> list[_Checked]:
    """One row for each annotator."""
    found: dict[int, _Checked] = {}
    for each in checks:
        found[each.annotator] = found[each.annotator].plus(each) if each.annotator in found else each
    return list(found.values())


def _act(project: Project, checked: _Checked, below: list[str]) -> bool:
    with transaction.atomic():
        annotator = Annotator.objects.select_for_update(no_key=True).get(pk=checked.annotator)
        annotator.project = project
        if annotator.paused_at:
            return False
        figures = {
            "below": below,
            "gold": [round(checked.gold_right, 2), checked.gold, project.gold_bar],
            "repeats": [round(checked.same, 2), checked.twice, project.repeat_bar],
        }
        if project.consequence == Project.Consequence.DROP:
            return drop_annotator(annotator=annotator, by=None, figures=figures)
        if project.consequence == Project.Consequence.PAUSE:
            pause_annotator(annotator=annotator, by=None)
            _step(annotator, What.PAUSED, None, figures)
        else:
            _step(annotator, What.WARNED, None, figures, last=checked.last_judgment)
    return True


def _step(
    annotator: Annotator,
    what: QualityStep.What,
    by: User | None,
    figures: dict[str, object] | None = None,
    last: int | None = None,
) -> None:
    if last is None:
        last = annotator.judgments.aggregate(last=Max("pk"))["last"]
    if what in _ALERTS:
        data = {"annotator": annotator.ref, "what": what.value, "figures": figures or {}}
        tell(project=annotator.project, event=Webhook.Event.QUALITY_ALERT, data=data)
    QualityStep.objects.create(
        project=annotator.project, annotator=annotator, what=what, by=by, figures=figures or {}, last_judgment=last or 0
    )
