"""`attune export --remote` and `attune import --remote` against a live server."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from annotator.models import ImportBatch, Judgment
from annotator.services.tokens import issue_token
from config.commands.data import export_command, import_command
from tests.annotator.importing import row, take
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(people: ThreePeople, live_server: LiveServer, settings: Settings, tmp_path: Path) -> Any:
    settings.ATTUNE_HOME = tmp_path / "home"
    _, token = issue_token(user=people.owner, name="Shell", scopes=["read", "write"])
    where = ["--project", people.project.slug, "--remote", "--url", live_server.url, "--token", token, "--tries", "1"]

    def run(command: Any, *arguments: str) -> Result:
        return CliRunner().invoke(command, [*arguments, *where])

    return run


def test_exports_and_datasets_come_as_from_the_database(people: ThreePeople, run: Any, tmp_path: Path) -> None:
    take(people.project, row(annotator="x", strength=2), row(annotator="y"))
    out = tmp_path / "judgments.jsonl"
    done = run(export_command, "--out", str(out))
    assert done.exit_code == 0, (done.stderr, done.exception)
    assert json.loads(done.stdout)["file"] == str(out)
    assert [json.loads(line)["annotator"] for line in out.read_text().splitlines()] == ["x", "y"]
    assert len(run(export_command, "--format", "kto").stdout.splitlines()) == 4
    folder = tmp_path / "tea"
    done = run(
        export_command, "--format", "preference", "--type", "folder", "--out", str(folder), "--option", "split=prompt"
    )
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "croissant.json", "data"]
    assert run(export_command, "--format", "kto", "--type", "folder", "--out", str(folder)).exit_code == 2
    refused = run(export_command, "--format", "kto", "--option", "ties=maybe")
    assert (refused.exit_code, list(json.loads(refused.stderr)["fields"])) == (1, ["ties"])
    assert run(export_command, "--option", "ties=both").exit_code == 2


def test_a_file_goes_up_and_is_read(people: ThreePeople, run: Any, tmp_path: Path) -> None:
    """A dry run waits for nobody; a real one needs a worker, which here is the test itself."""
    path = tmp_path / "tea.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row(annotator="x")).encode() + b"\n"))
    dry = run(import_command, str(path), "--dry-run")
    assert (dry.exit_code, json.loads(dry.stdout)["report"]["new"]["judgments"]) == (0, 1), dry.stderr
    assert not Judgment.objects.exists()
    path.write_bytes(json.dumps(row(annotator="x", preference="c")).encode())
    wrong = run(import_command, str(path))
    assert (wrong.exit_code, json.loads(wrong.stdout)["report"]["rejected"]) == (1, 1)
    assert ImportBatch.objects.filter(confirmed_at__isnull=False).count() == 0
    assert run(import_command, str(path), "--create").exit_code == 2
