"""`attune import` and `attune export` as a shell sees them: output, files, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from annotator.models import Judgment, Membership, Project
from attune.cli import main
from tests.annotator.importing import lines, row, take
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def attune(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], input=stdin)


def file(folder: Path, *rows: Any, name: str = "judgments.jsonl") -> Path:
    path = folder / name
    path.write_bytes(lines(*rows))
    return path


def test_import_tells_what_it_did(tmp_path: Path) -> None:
    project = make_project(slug="tea")
    ran = attune("import", file(tmp_path, row(), row(annotator="x")), "--project", "tea")
    assert ran.exit_code == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["written"], told["new"]["judgments"], told["source"]) == (True, 2, "judgments.jsonl")
    assert "Added 1 prompt, 2 responses, 1 pair, 2 annotators, 2 judgments." in ran.stderr
    assert Judgment.objects.filter(project=project).count() == 2
    again = attune("import", tmp_path / "judgments.jsonl", "--project", "tea")
    assert "Nothing new in 2 rows." in again.stderr


def test_import_makes_the_project_if_asked(tmp_path: Path) -> None:
    path = file(tmp_path, row())
    missing = attune("import", path, "--project", "green-tea")
    assert missing.exit_code == 2
    assert "There is no project 'green-tea'" in missing.stderr
    owner = make_user("Olive@example.org")
    ran = attune(
        "import", path, "--project", "green-tea", "--create", "--owner", "olive@example.org", "--template", "arguments"
    )
    assert ran.exit_code == 0, ran.stderr
    project = Project.objects.get(slug="green-tea")
    assert (project.name, project.overlap) == ("Green tea", 5)
    assert Membership.objects.get(project=project).user == owner


@pytest.mark.parametrize("options", [("--owner", "nobody@example.org"), ("--template", "surprise")])
def test_import_does_not_make_a_project_that_can_not_be(tmp_path: Path, options: tuple[str, str]) -> None:
    ran = attune("import", file(tmp_path, row()), "--project", "tea", "--create", *options)
    assert ran.exit_code == 2
    assert not Project.objects.exists()


def test_a_project_is_only_made_with_what_is_in_it(tmp_path: Path) -> None:
    for options, code in ((("--dry-run",), 1), ((), 1)):
        ran = attune("import", file(tmp_path, row(), row(preference="c")), "--project", "tea", "--create", *options)
        assert ran.exit_code == code
        assert (
            "line 2, preference: a wrong value, 'c'; expected a or b or tie or both_good or both_bad or skip"
            in ran.stderr
        )
        assert json.loads(ran.stdout)["rejected_by_reason"] == {"wrong_value": 1}
    assert attune("import", file(tmp_path, row()), "--project", "tea", "--create", "--dry-run").exit_code == 0
    assert not Project.objects.exists()


def test_import_from_standard_input() -> None:
    make_project(slug="tea")
    ran = attune("import", "-", "--project", "tea", stdin=gzip.compress(lines(row())))
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["source"] == "standard input"


def test_skip_bad_puts_the_rejected_rows_beside(tmp_path: Path) -> None:
    make_project(slug="tea")
    path = file(tmp_path, row(), row(annotator="x", mood="fine"))
    ran = attune("import", path, "--project", "tea", "--skip-bad")
    assert ran.exit_code == 0, ran.stderr
    assert f"The rejected rows are in {path}.rejected.jsonl." in ran.stderr
    assert orjson.loads(Path(f"{path}.rejected.jsonl").read_bytes())["reason"] == "unknown_field"
    kept = attune("import", path, "--project", "tea", "--keep-extra")
    assert json.loads(kept.stdout)["new"]["judgments"] == 1


def test_a_full_disk_is_the_machines_fault(tmp_path: Path) -> None:
    make_project(slug="tea")
    path = file(tmp_path, row(), row(preference="c"))
    ran = attune("import", path, "--project", "tea", "--skip-bad", "--rejected", tmp_path / "no" / "where.jsonl")
    assert ran.exit_code == 3
    assert "can't be written" in ran.stderr
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnot gzip", b"[]"])
def test_a_file_that_is_none_is_wrong_data(tmp_path: Path, content: bytes) -> None:
    make_project(slug="tea")
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    assert attune("import", path, "--project", "tea").exit_code == 1
    assert attune("import", tmp_path / "nowhere", "--project", "tea").exit_code == 2


def test_pairs_per_prompt(tmp_path: Path) -> None:
    make_project(slug="tea")
    path = file(tmp_path, {"prompt": "Why?", "responses": ["1", "2", "3", "4"]})
    ran = attune("import", path, "--project", "tea", "--pairs", "2")
    assert json.loads(ran.stdout)["new"]["pairs"] == 2


def test_export_to_a_file_and_to_standard_output(tmp_path: Path) -> None:
    make_project(slug="tea")
    attune("import", file(tmp_path, row(), row(annotator="x", preference="tie")), "--project", "tea")
    ran = attune("export", "--project", "tea", "--format", "trl", "--out", tmp_path / "out.csv")
    assert ran.exit_code == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["rows"], told["left_out"]) == (1, {"ties": 1})
    assert (tmp_path / "out.csv").read_text().startswith("prompt,chosen,rejected,")
    piped = attune("export", "--project", "tea")
    assert piped.exit_code == 0, piped.output
    assert [orjson.loads(line)["preference"] for line in piped.stdout.splitlines()] == ["a", "tie"]
    assert '"rows": 2' in piped.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["judgments.jsonl", "out.csv"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--project", "coffee"), 2),
        (("--project", "tea", "--format", "parquet"), 2),
        (("--project", "tea", "--out", "/dev/full"), 3),
        (("--project", "tea", "--out", "/nowhere/at/all.jsonl"), 3),
    ],
)
def test_export_ends_with_a_code_that_means_something(options: tuple[str, ...], code: int) -> None:
    take(make_project(slug="tea"), row())
    assert attune("export", *options).exit_code == code


def test_help_says_what_there_is() -> None:
    for command in ("import", "export"):
        ran = attune(command, "--help")
        assert ran.exit_code == 0
        assert "--project" in ran.stdout


def test_without_a_database_it_is_the_machine(tmp_path: Path) -> None:
    """In a process of its own, as a shell runs it."""
    env = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "ATTUNE_HOME": str(tmp_path)}
    env["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    argv = [
        sys.executable,
        "-c",
        "from attune.cli import main; main()",
        "import",
        str(file(tmp_path, row())),
        "--project",
        "tea",
    ]
    ran = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 3, ran.stderr
    assert "Connection refused" in ran.stderr
