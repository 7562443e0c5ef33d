"""An import for tests, in parts of 300 rows: `python stopped_import.py FILE PROJECT ROWS` stops for ever when ROWS are read."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import django


def main(file: str, slug: str, rows: int) -> None:
    django.setup()
    from annotator.imports import running
    from annotator.imports.reporting import ImportOptions, Progress
    from annotator.models import Project

    running.PART_ROWS, running.BATCH_ROWS = 300, 100

    def stop(progress: Progress) -> None:
        if progress.rows >= rows:
            sys.stdout.write(f"{progress.rows} {progress.written}\n")
            sys.stdout.flush()
            signal.pause()

    options = ImportOptions(in_parts=True, rejected=Path(file + ".rejected"))
    running.run_import(file, project=Project.objects.get(slug=slug), options=options, on_progress=stop)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
