"""Datasets that were made, kept as files: the same data asked for in the same way is the same file, and its digest an ETag.

A file is named by what it was made of, so nothing has to be told when judgments change. It is made aside and renamed, and
goes when its project does, when the project's data have changed, or after a week.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
from django.conf import settings
from django.db import connection

import attune
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.datasets import ENDINGS, write_dataset
from annotator.exports.options import Tally
from annotator.models import Project

KEPT_SECONDS = 7 * 86_400
PIECE = 1 << 20

# Everything that a dataset is made of: judgments are append-only, so sums of ids see every change of them.
_STATE = """
SELECT (SELECT count(*) || ':' || coalesce(sum(id), 0) || ':' || coalesce(sum(id) FILTER (WHERE current), 0)
          FROM annotator_judgment WHERE project_id = %(project)s),
       (SELECT md5(string_agg(id || ':' || ref || ':' || simulated || in_training || (dropped_at IS NULL), ',' ORDER BY id))
          FROM annotator_annotator WHERE project_id = %(project)s),
       (SELECT count(*) || ':' || coalesce(max(id), 0) FROM annotator_prompt WHERE project_id = %(project)s),
       (SELECT md5(name || description || instructions || source_note || reason_tags::text || overlap || rationales || slug)
          FROM annotator_project WHERE id = %(project)s),
       (SELECT count(*) || ':' || coalesce(max(f.id), 0) FROM annotator_flag f JOIN annotator_judgment j ON j.id = f.judgment_id
         WHERE j.project_id = %(project)s),
       (SELECT computed_at::text FROM annotator_qualityreport WHERE project_id = %(project)s)
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A dataset's file with its sha256, and what was counted while it was made."""

    path: Path
    sha256: str
    size: int
    rows: int
    left_out: dict[str, int]


def kept_dataset(*, project: Project, options: DatasetOptions) -> Kept:
    """The file, made now unless it is there. Raises ``OSError`` where the disk is full."""
    return kept_file(
        project=project,
        key=_key(project, options),
        ending=ENDINGS[options.type],
        write=lambda out: write_dataset(project, options, out),
    )


def kept_file(*, project: Project, key: str, ending: str, write: Callable[[BinaryIO], Tally]) -> Kept:
    """A file by the name ``key`` of all that it is made of. Raises as ``kept_dataset``, and what ``write`` raises."""
    folder = _folder(project)
    about = folder / f"{key}.about.json"
    path = folder / f"{key}.{ending}"
    if not (about.exists() and path.exists()):
        _make(write, path, about)
    found = orjson.loads(about.read_bytes())
    os.utime(about)
    return Kept(path, found["sha256"], path.stat().st_size, found["rows"], found["left_out"])


def forget_project(project_id: int) -> None:
    """Delete all that is kept of a project."""
    shutil.rmtree(_root() / str(project_id), ignore_errors=True)


def forget_old(now: float | None = None) -> int:
    """Delete files that nobody asked for in a week. Returns how many."""
    before = (now or time.time()) - KEPT_SECONDS
    gone = 0
    for about in _root().glob("*/*.about.json"):
        if about.stat().st_mtime < before:
            for path in about.parent.glob(f"{about.name.partition('.')[0]}.*"):
                path.unlink(missing_ok=True)
            gone += 1
    return gone


def _make(write: Callable[[BinaryIO], Tally], path: Path, about: Path) -> None:
    """Aside, then renamed: the description last, for it says that the file is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as out:
            tally = write(out)
        with aside.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        aside.replace(path)
        aside.write_bytes(_described(digest, tally))
        aside.replace(about)
    finally:
        aside.unlink(missing_ok=True)


def _described(digest: str, tally: Tally) -> bytes:
    return orjson.dumps({"sha256": digest, "rows": tally.rows, "left_out": dict(tally.left_out)})


def _key(project: Project, options: DatasetOptions) -> str:
    with connection.cursor() as cursor:
        cursor.execute(_STATE, {"project": project.pk})
        state = cursor.fetchone()
    made_of = [attune.__version__, asdict(options), state]
    return hashlib.sha256(orjson.dumps(made_of, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def _folder(project: Project) -> Path:
    return _root() / str(project.pk)


def _root() -> Path:
    return Path(settings.ATTUNE_HOME) / "datasets"
