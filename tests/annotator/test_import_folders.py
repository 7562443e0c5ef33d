"""Folders and Arrow files as `datasets` saves them, unpaired rows, and columns that are called otherwise."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from datasets import Dataset, DatasetDict
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotator.errors import Invalid
from annotator.imports.batches import run_batch
from annotator.imports.errors import BadFile
from annotator.imports.mapping import read_columns
from annotator.imports.reporting import ImportOptions
from annotator.imports.running import run_import
from annotator.models import Annotator, ImportBatch, Judgment, Project, Response
from config.commands.data import import_command
from tests.annotator.api import Program, refused
from tests.annotator.importing import row
from tests.factories import ThreePeople, make_project

pytestmark = pytest.mark.django_db

ROWS = [row(annotator=f"a{n % 3}", prompt=f"Prompt {n}?", preference="ab"[n % 2]) for n in range(60)]


@pytest.fixture
def project(db: None) -> Project:
    return make_project()


def take(project: Project, source: Any, **options: Any) -> Any:
    return run_import(source, project=project, options=ImportOptions(**options))


def test_what_datasets_saves_to_disk(project: Project, tmp_path: Path) -> None:
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "one", num_shards=3)
    report = take(project, tmp_path / "one")
    assert (report.format, report.shape, report.rows) == ("folder of arrow", "judgments", 60)
    assert (report.new["judgments"], Judgment.objects.count()) == (60, 60)
    parts = {"train": Dataset.from_list(ROWS[:40]), "test": Dataset.from_list(ROWS[30:])}
    DatasetDict(parts).save_to_disk(tmp_path / "two")
    again = take(project, tmp_path / "two")
    assert (again.rows, again.duplicates, again.new["judgments"]) == (70, 70, 0)


def test_a_folder_of_parquet(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("# A card")
    for number in range(3):
        part = ROWS[20 * number : 20 * number + 20]
        pq.write_table(pa.Table.from_pylist(part), folder / "data" / f"train-{number}.parquet")
    report = take(project, folder)
    assert (report.format, report.new["judgments"], report.source) == ("folder of parquet", 60, "data")


def test_lines_are_numbered_through_a_folder(project: Project, tmp_path: Path) -> None:
    for number, preference in enumerate(["a", "c"]):
        (tmp_path / f"{number}.jsonl").write_bytes(
            orjson.dumps(ROWS[0]) + b"\n" + orjson.dumps(row(prompt="x", preference=preference))
        )
    report = take(project, tmp_path)
    assert not report.written
    assert [(problem.line, problem.field) for problem in report.problems] == [(4, "preference")]
    assert not Judgment.objects.exists()


def test_folders_that_are_none(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="holds no"):
        take(project, tmp_path)
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps(ROWS[0]))
    (tmp_path / "b.csv").write_text("x")
    with pytest.raises(BadFile, match="csv and jsonl files; expected one kind"):
        take(project, tmp_path)
    (tmp_path / "b.csv").unlink()
    (tmp_path / "c.jsonl").write_bytes(orjson.dumps({"prompt": "p", "responses": ["a", "b"]}))
    with pytest.raises(BadFile, match="the files before it are jsonl"):
        take(project, tmp_path)
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files(project: Project, kind: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    table = pa.Table.from_pylist(ROWS)
    writer = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with writer(out, table.schema) as file:
        file.write_table(table, max_chunksize=7)
    report = take(project, io.BytesIO(out.getvalue()))
    assert (report.format, report.new["judgments"]) == ("arrow", 60)
    with pytest.raises(BadFile, match="is not an Arrow file"):
        take(project, io.BytesIO(out.getvalue()[: len(out.getvalue()) // 2]))


def test_an_arrow_bomb_is_stopped_early(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.containers.RATIO_FLOOR", 1_000_000)
    table = pa.table({name: ["x" * 1000] * 100_000 for name in ("prompt", "response_a")})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(table)
    with pytest.raises(BadFile, match="times its size"):
        take(project, io.BytesIO(out.getvalue()))


def unpaired(prompt: str, text: str, label: bool, **more: Any) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": text}],
        "label": label,
        **more,
    }


def lines(rows: list[dict[str, Any]]) -> io.BytesIO:
    return io.BytesIO(b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in rows))


def test_unpaired_rows_of_one_prompt_are_judgments(project: Project) -> None:
    rows = [
        unpaired("Why?", "So.", True, annotator="anna", rationale="Short.", score=3),
        unpaired("Why?", "Because of all that.", False, annotator="anna"),
        unpaired("Why?", "Hm.", False, annotator="anna"),
        unpaired("How?", "Thus.", False, annotator="ben"),
        unpaired("How?", "With a spoon.", True, annotator="ben"),
    ]
    report = take(project, lines(rows))
    assert (report.format, report.new["judgments"]) == ("jsonl: trl unpaired, paired by prompt", 3)
    best = [
        getattr(each.pair, f"response_{each.choice}").text
        for each in Judgment.objects.select_related("pair__response_a", "pair__response_b")
    ]
    assert sorted(best) == ["So.", "So.", "With a spoon."]
    assert set(Annotator.objects.values_list("ref", flat=True)) == {"anna", "ben"}
    assert Judgment.objects.filter(about__extra__score=3, rationale__text="Short.").count() == 2
    lonely = [*rows, unpaired("What?", "That.", True, annotator="ben")]
    refused = take(project, lines(lonely))
    assert [(problem.line, problem.field) for problem in refused.problems] == [(6, "label")]


def test_unpaired_rows_that_stand_alone_are_prompts(project: Project) -> None:
    rows = [unpaired(f"Question {n}?", f"Answer {n}.", n % 2 == 0, completion_source="small") for n in range(30)]
    report = take(project, lines(rows))
    assert (report.format, report.shape, report.new["prompts"], report.new["responses"]) == (
        "jsonl: trl unpaired",
        "prompts",
        30,
        30,
    )
    assert Response.objects.filter(about__extra__label=True, source="small").count() == 15
    wrong = take(project, lines([{**rows[0], "completion": [{"role": "user", "content": "x"}]}]))
    assert [problem.field for problem in wrong.problems] == ["completion"]


def test_our_own_unpaired_export_comes_back(project: Project) -> None:
    from annotator.exports.dataset_options import DatasetOptions
    from annotator.exports.datasets import write_dataset

    take(project, lines(ROWS))
    out = io.BytesIO()
    write_dataset(project, DatasetOptions(form="kto", names="references"), out)
    other = make_project()
    report = take(other, io.BytesIO(out.getvalue()))
    assert report.new["judgments"] == 60, report.summary()

    def said(of: Project) -> set[tuple[str, str, str]]:
        found = Judgment.objects.filter(project=of).select_related(
            "annotator", "pair__prompt", "pair__response_a", "pair__response_b"
        )
        return {(j.annotator.ref, j.pair.prompt.text, getattr(j.pair, f"response_{j.choice}").text) for j in found}

    assert said(other) == said(project)


# --- columns ---------------------------------------------------------------------------------------------------------

THEIRS = ["question", "one", "other", "better"]
CSV = "question,one,other,better\nWhy?,So.,Thus.,a\nHow?,So.,Thus.,b\n"
MAPPED = {"question": "prompt", "one": "response_a", "other": "response_b", "better": "preference"}


def test_columns_are_mapped_on_the_page(people: ThreePeople, owner_client: Client) -> None:
    slug = people.project.slug
    upload = {
        "file": SimpleUploadedFile(
            "theirs.jsonl", lines([dict(zip(THEIRS, ["Why?", "So.", "Thus.", "a"], strict=True))]).getvalue()
        )
    }
    where = owner_client.post(reverse("data", args=[slug]), upload)["Location"]
    html = owner_client.get(where).content.decode()
    assert all(f"<code>{name}</code>" in html for name in THEIRS)
    batch = ImportBatch.objects.get()
    assert batch.report["rejected"] == 1
    columns = reverse("import_columns", args=[slug, batch.pk])
    form = {"theirs": THEIRS, "ours": [MAPPED[name] for name in THEIRS], "who": "carla"}
    assert owner_client.post(columns, form).status_code == 302
    batch.refresh_from_db()
    assert (batch.report["rejected"], batch.report["new"]["judgments"], batch.report["columns"]) == (1, 0, MAPPED)
    assert batch.report["problems"][0]["field"] == "annotator", "who judged is asked for where the format is ours"
    wrong = owner_client.post(columns, form | {"ours": ["prompt"] * 4}, follow=True).content.decode()
    assert "Two columns are to be “prompt”" in wrong


def test_a_table_with_other_columns_can_be_mended(people: ThreePeople, owner_client: Client) -> None:
    slug = people.project.slug
    table = "who," + CSV.replace("\n", "\nanna,").removesuffix("anna,")
    upload = {"file": SimpleUploadedFile("theirs.csv", table.encode())}
    where = owner_client.post(reverse("data", args=[slug]), upload)["Location"]
    html = owner_client.get(where).content.decode()
    assert "there is no column &#x27;annotator&#x27;" in html
    assert 'name="ours"' in html
    assert reverse("import_confirm", args=[slug, ImportBatch.objects.get().pk]) not in html
    batch = ImportBatch.objects.get()
    form = {"theirs": ["who", *THEIRS], "ours": ["annotator", *(MAPPED[name] for name in THEIRS)]}
    owner_client.post(reverse("import_columns", args=[slug, batch.pk]), form)
    html = owner_client.get(where).content.decode()
    assert reverse("import_confirm", args=[slug, batch.pk]) in html
    owner_client.post(reverse("import_confirm", args=[slug, batch.pk]))
    run_batch(batch_id=batch.pk)
    assert sorted(Judgment.objects.filter(annotator__ref="anna").values_list("pair__prompt__text", flat=True)) == [
        "How?",
        "Why?",
    ]
    assert owner_client.post(reverse("import_columns", args=[slug, batch.pk]), form).status_code == 404


def test_columns_are_mapped_through_the_api(people: ThreePeople) -> None:
    owner = Program(people.owner, people.project)
    rows = lines([{"question": "Why?", "yes": "So.", "no": "Thus."}]).getvalue()
    where = f"/api/v1/projects/{people.project.slug}/imports?map=question%3Dprompt&map=yes%3Dchosen&map=no%3Drejected&annotator=carla"
    answer = owner.generic("POST", where, rows, content_type="application/octet-stream")
    assert answer.status_code == 201, answer.content
    report = answer.json()["report"]
    assert (report["format"], report["names"], report["who"]) == (
        "jsonl: trl preference",
        ["question", "yes", "no"],
        "carla",
    )
    owner.ok("POST", f"/imports/{answer.json()['id']}/confirm")
    run_batch(batch_id=answer.json()["id"])
    assert Judgment.objects.get(annotator__ref="carla").pair.prompt.text == "Why?"
    bad = owner.generic(
        "POST", where.replace("%3Dprompt", "%3Dpassword"), rows, content_type="application/octet-stream"
    )
    refused(bad, 422, "map")


@pytest.mark.parametrize("wrong", ["prompt", "=prompt", "x=", "x=user__password"])
def test_what_is_no_mapping(wrong: str) -> None:
    with pytest.raises(Invalid):
        read_columns([wrong])
    assert read_columns(["a=b=prompt"]) == {"a=b": "prompt"}


@pytest.mark.django_db(transaction=True)
def test_columns_and_folders_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr("config.commands.data._attune", nullcontext)
    project = make_project()
    Dataset.from_list([{**each, "question": each["prompt"]} for each in ROWS]).remove_columns("prompt").save_to_disk(
        tmp_path / "saved"
    )
    arguments = ["--project", project.slug, "--map", "question=prompt"]
    done = CliRunner().invoke(import_command, [str(tmp_path / "saved"), *arguments])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["new"]["judgments"] == 60
    refused = CliRunner().invoke(import_command, [str(tmp_path / "saved"), *arguments, "--remote"])
    assert refused.exit_code == 2
