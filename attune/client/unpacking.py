"""What a server sends as files and folders, which appear under their names once they are whole."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from attune.client.errors import ClientError

PIECE = 1 << 20


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``target`` at the end; nothing is left where that is not reached."""
    aside = target.with_name(f".{target.name}.part")
    try:
        with aside.open("wb") as file:
            yield file
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Where the zip of a folder may lie until it is unpacked. Raises ``ClientError`` where the folder is there already."""
    if target.exists():
        raise ClientError(f"{target} is there already; a folder is never written over.")
    packed = target.with_name(f".{target.name}.zip")
    try:
        yield packed
    finally:
        packed.unlink(missing_ok=True)


def about(folder: Path) -> dict[str, Any]:
    """What the card of a reward model's folder says."""
    found: dict[str, Any] = orjson.loads((folder / "attune.json").read_bytes())
    return found


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
