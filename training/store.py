"""Folders in the artifacts storage, whichever it is: a disk or a bucket.

A folder appears under its name as a whole or not at all, and is never changed: names carry a digest of the content. What
reads a folder checks it against that digest (``attune.data.read_snapshot``, ``attune.artifact.load``).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils.translation import gettext as _

from training.errors import StoreError

_REMOVED = ".removed-"


def put_folder(folder: Path, path: str) -> None:
    """Store a flat folder of files under ``path``. One that is there already is the same and stays.

    Raises ``StoreError`` where there is no space or no right to write.
    """
    storage = _storage()
    with _explained(_("storing %(path)s") % {"path": path}):
        if isinstance(storage, FileSystemStorage):
            _put_on_disk(folder, Path(storage.path(path)))
        else:
            _put_as_objects(storage, folder, path)


def fetch_folder(path: str) -> Path:
    """Where the folder can be read on this machine; from a bucket it is copied once into ``$ATTUNE_HOME/cache``.

    Raises ``StoreError`` where the storage has no such folder.
    """
    storage = _storage()
    with _explained(_("fetching %(path)s") % {"path": path}):
        if isinstance(storage, FileSystemStorage):
            folder = Path(storage.path(path))
            if not folder.is_dir():
                raise StoreError(_("The artifacts storage has no folder %(path)s.") % {"path": repr(path)})
            return folder
        return _fetch_objects(storage, path)


def folders_under(prefix: str) -> Iterator[tuple[str, datetime]]:
    """Every folder ``prefix/owner/name``, with when it was stored. What a killed writer left half-done is among them."""
    storage = _storage()
    with _explained(_("listing %(path)s") % {"path": prefix}):
        for owner in _listed(storage, prefix)[0]:
            for name in _listed(storage, f"{prefix}/{owner}")[0]:
                path = f"{prefix}/{owner}/{name}"
                if at := _stored_at(storage, path):
                    yield path, at


def remove_folder(path: str, *, older_than: datetime) -> bool:
    """Remove a folder unless it has been stored, or stored again, since ``older_than``. False where it has.

    On a disk it is renamed first and looked at once more: ``put_folder`` renews a folder that it finds, or finds none.
    """
    storage = _storage()
    with _explained(_("removing %(path)s") % {"path": path}):
        if not isinstance(storage, FileSystemStorage):
            if (at := _stored_at(storage, path)) is None or at >= older_than:
                return False
            for name in _listed(storage, path)[1]:
                storage.delete(f"{path}/{name}")
            forget_copy(path)
            return True
        folder = Path(storage.path(path))
        aside = folder.with_name(f"{_REMOVED}{folder.name}")
        folder.rename(aside)
        if datetime.fromtimestamp(aside.stat().st_mtime, UTC) >= older_than:
            aside.rename(folder)
            return False
        shutil.rmtree(aside)
        return True


def read_json(path: str, name: str) -> dict[str, Any]:
    """One of our own JSON files in a stored folder."""
    found: dict[str, Any] = json.loads((fetch_folder(path) / name).read_text())
    return found


def forget_copy(path: str) -> None:
    """Drop this machine's copy of a folder in a bucket, so that the next fetch makes a new one."""
    if not isinstance(_storage(), FileSystemStorage):
        shutil.rmtree(_cache() / path, ignore_errors=True)


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder to write in before storing, on the disk of the cache; gone afterwards."""
    with _explained(_("writing a work folder")):
        _cache().mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix=".work-", dir=_cache(), ignore_cleanup_errors=True)
    with work as name, _explained(_("writing a work folder")):
        yield Path(name)


def _storage() -> Storage:
    return storages["artifacts"]


def _cache() -> Path:
    return Path(settings.ATTUNE_HOME) / "cache"


def _put_on_disk(folder: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        os.utime(target)  # it is there, and wanted again
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=target.parent, ignore_cleanup_errors=True) as aside:
        copy = Path(aside) / target.name
        shutil.copytree(folder, copy)
        copy.chmod(0o755)
        _flush(copy)
        _appear(copy, target)


def _appear(folder: Path, target: Path) -> None:
    """Rename into place; where another writer was first, theirs is the same."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def _flush(folder: Path) -> None:
    """A row may only point to bytes that survive a power cut."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _listed(storage: Storage, path: str) -> tuple[list[str], list[str]]:
    """Folders and files; none of what is not there."""
    try:
        folders, files = storage.listdir(path)
    except FileNotFoundError:
        return [], []
    return sorted(folders), sorted(files)


def _stored_at(storage: Storage, path: str) -> datetime | None:
    if isinstance(storage, FileSystemStorage):
        return datetime.fromtimestamp(Path(storage.path(path)).stat().st_mtime, UTC)
    files = _listed(storage, path)[1]
    return max((storage.get_modified_time(f"{path}/{name}") for name in files), default=None)


def _put_as_objects(storage: Storage, folder: Path, path: str) -> None:
    """A half-stored folder has no row that names it; the next attempt stores the same bytes over it."""
    for file in sorted(folder.iterdir()):
        name = f"{path}/{file.name}"
        if storage.exists(name):
            storage.delete(name)
        with file.open("rb") as content:
            stored = storage.save(name, File(content))
        if stored != name:
            known = {"name": repr(name), "stored": repr(stored)}
            raise StoreError(
                _("The artifacts storage kept %(name)s as %(stored)s; expected the name it was given.") % known
            )


def _fetch_objects(storage: Storage, path: str) -> Path:
    target = _cache() / path
    if target.is_dir():
        return target
    _folders, names = storage.listdir(path)
    if not names:
        raise StoreError(_("The artifacts storage has no folder %(path)s.") % {"path": repr(path)})
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=target.parent, ignore_cleanup_errors=True) as aside:
        copy = Path(aside) / target.name
        copy.mkdir()
        for name in names:
            with storage.open(f"{path}/{name}", "rb") as content, (copy / name).open("wb") as out:
                shutil.copyfileobj(content, out)
        _appear(copy, target)
    return target


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                _("There is no space left on the disk (%(what)s). Free some and start again.") % {"what": what}
            ) from error
        known = {"what": f"{what[:1].upper()}{what[1:]}", "error": error.strerror or error}
        raise StoreError(_("%(what)s failed: %(error)s.") % known) from error
