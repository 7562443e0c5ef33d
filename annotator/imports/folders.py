"""A folder as one file: what `datasets` saves (`save_to_disk`), or Parquet, Arrow, JSON and CSV files in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _

from annotator.imports.errors import BadFile

ENDINGS = (".parquet", ".arrow", ".jsonl", ".jsonl.gz", ".json", ".csv", ".csv.gz")
MAX_FILES = 10_000
_NOT_ROWS = ("dataset_info.json", "state.json", "dataset_dict.json", "croissant.json")


def files_in(folder: Path) -> list[Path]:
    """The files with rows, by name; all of one kind. What is hidden, cached or describes the others is left out.

    Raises ``BadFile`` where there are none, too many, or several kinds.
    """
    found = sorted(path for path in _below(folder) if path.name.endswith(ENDINGS) and path.name not in _NOT_ROWS)
    found = [path for path in found if not path.name.startswith(("cache-", "."))]
    if not found:
        raise BadFile(_("%(folder)s holds no %(known)s file.") % {"folder": folder, "known": ", ".join(ENDINGS)})
    kinds = sorted({path.name.removesuffix(".gz").rpartition(".")[2] for path in found})
    if len(kinds) > 1:
        raise BadFile(
            _("%(folder)s holds %(known)s files; expected one kind. Name one of the files instead.")
            % {"folder": folder, "known": _(" and ").join(kinds)}
        )
    return found


def _below(folder: Path) -> Iterator[Path]:
    for number, path in enumerate(folder.rglob("*")):
        if number >= MAX_FILES:
            raise BadFile(
                _("%(folder)s holds more than %(most)s files.") % {"folder": folder, "most": f"{MAX_FILES:,}"}
            )
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in inside):
            yield path
