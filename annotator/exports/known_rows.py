"""Known answers as rows of a file, as ``attune import`` reads them back: of pairs, then of rankings and ratings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from annotator.exports.lineup_rows import CHUNK, prompt_value, response_value
from annotator.exports.options import Tally
from annotator.models import Lineup, Pair, Project, Prompt, Response

Row = dict[str, Any]
KNOWN_COLUMNS = ("id", "prompt", "topic", "responses", "gold", "qualifying")


def known_rows(project: Project, tally: Tally) -> Iterator[Row]:
    """A row for each known answer that is not withdrawn, its responses in the pair's or the lineup's own order."""
    for row in chain(_of_pairs(project), _of_lineups(project)):
        tally.rows += 1
        yield row


def _of_pairs(project: Project) -> Iterator[Row]:
    pairs = Pair.objects.filter(project=project, withdrawn_at=None).exclude(gold_choice="").order_by("pk")
    for pair in pairs.select_related("prompt", "response_a__picture", "response_b__picture").iterator(CHUNK):
        yield _row(pair.prompt, [pair.response_a, pair.response_b], pair.gold_choice, qualifying=pair.qualifying)


def _of_lineups(project: Project) -> Iterator[Row]:
    known = Lineup.objects.filter(Lineup.KNOWN, project=project, withdrawn_at=None).order_by("pk")
    lineups = known.select_related("prompt").iterator(CHUNK)
    while chunk := list(islice(lineups, CHUNK)):
        ids = {pk for each in chunk for pk in each.responses}
        responses = Response.objects.select_related("picture").in_bulk(ids)
        for each in chunk:
            rating = {"lowest": each.gold_low, "highest": each.gold_high, "scale": each.gold_scale}
            gold = rating if each.gold_ranking is None else each.gold_ranking
            listed = [responses[pk] for pk in each.responses]
            yield _row(each.prompt, listed, gold, qualifying=each.qualifying)


def _row(prompt: Prompt, responses: list[Response], gold: object, *, qualifying: bool) -> Row:
    return {
        "id": prompt.ref,
        "prompt": prompt_value(prompt),
        "topic": prompt.topic,
        "responses": [response_value(each) for each in responses],
        "gold": gold,
        "qualifying": qualifying,
    }
