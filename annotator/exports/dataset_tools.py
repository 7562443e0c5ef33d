"""Datasets as other annotation tools have them: Label Studio, Argilla."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from annotator.exports.dataset_options import DatasetOptions, Pseudonyms
from annotator.exports.dataset_said import BY_PAIR, Row, Said, flat_prompt, kept, moment_of, said_of
from annotator.exports.options import Tally
from annotator.models import Project


def label_studio(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A task for each pair, an annotation for each judgment; ties and both bad as choices beside the comparison."""
    names = Pseudonyms(project, options)
    said = kept(said_of(project, BY_PAIR, options), options, tally, answers=True)
    for _, group in groupby(said, key=attrgetter("pair")):
        rows = list(group)
        first = rows[0]
        yield {
            "data": {
                "prompt": flat_prompt(first),
                "text1": first.a,
                "text2": first.b,
                "prompt_id": first.prompt_id,
                "text1_id": first.a_id,
                "text2_id": first.b_id,
                "topic": first.topic,
            },
            "annotations": [
                {
                    "result": _results(each),
                    "completed_by": names.of(each.annotator),
                    "created_at": moment_of(each),
                    "lead_time": each.seconds,
                }
                for each in rows
            ],
        }


def _results(each: Said) -> list[Row]:
    compare = {"from_name": "pairwise", "to_name": "text1,text2"}
    about = {"to_name": "prompt"}
    if each.choice in ("a", "b"):
        selected = "left" if each.choice == "a" else "right"
        results: list[Row] = [{**compare, "type": "pairwise", "value": {"selected": selected}}]
    else:
        results = [{**about, "from_name": "no_preference", "type": "choices", "value": {"choices": [each.choice]}}]
    if each.strength:
        results.append({**about, "from_name": "strength", "type": "rating", "value": {"rating": each.strength}})
    if each.rationale:
        results.append({**about, "from_name": "rationale", "type": "textarea", "value": {"text": [each.rationale]}})
    return results


def argilla(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A record for each pair, with every annotator's responses to the questions ``preference`` and ``rationale``."""
    names = Pseudonyms(project, options)
    said = kept(said_of(project, BY_PAIR, options), options, tally, answers=True)
    for _, group in groupby(said, key=attrgetter("pair")):
        rows = list(group)
        first = rows[0]
        users = [names.of(each.annotator) for each in rows]
        preference = [{"value": each.choice, "user_id": who} for each, who in zip(rows, users, strict=True)]
        strength = [{"value": e.strength, "user_id": who} for e, who in zip(rows, users, strict=True) if e.strength]
        rationale = [{"value": e.rationale, "user_id": who} for e, who in zip(rows, users, strict=True) if e.rationale]
        answered = {"preference": preference, "strength": strength, "rationale": rationale}
        yield {
            "id": f"{first.prompt_id}/{first.a_id}/{first.b_id}",
            "fields": {"prompt": flat_prompt(first), "response_a": first.a, "response_b": first.b},
            "metadata": {
                "topic": first.topic,
                "prompt_id": first.prompt_id,
                "model_a": first.a_source,
                "model_b": first.b_source,
            },
            "suggestions": {},
            "responses": {question: answers for question, answers in answered.items() if answers},
            "status": "completed",
        }
