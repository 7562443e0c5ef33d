"""Rankings as people gave them, as rows of the dataset ``ranked``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_noop

from annotator.exports.dataset_options import DatasetOptions, Pseudonyms
from annotator.exports.dataset_said import unwanted_look
from annotator.exports.lineup_rows import CHUNK, lineup_judgments
from annotator.exports.options import Tally
from annotator.exports.splitting import splitter
from annotator.models import HINDSIGHT, Judgment, Project, Response


def ranking_rows(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[dict[str, Any]]:
    """One row for each ranking that the options let through; the others are counted by why."""
    names, split = Pseudonyms(project, options), splitter(project, options)
    again = Judgment.objects.filter(annotator=OuterRef("annotator"), lineup=OuterRef("lineup"), occasion=HINDSIGHT)
    again = again.filter(current=True, withdrawn=False).exclude(choice=Judgment.Choice.SKIP)
    rankings = lineup_judgments(project).filter(kind=Judgment.Kind.RANKING).annotate(again=Exists(again))
    judgments = rankings.iterator(CHUNK)
    while chunk := list(islice(judgments, CHUNK)):
        ids = {pk for each in chunk if each.lineup for pk in each.lineup.responses}
        texts = dict(Response.objects.filter(pk__in=ids).values_list("pk", "text"))
        for each in chunk:
            if reason := _left_out(each, options, again=each.again):
                tally.left_out[reason] += 1
                continue
            lineup, who = each.lineup, each.annotator
            assert lineup is not None  # a check constraint
            ordered = [(number, place) for place, number in _places(each.ranking or [])]
            yield {
                "prompt": lineup.prompt.messages,
                "completions": [texts[lineup.responses[number - 1]] for number, _ in ordered],
                "ranks": [place for _, place in ordered],
                "wins": [_wins(place, [other for _, other in ordered]) for _, place in ordered],
                "annotator": names.of(who.ref),
                "simulated": who.simulated,
                "consistent": True,
                "topic": lineup.prompt.topic,
                "judged_at": each.judged_at.astimezone(UTC).isoformat(),
                "prompt_id": lineup.prompt.ref,
                "split": split(who.ref, lineup.prompt.digest, each.judged_at),
            }


def _places(ranking: list[list[int]]) -> Iterator[tuple[int, int]]:
    """(place, number), equal ones with the place of the first of them."""
    place = 1
    for tier in ranking:
        for number in tier:
            yield place, number
        place += len(tier)


def _wins(place: int, places: list[int]) -> float:
    """Responses that it beats, ties counting half."""
    return sum(place < other for other in places) + (places.count(place) - 1) / 2


def _left_out(each: Judgment, options: DatasetOptions, *, again: bool) -> str:
    who = each.annotator
    if each.choice == Judgment.Choice.SKIP:
        return gettext_noop("skipped")
    if options.people == "training" and not who.in_training:
        return gettext_noop("by annotators who are not in training")
    if options.failed_checks == "drop" and who.dropped_at:
        return gettext_noop("by annotators who failed the checks")
    if (options.simulated == "exclude" and who.simulated) or (options.simulated == "only" and not who.simulated):
        return gettext_noop("by simulated annotators") if who.simulated else gettext_noop("by people")
    if options.flagged == "drop" and hasattr(each, "flag"):
        return gettext_noop("of flagged pairs")
    return unwanted_look(each.occasion, again=again, options=options)
