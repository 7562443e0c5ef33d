"""What the tests of importing share: rows, files, and what is in the database afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from annotator.imports.errors import Problem
from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.imports.running import run_import
from annotator.models import Judgment, Project

Row = dict[str, Any]


def row(**changed: Any) -> Row:
    """A judgment as a file has it; ``None`` leaves a field out."""
    fields = {
        "annotator": "ann",
        "prompt": "Why?",
        "response_a": "Because.",
        "response_b": "Who knows?",
        "preference": "a",
    }
    return {name: value for name, value in {**fields, **changed}.items() if value is not None}


def lines(*rows: Mapping[str, Any] | bytes) -> bytes:
    return b"".join(each + b"\n" if isinstance(each, bytes) else orjson.dumps(each) + b"\n" for each in rows)


def take(project: Project, *rows: Mapping[str, Any] | bytes, **options: Any) -> ImportReport:
    """Import rows as JSON lines."""
    return run_import(io.BytesIO(lines(*rows)), project=project, options=ImportOptions(**options))


def problem_of(project: Project, *rows: Mapping[str, Any] | bytes) -> Problem:
    """Import rows of which one is wrong; nothing may be written."""
    report = take(project, *rows)
    assert not report.written
    assert not Judgment.objects.filter(project=project).exists()
    assert len(report.problems) == 1, report.problems
    return report.problems[0]


def said(judgments: Iterable[Judgment]) -> list[tuple[str, str, str]]:
    """Who preferred which text, whatever side or order it has."""
    found = []
    for each in judgments:
        assert each.pair is not None
        texts = {"a": each.pair.response_a.text, "b": each.pair.response_b.text}
        found.append((each.annotator.ref, texts.get(each.choice, each.choice), each.pair.prompt.text))
    return found
