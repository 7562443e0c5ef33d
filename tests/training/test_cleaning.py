"""Stored folders that no row names go after a day; nothing that is named, or young, or wanted again ever does."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone
from pytest_django import Settings

from annotator.services.erasing import delete_project
from tests.factories import make_annotator, make_member, make_pair, make_project
from tests.training.makers import judge
from training import cleaning, store
from training.cleaning import remove_unreferenced
from training.models import Snapshot
from training.snapshots import load_snapshot, take_snapshot
from training.tasks import clean

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["disk", "bucket"])
def storage(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> str:
    settings.ATTUNE_HOME = tmp_path / "home"
    backend = {"disk": "FileSystemStorage", "bucket": "InMemoryStorage"}[request.param]
    options: dict[str, Any] = {"location": str(tmp_path / "artifacts")} if request.param == "disk" else {}
    artifacts = {"BACKEND": f"django.core.files.storage.{backend}", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "artifacts": artifacts}
    return str(request.param)


def keep(path: str) -> str:
    """A stored folder that no row names."""
    storages["artifacts"].save(f"{path}/weights.bin", ContentFile(b"0"))
    return path


def left() -> list[str]:
    return [path for prefix in ("models", "snapshots") for path, _ in store.folders_under(prefix)]


def tomorrow() -> Any:
    return timezone.now() + timedelta(days=1, minutes=1)


def snapshot() -> Snapshot:
    project = make_project()
    judge(make_annotator(project), make_pair(project), "a")
    return take_snapshot(project=project)


def test_only_what_no_row_names_and_only_after_a_day(storage: str) -> None:
    named, killed = snapshot(), keep("models/7/abc")
    keep("snapshots/9/def")
    assert remove_unreferenced() == 0
    assert len(left()) == 3
    assert remove_unreferenced(tomorrow()) == 2
    assert left() == [named.path]
    assert load_snapshot(named).digest == named.digest
    assert killed not in left()


def test_a_deleted_projects_files_go(storage: str) -> None:
    made = snapshot()
    owner = make_member(made.project)
    delete_project(project=made.project, by=owner, typed=made.project.name)
    assert left() == [made.path]
    assert remove_unreferenced(tomorrow()) == 1
    assert left() == []


def test_what_is_stored_again_meanwhile_stays(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"0")
    store.put_folder(folder, "models/7/abc")
    real = store.remove_folder

    def stored_again_first(path: str, **options: Any) -> bool:
        store.put_folder(folder, path)
        return real(path, **options)

    if storage == "disk":
        old = (timezone.now() - timedelta(days=3)).timestamp()
        os.utime(store.fetch_folder("models/7/abc"), (old, old))
        monkeypatch.setattr(cleaning.store, "remove_folder", stored_again_first)
        assert remove_unreferenced() == 0
    else:
        assert not store.remove_folder("models/7/abc", older_than=timezone.now() - timedelta(days=1))
    assert (store.fetch_folder("models/7/abc") / "weights.bin").read_bytes() == b"0"


def test_what_a_killed_writer_left_aside_goes_too(storage: str) -> None:
    keep("models/7/.aside-xyz/abc") if storage == "bucket" else keep("models/7/.aside-xyz")
    removed = remove_unreferenced(tomorrow())
    assert removed == (1 if storage == "disk" else 0)


def test_an_empty_storage_and_the_task(storage: str) -> None:
    assert remove_unreferenced(tomorrow()) == 0
    clean()


def test_a_storage_that_does_not_answer_is_logged(
    storage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    keep("models/7/abc")
    monkeypatch.setattr(store, "_listed", refuse)
    assert remove_unreferenced(tomorrow()) == 0
    assert "Permission denied" in caplog.text
