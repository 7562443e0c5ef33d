"""A file in parts: each part is written for good together with a mark of how far that is, from which a later attempt goes on.

The mark belongs to the project, the file's bytes and how they are read: the same file, uploaded or named once more, is known again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import F, Func, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.imports.errors import BadFile, Problem
from annotator.imports.folders import files_in
from annotator.imports.reading import Source
from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.models import ImportMark, Project

PART_ROWS = 50_000
MAX_REJECTED = 32_000_000
"""Bytes of rejected rows that are kept with the mark until the end."""
_PIECE = 1 << 20


@contextmanager
def alone(lock: tuple[int, int]) -> Iterator[None]:
    """No other import of the project between two parts: the same lock that a whole import takes, for longer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", lock)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


class Mark:
    """How much of a file is in to stay, and what an attempt that was cut short had to report until there."""

    def __init__(self, project: Project, source: Source, options: ImportOptions) -> None:
        self._row, _ = ImportMark.objects.get_or_create(project=project, key=_key(source, options))
        self.rows = self._row.rows
        self.rejected = bytes(self._row.rejected)
        self._size = len(self.rejected)
        self._fresh: list[bytes] = []

    def restore(self, report: ImportReport) -> None:
        """What the earlier attempts had to say."""
        kept = self._row.report
        report.resumed_after = report.rows = self.rows
        report.new |= kept.get("new", {})
        report.duplicates = kept.get("duplicates", 0)
        report.rejected = Counter(kept.get("rejected", {}))
        report.problems = [Problem(**each) for each in kept.get("problems", ())]

    def reject(self, line: bytes) -> None:
        """A rejected row of the part under way. Raises ``BadFile`` where there are too many of them."""
        self._size += len(line)
        if self._size > MAX_REJECTED:
            raise BadFile(
                _("More than %(most)s MB of the rows are wrong: look at the file with a dry run first.")
                % {"most": MAX_REJECTED // 1_000_000}
            )
        self._fresh.append(line)

    def move(self, report: ImportReport) -> None:
        """To where the report is, in the transaction that writes the rows."""
        kept = {
            "new": report.new,
            "duplicates": report.duplicates,
            "rejected": dict(report.rejected),
            "problems": [asdict(each) for each in report.problems],
        }
        added = Func(F("rejected"), Value(b"".join(self._fresh)), template="%(expressions)s", arg_joiner=" || ")
        ImportMark.objects.filter(pk=self._row.pk).update(
            rows=report.rows, report=kept, rejected=added, updated_at=timezone.now()
        )
        self.rows, self._fresh = report.rows, []

    def remove(self) -> None:
        """The file is in; the same one again is read from its beginning, and adds nothing."""
        ImportMark.objects.filter(pk=self._row.pk).delete()


def _key(source: Source, options: ImportOptions) -> str:
    how: dict[str, Any] = {
        "columns": dict(options.columns),
        "who": options.who,
        "keep_extra": options.keep_extra,
        "pairs": options.pairs_per_prompt,
    }
    return hashlib.sha256(_digest(source).encode() + json.dumps(how, sort_keys=True).encode()).hexdigest()


def _digest(source: Source) -> str:
    """sha256 of all bytes, hex; an open file is put back to where it was. Raises ``BadFile`` for a pipe."""
    digest = hashlib.sha256()
    if isinstance(source, str | Path):
        if str(source) == "-":
            raise BadFile(_("Standard input can't be read in parts: nobody could go on with it. Give a file."))
        path = Path(source)
        for each in files_in(path) if path.is_dir() else [path]:
            try:
                with each.open("rb") as file:
                    while piece := file.read(_PIECE):
                        digest.update(piece)
            except OSError as error:
                raise BadFile(
                    _("%(path)s cannot be read: %(error)s.") % {"path": each, "error": error.strerror}
                ) from None
        return digest.hexdigest()
    at = source.tell()  # type: ignore[attr-defined]  # what is uploaded is kept in a file
    while piece := source.read(_PIECE):
        digest.update(piece)
    source.seek(at)  # type: ignore[attr-defined]
    return digest.hexdigest()
