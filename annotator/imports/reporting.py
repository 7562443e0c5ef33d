"""What an import is asked to do, and what it did or would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.imports.errors import Problem

MAX_PROBLEMS = 50
"""Problems that a report spells out; all are counted."""
FIRST_ROWS = 5

Shape = Literal["judgments", "prompts"]
KINDS = ("prompts", "responses", "pairs", "annotators", "judgments")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is taken.

    ``skip_bad`` writes the good rows and puts the others into ``rejected``; without it one bad row stops all.
    ``pairs_per_prompt`` is how many pairs a prompt's responses make (None: all). ``max_rows`` looks at the first rows only.
    ``who`` judged where rows of other tools don't say; ``columns`` are the file's names that stand for ours.
    """

    dry_run: bool = False
    skip_bad: bool = False
    keep_extra: bool = False
    pairs_per_prompt: int | None = None
    rejected: Path | None = None
    max_rows: int | None = None
    who: str = "imported"
    columns: Mapping[str, str] = field(default_factory=dict)
    in_parts: bool = False
    """Written part by part, each for good, so that an import that is cut short goes on where it was. Bad rows are left out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: rows read, bytes of the file read, of ``size`` (None: not known), and rows that are in to stay."""

    rows: int
    position: int
    size: int | None
    written: int = 0


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class ImportReport:
    """What came of a file. ``new`` counts what was added, or would be where ``written`` is false."""

    source: str
    shape: Shape = "judgments"
    format: str = ""
    dry_run: bool = False
    written: bool = False
    complete: bool = True
    """Whether the file was read to its end."""
    rows: int = 0
    resumed_after: int = 0
    """Rows that an attempt before this one had written; the counts are of both."""
    new: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    rejected_file: str = ""
    seconds: float = 0.0
    names: list[str] = field(default_factory=list)
    """Of the fields in its first rows, as the file calls them."""
    columns: dict[str, str] = field(default_factory=dict)
    """Names of the file's that stood for ours."""
    who: str = "imported"
    """Who judged where rows don't say."""

    @property
    def bad_rows(self) -> int:
        return self.rejected.total()

    def reject(self, problem: Problem) -> None:
        self.rejected[problem.reason] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def as_dict(self) -> dict[str, object]:
        problems = [problem.as_dict() for problem in sorted(self.problems, key=lambda each: each.line)]
        found = {**asdict(self), "rejected": self.bad_rows, "rejected_by_reason": dict(self.rejected)}
        return {**found, "problems": problems, "summary": self.summary()}

    def summary(self) -> str:
        """One sentence or two for a person."""
        rows, bad = f"{self.rows:,}", f"{self.bad_rows:,}"
        if self.bad_rows and not self.written and not self.dry_run:
            said = ngettext(
                "Nothing was written: %(bad)s of %(rows)s rows is wrong.",
                "Nothing was written: %(bad)s of %(rows)s rows are wrong.",
                self.bad_rows,
            )
            return said % {"bad": bad, "rows": rows}
        parts = [self._added() or ngettext("Nothing new in %(rows)s row.", "Nothing new in %(rows)s rows.", self.rows)]
        if self.duplicates:
            parts.append(ngettext("%(n)s was there already.", "%(n)s were there already.", self.duplicates))
        if self.bad_rows and self.written:
            parts.append(ngettext("%(bad)s row was rejected.", "%(bad)s rows were rejected.", self.bad_rows))
        elif self.bad_rows:
            parts.append(ngettext("%(bad)s row is rejected.", "%(bad)s rows are rejected.", self.bad_rows))
        if self.resumed_after:
            parts.append(_("Went on after row %(before)s."))
        known = {"rows": rows, "bad": bad, "n": f"{self.duplicates:,}", "before": f"{self.resumed_after:,}"}
        return " ".join(parts) % known

    def _added(self) -> str:
        """What is new, in words; empty where nothing is."""
        prompts, responses, pairs, annotators, judgments, answers, lineups = (
            self.new.get(kind, 0) for kind in (*KINDS, "known answers", "lineups")
        )
        counted = [
            (ngettext("%(n)s prompt", "%(n)s prompts", prompts), prompts),
            (ngettext("%(n)s response", "%(n)s responses", responses), responses),
            (ngettext("%(n)s pair", "%(n)s pairs", pairs), pairs),
            (ngettext("%(n)s annotator", "%(n)s annotators", annotators), annotators),
            (ngettext("%(n)s judgment", "%(n)s judgments", judgments), judgments),
            (ngettext("%(n)s known answer", "%(n)s known answers", answers), answers),
            (ngettext("%(n)s lineup", "%(n)s lineups", lineups), lineups),
        ]
        what = ", ".join(said % {"n": f"{count:,}"} for said, count in counted if count)
        if not what:
            return ""
        return (_("Added %(what)s.") if self.written else _("Would add %(what)s.")) % {"what": what}


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """A file looked at before it is taken: the report of a dry run, and how its first rows read."""

    report: ImportReport
    first_rows: list[dict[str, object]]

    def as_dict(self) -> dict[str, object]:
        return {**self.report.as_dict(), "first_rows": self.first_rows}
