"""Computing a project's quality report and keeping it until the judgments have changed. Takes seconds: for workers.

Pages read what is kept and say of when it is.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from annotator.models import AnnotatorQuality, Project, QualityReport
from annotator.selectors.judged import Group, aspect_ratings, groups_of, signature_of
from annotator.services.lineups import MOST
from attune.quality import ANSWERS
from attune.quality.aggregates import Aggregates, aggregate
from attune.quality.agreement import Agreement, agreement, clustered_agreement, patterns_of
from attune.quality.coherence import coherence
from attune.quality.figures import FEW, Figure, Person
from attune.quality.intervals import resampled_interval
from attune.quality.lineups import contested, mid_places
from attune.quality.people import Judged, people_figures, share_of

log = logging.getLogger(__name__)

KINDS = {False: "people", True: "simulated"}
MOST_TOPICS = 100
"""Topics with the most shared pairs whose agreement is computed."""
RESAMPLES = 1000
REST = 20
"""Times as long as the last report took, a project rests before the next: one percent of a worker at most … and a minute."""
_LOCK = 0xA55E  # with the project's id: one report of a project at a time


def assess_due() -> int:
    """Make the reports of projects whose judgments have changed since theirs. Returns how many."""
    made = 0
    for project in Project.objects.filter(archived_at=None).select_related("quality_report").order_by("pk"):
        report = getattr(project, "quality_report", None)
        if report and report.computed_at + timedelta(seconds=REST * report.seconds) > timezone.now():
            continue
        if (report.signature if report else "") != signature_of(project) and assess(project=project):
            made += 1
    return made


def assess(*, project: Project) -> bool:
    """Compute and keep the report. False where somebody else is at it, or there is nothing to report."""
    begin = time.monotonic()
    with transaction.atomic():
        if not _alone(project):
            return False
        signature = signature_of(project)
        groups = groups_of(project)
        if not groups:
            return False
        known = [pk for group in groups.values() for pk in group.annotators]
        AnnotatorQuality.objects.filter(annotator__project=project).exclude(annotator__in=known).delete()
        body = {KINDS[simulated]: _body(project, group, simulated) for simulated, group in groups.items()}
        aggregates = _aggregated(groups)
        parted = contested(groups[False].placed) if False in groups else []
        took = time.monotonic() - begin
        QualityReport.objects.update_or_create(
            project=project,
            defaults={
                "signature": signature,
                "body": body,
                "aggregates": aggregates,
                "contested": parted,
                "seconds": took,
            },
        )
    log.info("quality of %s computed in %.1f s", project.slug, took)
    return True


def _alone(project: Project) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, project.pk % 2**31])
        return bool(cursor.fetchone()[0])


def _body(project: Project, group: Group, simulated: bool) -> dict[str, Any]:
    """One group's figures; each of its people's go to their rows."""
    judged = group.judged
    people, usual = people_figures(judged, len(group.annotators), group.fits, group.placed)
    _keep(group, people)
    first = judged.first
    decided = judged.where(first & (judged.answer <= 1))
    return {
        "annotators": len(people),
        "judgments": sum(person.judgments for person in people),
        "usual": asdict(usual),
        "verdicts": dict(Counter(person.verdict for person in people)),
        **_agreements(group, first),
        "ranking": _agreement(_orders(group)),
        "ratings": _ratings(group),
        "topics": _topics(group),
        "aspects": _aspects(project, simulated),
        "left": _figure(share_of((decided.answer == 0) != decided.swapped, decided.sided)),
        "longer": _sum(people, "longer"),
        "upper": _sum(people, "upper"),
        "ties": _figure(share_of(judged.answer[first] == 2)),
        "gold": _sum(people, "gold"),
        "same": _sum(people, "same"),
        "fit": _sum(people, "fit"),
        "cyclic": _figure(_pool_coherence(group)),
        "cyclic_own": _sum(people, "cyclic"),
    }


def _keep(group: Group, people: list[Person]) -> None:
    """All in one statement: there can be thousands."""
    rows = [
        AnnotatorQuality(annotator_id=pk, verdict=person.verdict, figures=asdict(person))
        for pk, person in zip(group.annotators, people, strict=True)
    ]
    AnnotatorQuality.objects.bulk_create(
        rows,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["annotator"],
        update_fields=["verdict", "figures"],
    )


def _agreements(group: Group, kept: Any) -> dict[str, Any]:
    """Nominal on the five answers, ordinal on the seven steps."""
    judged = group.judged
    on_scale = kept & (group.level >= 0)
    nominal = agreement(*patterns_of(judged.pair[kept], judged.answer[kept], len(ANSWERS)))
    ordinal = agreement(*patterns_of(judged.pair[on_scale], group.level[on_scale], 7), level="ordinal")
    return {"nominal": _agreement(nominal), "ordinal": _agreement(ordinal)}


def _orders(group: Group) -> Agreement:
    """Ordinal on the places in rankings, those tied sharing the middle one; a unit is a response, a cluster its lineup."""
    rows = [
        (each.lineup, each.lineup * MOST + number, place)
        for each in group.placed
        if each.first and each.tiers
        for number, place in enumerate(mid_places(each.tiers))
    ]
    lineup, unit, place = np.array(rows, np.int64).reshape(-1, 3).T
    return clustered_agreement(lineup, unit, place, 2 * MOST + 1)


def _ratings(group: Group) -> list[dict[str, Any]]:
    """Ordinal on the places of each scale that was used."""
    first = [each for each in group.placed if each.first and each.rating is not None]
    rows = []
    for scale in sorted({each.scale for each in first}):
        on_it = [(each.lineup, each.rating) for each in first if each.scale == scale]
        lineup, value = np.array(on_it, np.int64).T
        rows.append(
            {"scale": scale, "ordinal": _agreement(agreement(*patterns_of(lineup, value, 11), level="ordinal"))}
        )
    return rows


def _topics(group: Group) -> list[dict[str, Any]]:
    """Topics with enough shared pairs, those with the most first; none where there is but one topic."""
    if len(group.topics) < 2:
        return []
    rows = []
    most = np.argsort(-np.bincount(group.topic))[:MOST_TOPICS]
    for place in most:
        found = _agreements(group, group.judged.first & (group.topic == place))
        if found["nominal"]["units"] >= FEW:
            rows.append({"topic": group.topics[place], **found})
    return rows


def _aspects(project: Project, simulated: bool) -> list[dict[str, Any]]:
    """Agreement on the ratings of each aspect, ordinal; a unit is a response."""
    rows = []
    for name, (response, value, steps) in aspect_ratings(project, simulated=simulated).items():
        found = agreement(*patterns_of(response, value, steps), level="ordinal")
        if found.units:
            rows.append({"aspect": name, "ordinal": _agreement(found)})
    return rows


def _pool_coherence(group: Group) -> Figure | None:
    """Cycles among the triads of the majority's preferences; the interval draws prompts again."""
    judged = group.judged.where(group.judged.first & (group.judged.answer <= 1))
    if not len(judged):
        return None
    prompt = group.prompt[group.judged.first & (group.judged.answer <= 1)]
    pairs, row, place = np.unique(judged.pair, return_index=True, return_inverse=True)
    net = np.bincount(place, weights=np.where(judged.answer == 0, 1.0, -1.0), minlength=len(pairs))
    row, net = row[net != 0], net[net != 0]
    a, b = judged.response_a[row], judged.response_b[row]
    prompts = int(group.prompt.max()) + 1
    found = coherence(prompt[row], np.where(net > 0, a, b), np.where(net > 0, b, a), prompts)
    triads, cyclic = int(found.triads.sum()), int(found.cyclic.sum())
    whole = share_of(np.arange(triads) < cyclic)
    with_triads = np.flatnonzero(found.triads)
    if whole is None or len(with_triads) < FEW:
        return whole
    draws = np.random.default_rng(0).multinomial(
        len(with_triads), np.full(len(with_triads), 1 / len(with_triads)), RESAMPLES
    )
    shares = (draws @ found.cyclic[with_triads]) / (draws @ found.triads[with_triads])
    interval = resampled_interval(whole.estimate, shares)
    return Figure(interval.estimate, interval.low, interval.high, triads)


