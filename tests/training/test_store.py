from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from training import store
from training.errors import StoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / "weights.bin").write_bytes(b"\x00\x01\x02" * 1000)
    (made / "config.json").write_text('{"k": 12}')
    return made


@pytest.fixture
def disk(settings: Settings, tmp_path: Path) -> Path:
    settings.ATTUNE_HOME = tmp_path / "home"
    _use(settings, "django.core.files.storage.FileSystemStorage", location=str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def bucket(settings: Settings, tmp_path: Path) -> Path:
    """A storage that is not a folder here, and the home that copies go to."""
    settings.ATTUNE_HOME = tmp_path / "home"
    _use(settings, "django.core.files.storage.InMemoryStorage")
    return tmp_path / "home"


def test_on_a_disk_it_is_read_in_place(disk: Path, folder: Path) -> None:
    store.put_folder(folder, "models/7/abc")

    found = store.fetch_folder("models/7/abc")

    assert found == disk / "models/7/abc"
    assert _contents(found) == _contents(folder)
    assert [each.name for each in found.parent.iterdir()] == ["abc"], "nothing is left aside"
    assert found.stat().st_mode & 0o055 == 0o055, "another user's process may read it"


def test_from_a_bucket_it_is_copied_once(bucket: Path, folder: Path) -> None:
    store.put_folder(folder, "models/7/abc")

    found = store.fetch_folder("models/7/abc")

    assert found == bucket / "cache/models/7/abc"
    assert _contents(found) == _contents(folder)
    storages["artifacts"].delete("models/7/abc/config.json")
    assert store.fetch_folder("models/7/abc") == found
    assert _contents(found) == _contents(folder)


def test_a_copy_can_be_forgotten(bucket: Path, folder: Path) -> None:
    store.put_folder(folder, "models/7/abc")
    spoilt = store.fetch_folder("models/7/abc") / "config.json"
    spoilt.write_text("{}")

    store.forget_copy("models/7/abc")

    assert _contents(store.fetch_folder("models/7/abc")) == _contents(folder)


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_storing_twice_is_harmless(where: str, folder: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(where)
    store.put_folder(folder, "models/7/abc")
    store.put_folder(folder, "models/7/abc")

    assert _contents(store.fetch_folder("models/7/abc")) == _contents(folder)


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_a_folder_that_is_not_there_is_named(where: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(where)
    with pytest.raises(StoreError, match="models/7/gone"):
        store.fetch_folder("models/7/gone")


def test_a_full_disk_is_said_and_leaves_nothing(disk: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StoreError, match="no space left on the disk"):
        store.put_folder(folder, "models/7/abc")

    assert list((disk / "models/7").iterdir()) == []


def test_a_folder_that_may_not_be_written_is_said(disk: Path, folder: Path) -> None:
    disk.mkdir()
    (disk / "models").write_text("a file where a folder should be")

    with pytest.raises(StoreError, match=r"Storing models/7/abc failed: (Not a directory|File exists)"):
        store.put_folder(folder, "models/7/abc")


def test_a_work_folder_goes_away(disk: Path) -> None:
    with store.work_folder() as work:
        (work / "half").write_text("…")
    assert not work.exists()


def _use(settings: Settings, backend: str, **options: str) -> None:
    settings.STORAGES = {**settings.STORAGES, "artifacts": {"BACKEND": backend, "OPTIONS": options}}


def _contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}
