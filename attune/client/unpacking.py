"""A zip that a server sent as a folder, which appears under its name once it is whole."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from attune.client.errors import ClientError

PIECE = 1 << 20


def unpack(packed: Path, target: Path) -> None:
    """Nothing is written outside the folder, whatever the files call themselves. Raises ``ClientError``."""
    aside = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(packed) as archive:
            for entry in archive.infolist():
                _unpack(archive, entry, aside)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    path = (folder / entry.filename).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ClientError(f"The server sent a file with the name {entry.filename!r}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, path.open("wb") as out:
        while piece := source.read(PIECE):
            out.write(piece)
