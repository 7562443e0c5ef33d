"""Files in and out: rows a second and memory, beside the same work done row by row through the ORM."""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.site import database

if TYPE_CHECKING:
    from annotator.models import Project

SMALL, LARGE = 10_000, 500_000
QUICK_SMALL, QUICK_LARGE = 2_000, 20_000
BASELINE_ROWS = 500
WORDS = 60
JUDGED_BY = 5


def run(quick: bool) -> dict[str, Any]:
    """Import and export at two sizes; memory is what the larger needs beyond the smaller."""
    small, large = (QUICK_SMALL, QUICK_LARGE) if quick else (SMALL, LARGE)
    with database() as home:
        first = _import(home, small)
        second = _import(home, large)
        baseline_in = _rate(BASELINE_ROWS, lambda: _import_by_orm(_project("orm"), islice(_rows(), BASELINE_ROWS)))
        exports = {name: _export(first, second, **options) for name, options in EXPORTS.items()}
        baseline_out = _rate(small, lambda: _export_by_orm(first["project"]))
        return {
            "import": {
                "rows": large,
                "rows/s": second["rate"],
                "peak memory MB beyond small": second["memory"],
                "baseline: ORM row by row, rows/s": baseline_in,
                "ratio": round(second["rate"] / baseline_in, 1),
            },
            **{f"export {name}": figures for name, figures in exports.items()},
            "export baseline: ORM and json, rows/s": baseline_out,
            "export ratio": round(exports["judgments jsonl"]["rows/s"] / baseline_out, 1),
        }


EXPORTS = {
    "judgments jsonl": {"format": "judgments", "type": "jsonl"},
    "judgments csv": {"format": "judgments", "type": "csv"},
    "trl jsonl": {"format": "trl", "type": "jsonl"},
}


def _import(home: Path, rows: int) -> dict[str, Any]:
    from annotator.imports.running import run_import

    path = home / f"{rows}.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in islice(_rows(), rows))
    project, before = _project(f"rows-{rows}"), _peak()
    begin = time.monotonic()
    report = run_import(path, project=project)
    rate = round(rows / (time.monotonic() - begin))
    if report.new["judgments"] != rows:
        raise RuntimeError(f"imported {report.new['judgments']:,} of {rows:,} judgments: {report.problems[:1]}")
    path.unlink()
    return {"project": project, "rate": rate, "memory": _peak() - before}


def _export(small: dict[str, Any], large: dict[str, Any], **options: Any) -> dict[str, Any]:
    from annotator.exports.options import ExportOptions, Tally
    from annotator.exports.writing import export_project

    for _ in export_project(small["project"], ExportOptions(**options)):
        pass
    before, tally, begin = _peak(), Tally(), time.monotonic()
    size = sum(len(piece) for piece in export_project(large["project"], ExportOptions(**options), tally))
    taken = time.monotonic() - begin
    read = tally.rows + sum(tally.left_out.values())
    return {"rows/s": round(read / taken), "MB": size // 1_000_000, "peak memory MB beyond small": _peak() - before}


def _rows() -> Iterator[dict[str, Any]]:
    """Judgments of four responses to each prompt, every pair by a few annotators; the same on every run."""
    rng = random.Random(1)
    words = ["".join(rng.choices("aeioubdklmnprst", k=rng.randint(2, 9))) for _ in range(5_000)]
    number = 0
    while True:
        number += 1
        prompt = f"Question {number}: {' '.join(rng.choices(words, k=15))}?"
        responses = [" ".join(rng.choices(words, k=WORDS)) for _ in range(4)]
        for a, b in combinations(range(4), 2):
            for annotator in rng.sample(range(400), JUDGED_BY):
                yield {
                    "annotator": f"annotator-{annotator}",
                    "prompt": prompt,
                    "response_a": responses[a],
                    "response_b": responses[b],
                    "response_a_id": f"{number}-{a}",
                    "response_b_id": f"{number}-{b}",
                    "preference": (preference := rng.choice(["a", "a", "b", "b", "tie"])),
                    "strength": None if preference == "tie" else rng.randint(1, 3),
                    "rationale": " ".join(rng.choices(words, k=12)),
                    "topic": "bench",
                }


def _import_by_orm(project: Project, rows: Iterator[dict[str, Any]]) -> None:
    """The plain way, in one transaction: look up or create each thing a row names, then create the judgment."""
    from uuid import uuid4

    from django.db import transaction

    from annotator.models import Annotator, Judgment, Pair, Prompt, Rationale, Response
    from annotator.services.content import as_messages, prompt_digest
    from attune.data import content_digest

    with transaction.atomic():
        for row in rows:
            text = row["prompt"]
            digest = prompt_digest(text)
            defaults: dict[str, Any] = {"messages": as_messages(text), "text": text, "digest": digest}
            prompt, _ = Prompt.objects.get_or_create(project=project, ref=digest[:16], defaults=defaults)
            responses = []
            for side in "ab":
                text = row[f"response_{side}"]
                defaults = {"text": text, "digest": content_digest(prompt.text, text)}
                ref = row[f"response_{side}_id"]
                responses.append(Response.objects.get_or_create(prompt=prompt, ref=ref, defaults=defaults)[0])
            a, b = sorted(responses, key=lambda response: response.pk)
            defaults = {"project": project, "prompt": prompt}
            pair, _ = Pair.objects.get_or_create(response_a=a, response_b=b, defaults=defaults)
            annotator, _ = Annotator.objects.get_or_create(project=project, ref=row["annotator"])
            judgment = Judgment.objects.create(
                project=project,
                annotator=annotator,
                pair=pair,
                client_key=uuid4(),
                choice=row["preference"],
                strength=row["strength"],
                source="import",
            )
            Rationale.objects.create(judgment=judgment, text=row["rationale"])


def _export_by_orm(project: Project) -> None:
    """The plain way: an iterator with everything joined, and the standard library's JSON."""
    from annotator.models import Judgment

    joined = ("annotator", "pair__prompt", "pair__response_a", "pair__response_b", "rationale")
    for each in Judgment.objects.filter(project=project).select_related(*joined).order_by("id").iterator():
        json.dumps(
            {
                "annotator": each.annotator.ref,
                "prompt": each.pair.prompt.text,
                "response_a": each.pair.response_a.text,
                "response_b": each.pair.response_b.text,
                "preference": each.choice,
                "strength": each.strength,
                "rationale": each.rationale.text,
                "judged_at": each.judged_at.isoformat(),
            }
        )


def _project(slug: str) -> Project:
    from annotator.models import Project

    return Project.objects.create(slug=slug, name=slug)


def _rate(rows: int, work: Callable[[], None]) -> int:
    begin = time.monotonic()
    work()
    return round(rows / (time.monotonic() - begin))


def _peak() -> int:
    """MB that this process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
