"""Where rejected rows go: a file beside, whole and on the disk before anything of the import is committed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import orjson
from django.utils.translation import gettext as _

from annotator.errors import AnnotatorError
from annotator.imports.errors import Problem


class CannotReject(AnnotatorError):
    """The rejected rows can't be written, so nothing of the file is."""

    code = "cannot_reject"
    status = 507


class RejectedFile:
    """One JSON line for each rejected row: its problem, and the row as it came. Made with the first of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._device = path.exists() and not path.is_file()  # /dev/null, a pipe: written into, never replaced
        self._draft = path if self._device else path.with_name(f".{path.name}.{os.getpid()}")
        self._file: BinaryIO | None = None
        self._kept = False

    def write(self, problem: Problem, raw: bytes | Mapping[str, object]) -> bytes:
        """Add a row; gives its line. Raises ``CannotReject``."""
        line = orjson.dumps({**problem.as_dict(), "row": _as_it_came(raw)}, option=orjson.OPT_APPEND_NEWLINE)
        self.add(line)
        return line

    def add(self, lines: bytes) -> None:
        """Add lines as they are. Raises ``CannotReject``."""
        try:
            self._file = self._file or self._draft.open("wb")
            self._file.write(lines)
        except OSError as error:
            raise self._failed(error) from None

    def keep(self) -> str:
        """Put the file in its place, safe on the disk; its path, or nothing where no row was rejected."""
        if self._file is None:
            return ""
        try:
            self._file.flush()
            if not self._device:
                os.fsync(self._file.fileno())
                self._draft.replace(self.path)
                self._kept = True
            self._file.close()
        except OSError as error:
            raise self._failed(error) from None
        return str(self.path)

    def discard(self) -> None:
        """Take everything back: the import came to nothing."""
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses the last lines once more
                self._file.close()
            if not self._device:
                (self.path if self._kept else self._draft).unlink(missing_ok=True)

    def _failed(self, error: OSError) -> CannotReject:
        return CannotReject(
            _("%(path)s can't be written (%(error)s), so nothing of the file was written either.")
            % {"path": self.path, "error": error.strerror}
        )


def _as_it_came(raw: bytes | Mapping[str, object]) -> object:
    """A line of JSON as the object it is, anything else as text."""
    if not isinstance(raw, bytes):
        return raw
    try:
        return orjson.Fragment(raw.rstrip(b"\n")) if isinstance(orjson.loads(raw), dict) else raw.decode().strip()
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return raw.decode(errors="backslashreplace").strip()
