"""A zip of one file of rows and the pictures that its rows name."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, Any

from django.utils.translation import gettext as _

from annotator.imports.errors import BadFile
from annotator.pictures import MAX_BYTES

MAGIC = b"PK\x03\x04"
MAX_FILES = 100_000
ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".gz")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class Archive:
    """An open zip. Raises ``BadFile`` where it can't be read, or does not hold exactly one file of rows."""

    def __init__(self, file: IO[bytes] | Any, name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise BadFile(_("%(name)s is a damaged zip: %(error)s.") % {"name": name, "error": error}) from None
        files = [each for each in self._zip.infolist() if not each.is_dir() and not _is_clutter(each.filename)]
        if len(files) > MAX_FILES:
            raise BadFile(
                _("%(name)s holds %(n)s files; expected at most %(most)s.")
                % {"name": name, "n": f"{len(files):,}", "most": f"{MAX_FILES:,}"}
            )
        self._files = {each.filename: each for each in files}
        rows = [each for each in files if each.filename.lower().endswith(ROWS)]
        if len(rows) != 1:
            found = ", ".join(each.filename for each in rows[:5]) or _("none of them")
            raise BadFile(
                _("%(name)s must hold one file of rows (%(known)s); found %(found)s.")
                % {"name": name, "known": ", ".join(ROWS), "found": found}
            )
        self.rows = rows[0]
        self._folder = PurePosixPath(self.rows.filename).parent

    def open_rows(self) -> Member:
        """The file of rows."""
        return Member(self._zip, self.rows, self.name)

    def picture(self, reference: str) -> bytes | None:
        """The file that a row names, from the top of the zip or from beside the rows; None where there is none.

        Raises ``BadFile`` where it is damaged. No more of it is unpacked than a picture may have.
        """
        found = self._files.get(reference) or self._files.get(str(self._folder / reference))
        if found is None:
            return None
        with Member(self._zip, found, self.name) as member:
            return member.read(MAX_BYTES + 1)


class Member:
    """One file of a zip, read from its beginning to its end."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> None:
        self.name, self.size = f"{name}: {info.filename}", info.file_size
        self.packed = info.compress_size
        try:
            self._file = archive.open(info)
        except _DAMAGED as error:
            raise BadFile(_("%(name)s can’t be read: %(error)s.") % {"name": self.name, "error": error}) from None

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except _DAMAGED as error:
            raise BadFile(
                _("%(name)s is damaged: %(error)s. %(rest)s")
                % {"name": self.name, "error": error, "rest": _("Nothing of it was used.")}
            ) from None


def _is_clutter(name: str) -> bool:
    """What systems put beside files of their own accord."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")