def _sum(people: list[Person], name: str) -> dict[str, Any] | None:
    """A share over everybody together."""
    known = [figure for person in people if (figure := getattr(person, name))]
    hits, of = sum(figure.estimate * figure.of for figure in known), sum(figure.of for figure in known)
    return _figure(share_of(np.arange(of) < round(hits)))


def _aggregated(groups: dict[bool, Group]) -> dict[str, Any]:
    """By pair id: votes, and for each method the answer and its probability. People's; simulated annotators' where no person judged."""
    made: dict[str, Any] = {}
    for simulated in (True, False):
        if (group := groups.get(simulated)) and len(group.judged):
            first = group.judged.where(group.judged.first)
            made |= _by_pair(aggregate(first.annotator, group.pairs[first.pair], first.answer), first, group)
    return made


def _by_pair(found: Aggregates, first: Judged, group: Group) -> dict[str, Any]:
    votes = np.zeros((len(group.pairs), len(ANSWERS)), int)
    np.add.at(votes, (first.pair, first.answer), 1)
    counted = dict(zip(group.pairs.tolist(), votes.tolist(), strict=True))
    methods = {"majority": found.majority, "dawid_skene": found.dawid_skene, "mace": found.mace}
    best = {name: (rows.argmax(axis=1), rows.max(axis=1).round(4)) for name, rows in methods.items()}
    return {
        str(pair): {"votes": counted[pair]}
        | {name: [ANSWERS[places[n]], float(sure[n])] for name, (places, sure) in best.items()}
        for n, pair in enumerate(found.pairs.tolist())
    }


def _agreement(found: Agreement) -> dict[str, Any]:
    return asdict(found)


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    return asdict(figure) if figure else None
