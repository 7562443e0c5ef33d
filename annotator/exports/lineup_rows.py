"""A project's rankings and ratings as rows of a file, as ``attune import`` reads them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from annotator.models import Judgment, Project, Prompt, Response

CHUNK = 200
Row = dict[str, Any]
LINEUP_COLUMNS = (
    *(
        "kind",
        "annotator",
        "simulated",
        "prompt_id",
        "prompt",
        "topic",
        "responses",
        "choice",
        "ranking",
        "rating",
        "scale",
    ),
    *(
        "shown",
        "occasion",
        "revision",
        "withdrawn",
        "skip_reason",
        "rationale",
        "tags",
        "spans",
        "flag",
        "aspects",
        "part",
        "slices",
        "source",
    ),
    *("judged_at", "seconds", "page_version", "client_key", "extra"),
)


def lineup_judgments(project: Project, *, revisions: bool = False) -> QuerySet[Judgment]:
    """Rankings and ratings that stand (or all revisions), in the order of judging."""
    rows = Judgment.objects.filter(project=project, lineup__isnull=False).order_by("pk")
    rows = rows if revisions else rows.filter(current=True, withdrawn=False)
    return rows.select_related("annotator", "lineup__prompt", "rationale", "flag").prefetch_related(
        "spans", "aspect_ratings__aspect"
    )


def lineup_rows(project: Project, *, revisions: bool, shown: bool) -> Iterator[Row]:
    """The rows; with ``shown`` the responses are listed as they were on the screen, else in the lineup's own order."""
    judgments = lineup_judgments(project, revisions=revisions).iterator(CHUNK)
    while chunk := list(islice(judgments, CHUNK)):
        ids = {pk for each in chunk if each.lineup for pk in each.lineup.responses}
        responses = Response.objects.select_related("picture").in_bulk(ids)
        for each in chunk:
            yield _row(each, responses, shown=shown)


def _row(judgment: Judgment, responses: dict[int, Response], *, shown: bool) -> Row:
    lineup, about = judgment.lineup, judgment.about
    assert lineup is not None  # the query
    rationale, flag = getattr(judgment, "rationale", None), getattr(judgment, "flag", None)
    order = judgment.shown if shown and judgment.shown else list(range(1, len(lineup.responses) + 1))
    number = {own: listed for listed, own in enumerate(order, start=1)}
    return {
        "kind": judgment.kind,
        "annotator": judgment.annotator.ref,
        "simulated": judgment.annotator.simulated,
        "prompt_id": lineup.prompt.ref,
        "prompt": prompt_value(lineup.prompt),
        "topic": lineup.prompt.topic,
        "responses": [response_value(responses[lineup.responses[own - 1]]) for own in order],
        "choice": judgment.choice,
        "ranking": [sorted(number[own] for own in tier) for tier in judgment.ranking or ()],
        "rating": judgment.rating,
        "scale": judgment.scale,
        "shown": [number[own] for own in judgment.shown],
        "occasion": judgment.occasion,
        "revision": judgment.revision,
        "withdrawn": judgment.withdrawn,
        "skip_reason": judgment.skip_reason,
        "rationale": rationale.text if rationale else "",
        "tags": [{**tag, "side": str(number[int(tag["side"])])} for tag in rationale.tags] if rationale else [],
        "spans": [_span(span, lineup.responses, number) for span in sorted(judgment.spans.all(), key=lambda s: s.pk)],
        "flag": {"kind": flag.kind, "about": _about(flag.about, number), "note": flag.note} if flag else {},
        "aspects": {rated.aspect.key: rated.value for rated in judgment.aspect_ratings.all()},
        "part": about.get("part", ""),
        "slices": about.get("slices", []),
        "source": about.get("source", judgment.source),
        "judged_at": judgment.judged_at.astimezone(UTC).isoformat(),
        "seconds": judgment.seconds,
        "page_version": judgment.page_version,
        "client_key": about.get("client_key", str(judgment.client_key)),
        "extra": about.get("extra", {}),
    }


def prompt_value(prompt: Prompt) -> object:
    """Its text where it is a single question, else its messages."""
    turns = prompt.messages
    return turns[0]["content"] if len(turns) == 1 and turns[0]["role"] == "user" else turns


def response_value(response: Response) -> Row:
    """One of the ``responses`` of a row."""
    picture = {"picture": response.picture.name} if response.picture else {}
    beside = {name: value for name in ("after", "consequence") if (value := getattr(response, name))}
    return {"id": response.ref, "text": response.text, "source": response.source, **picture, **beside}


def _span(span: Any, own: Sequence[int], number: dict[int, int]) -> Row:
    side = str(number[own.index(span.response_id) + 1])
    said = {"start": span.start, "end": span.end, "quote": span.quote, "good": span.good}
    return {"side": side, **said, "tag": span.tag, "comment": span.comment}


def _about(about: str, number: dict[int, int]) -> str:
    return str(number[int(about)]) if about.isdecimal() else about
