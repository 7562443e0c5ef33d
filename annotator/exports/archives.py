"""Rows with the pictures that they are of, as a zip that ``attune import`` reads back."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from annotator.models import Project
from annotator.services.pictures import media, path_of

FOLDER = "pictures/"
_TIME = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 18
_FIELDS = ("picture_a", "picture_b")


def with_pictures(project: Project, rows: Iterable[dict[str, Any]], *, name: str) -> Iterator[bytes]:
    """The zip with the rows as ``name``, piece by piece, once it is written to a temporary file. Unchanged data gives the same bytes."""
    with tempfile.TemporaryFile() as work:
        with zipfile.ZipFile(work, "w") as archive:
            names: set[str] = set()
            with archive.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as out:
                for row in rows:
                    named = {field: row[field] for field in _FIELDS if field in row}
                    names.update(named.values())
                    paths: dict[str, Any] = {field: FOLDER + picture for field, picture in named.items()}
                    if listed := row.get("responses"):
                        names.update(each["picture"] for each in listed if "picture" in each)
                        paths["responses"] = [_with_path(each) for each in listed]
                    out.write(orjson.dumps(row | paths, option=orjson.OPT_APPEND_NEWLINE))
            for picture in sorted(names):
                entry = _entry(FOLDER + picture, zipfile.ZIP_STORED)  # pictures are compressed already
                with media().open(path_of(project.pk, picture)) as file, archive.open(entry, "w") as out:
                    shutil.copyfileobj(file, out)
        work.seek(0)
        while piece := work.read(_PIECE):
            yield piece


def _with_path(response: dict[str, Any]) -> dict[str, Any]:
    return response | {"picture": FOLDER + response["picture"]} if "picture" in response else response


def _entry(name: str, how: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = how
    entry.external_attr = 0o644 << 16
    return entry
