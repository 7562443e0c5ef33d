"""A dataset as a file, or as a folder that ``datasets.load_dataset`` opens."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from annotator.exports.card import card_of, facts_of
from annotator.exports.croissant import croissant_of
from annotator.exports.dataset_columns import COLUMNS
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.dataset_rows import dataset_rows
from annotator.exports.options import Tally
from annotator.exports.parquet import ParquetFile, write_parquet
from annotator.exports.splitting import splits_of
from annotator.exports.writing import csv_lines, pieces
from annotator.models import Project

log = logging.getLogger(__name__)

CONTENT_TYPES = {
    "jsonl": "application/jsonl; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "folder": "application/zip",
}
ENDINGS = {"jsonl": "jsonl", "json": "json", "csv": "csv", "parquet": "parquet", "folder": "zip"}
CARD, CROISSANT = "README.md", "croissant.json"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(slots=True)
class DataFile:
    """One file of a folder, for its card."""

    path: str
    split: str
    rows: int
    size: int
    sha256: str


@dataclass(slots=True)
class Written:
    """What came of writing a dataset."""

    tally: Tally = field(default_factory=Tally)
    files: list[DataFile] = field(default_factory=list)


def dataset_name(project: Project, options: DatasetOptions) -> str:
    """What to call the file."""
    return f"{project.slug}-{options.form}.{ENDINGS[options.type]}"


def write_dataset(project: Project, options: DatasetOptions, out: BinaryIO) -> Tally:
    """The dataset as one file: a folder as a zip of it. Flat in memory; unchanged data gives the same bytes."""
    tally = Tally()
    if options.type == "parquet":
        write_parquet(dataset_rows(project, options, tally), out, COLUMNS[options.form])
    elif options.type == "folder":
        tally = _write_zip(project, options, out)
    else:
        out.writelines(pieces(_lines(project, options, tally)))
    log.info("dataset %s of %s as %s: %s", options.form, project.slug, options.type, tally)
    return tally


def write_folder(project: Project, options: DatasetOptions, folder: Path) -> Written:
    """The dataset as a folder: Parquet files by split, a card, Croissant metadata. The folder must not be there yet."""
    (folder / "data").mkdir(parents=True)
    written = Written()
    opened = {split: (path := folder / "data" / f"{split}.parquet", path.open("wb")) for split in splits_of(options)}
    try:
        files = {split: ParquetFile(file, COLUMNS[options.form]) for split, (_, file) in opened.items()}
        for row in dataset_rows(project, options, written.tally):
            files[row["split"]].add(row)
        for each in files.values():
            each.close()
    finally:
        for _, file in opened.values():
            file.close()
    nothing = not any(each.rows for each in files.values())
    for split, (path, _) in opened.items():
        if files[split].rows or (nothing and split == "train"):  # readers stumble over a file without rows
            written.files.append(_described(folder, path, split, files[split].rows))
        else:
            path.unlink()
    facts = facts_of(project, options, written.tally)
    (folder / CARD).write_text(card_of(facts, written.files), encoding="utf-8")
    metadata = croissant_of(facts, written.files)
    (folder / CROISSANT).write_bytes(orjson.dumps(metadata, option=orjson.OPT_INDENT_2))
    return written


def _lines(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[bytes]:
    rows = dataset_rows(project, options, tally)
    if options.type == "csv":
        yield from csv_lines(rows, [column.name for column in COLUMNS[options.form]])
    elif options.type == "json":
        before = b"["
        for row in rows:
            yield before + b"\n" + orjson.dumps(row)
            before = b","
        yield b"\n]\n" if before == b"," else b"[]\n"
    else:
        yield from (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _write_zip(project: Project, options: DatasetOptions, out: BinaryIO) -> Tally:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="attune-dataset-") as work:
        folder = Path(work) / "dataset"
        written = write_folder(project, options, folder)
        zip_folder(folder, out)
    return written.tally


def zip_folder(folder: Path, out: BinaryIO) -> None:
    """All files below it, as they are (Parquet and weights are compact already); the same files give the same bytes."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_TIME)
                entry.external_attr = 0o644 << 16
                with archive.open(entry, "w", force_zip64=True) as target, path.open("rb") as source:
                    while piece := source.read(1 << 20):
                        target.write(piece)


def _described(folder: Path, path: Path, split: str, rows: int) -> DataFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return DataFile(path.relative_to(folder).as_posix(), split, rows, path.stat().st_size, digest)
